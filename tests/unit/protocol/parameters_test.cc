#include "protocol/parameters.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "protocol/reader.h"

using namespace pgweir;
using namespace std::string_view_literals;

namespace {

Parameters make(std::initializer_list<std::pair<Bytes, Bytes>> values) {
  Parameters parameters;
  for (const auto& [name, value] : values) parameters.set(name, value);
  return parameters;
}

}  // namespace

TEST_CASE("parameters: names are found in any case, and the first spelling stays") {
  Parameters parameters;
  parameters.set("DateStyle", "ISO");
  parameters.set("datestyle", "German");
  REQUIRE(parameters.values().size() == 1);
  CHECK(parameters.values()[0] == Parameters::Value("DateStyle", "German"));
  REQUIRE(parameters.find("DATESTYLE") != nullptr);
  CHECK(*parameters.find("DATESTYLE") == "German");
  CHECK(parameters.find("DateStyl") == nullptr);
  CHECK(parameters.find("DateStyles") == nullptr);
  CHECK(parameters.find("") == nullptr);
}

TEST_CASE("parameters: the order of setting does not matter") {
  const Parameters one = make({{"TimeZone", "UTC"}, {"application_name", "x"}, {"DateStyle", "ISO"}});
  const Parameters two = make({{"DateStyle", "SQL"}, {"TimeZone", "UTC"}, {"application_name", "x"}});
  CHECK_FALSE(one == two);
  Parameters three = two;
  three.set("dateSTYLE", "ISO");
  CHECK(three == one);
  CHECK(one.values()[0].first == "application_name");  // sorted without regard to case
  CHECK(one.values()[1].first == "DateStyle");
}

TEST_CASE("catalog: equal sets are one object") {
  ParameterCatalog catalog;
  const auto one = catalog.intern(make({{"a", "1"}, {"b", "2"}}));
  const auto two = catalog.intern(make({{"b", "2"}, {"a", "1"}}));
  const auto other = catalog.intern(make({{"a", "1"}}));
  CHECK(one == two);
  CHECK(one != other);
  CHECK(catalog.with(other, "b", "2") == one);
  CHECK(catalog.with(one, "B", "2") == one);
  CHECK(catalog.with(one, "b", "3") != one);
  CHECK(*one->find("b") == "2");  // sets never change
}

TEST_CASE("catalog: forgets what nobody uses, and nothing that somebody uses") {
  ParameterCatalog catalog;
  const auto kept = catalog.intern(make({{"application_name", "kept"}}));
  std::weak_ptr<const Parameters> first_gone;
  for (int i = 0; i < 10'000; ++i) {
    const auto set = catalog.with(kept, "application_name", "client " + std::to_string(i));
    if (i == 0) first_gone = set;
  }
  CHECK(first_gone.expired());
  CHECK(catalog.intern(make({{"application_name", "kept"}})) == kept);
}

TEST_CASE("is_settable: facts about the server are not") {
  for (const Bytes name : {"server_version", "server_encoding", "integer_datetimes", "is_superuser",
                           "in_hot_standby", "Server_Version"}) {
    CAPTURE(name);
    CHECK_FALSE(is_settable(name));
  }
  for (const Bytes name :
       {"client_encoding", "DateStyle", "TimeZone", "application_name", "search_path", "scram_iterations"}) {
    CAPTURE(name);
    CHECK(is_settable(name));
  }
}

TEST_CASE("difference: what the server reports too, can be set and has another value") {
  const Parameters wanted = make({{"application_name", "app"},
                                  {"TimeZone", "UTC"},
                                  {"not_reported", "x"},
                                  {"server_version", "15"},
                                  {"datestyle", "German"}});
  const Parameters present = make({{"application_name", "other"},
                                   {"TimeZone", "UTC"},
                                   {"server_version", "16"},
                                   {"DateStyle", "ISO"},
                                   {"IntervalStyle", "postgres"}});
  const std::vector<Parameters::Value> expected{{"application_name", "app"}, {"datestyle", "German"}};
  CHECK(difference(wanted, present) == expected);
  CHECK(difference(wanted, wanted).empty());
  CHECK(difference({}, present).empty());
}

TEST_CASE("set_messages: nothing to set is no message") {
  std::string types;
  CHECK(set_messages({}, types).empty());
  CHECK(types.empty());
}

TEST_CASE("set_messages: plain values go in one Query, quoted") {
  std::string types;
  const std::string out =
      set_messages({{"TimeZone", "UTC"}, {"application_name", R"(it's \ me; drop)"}}, types);
  CHECK(types == "Q");
  Reader in(out);
  CHECK(in.u8() == 'Q');
  CHECK(in.u32() == out.size() - 1);
  CHECK(in.cstring() == R"(SET TimeZone=E'UTC';SET application_name=E'it''s \\ me; drop';)");
  CHECK(in.done());
}

TEST_CASE("set_messages: other values are bound, none is ever quoted") {
  struct Case {
    Bytes name, value;
  };
  for (const Case& row : {Case{"application_name", "na\xc3\xafve"}, Case{"search_path", "a, b"},
                          Case{"TimeZone", "line\nbreak"}, Case{"x'; DROP TABLE y; --", "1"},
                          Case{"application_name", "\x7f"}, Case{"search_path", ""}}) {
    CAPTURE(row.name);
    const auto& [name, value] = row;
    std::string types;
    const std::string out = set_messages({{std::string(name), std::string(value)}}, types);
    CHECK(types == "PBES");
    Reader in(out);
    CHECK(in.u8() == 'P');
    in.u32();
    CHECK(in.cstring().empty());
    CHECK(in.cstring() == "SELECT pg_catalog.set_config($1,$2,false)");
    CHECK(in.u16() == 2);
    CHECK(in.u32() == 25);
    CHECK(in.u32() == 25);
    CHECK(in.u8() == 'B');
    CHECK(in.u32() == 4 + 2 + 2 + 2 + 4 + name.size() + 4 + value.size() + 2);
    CHECK(in.cstring().empty());
    CHECK(in.cstring().empty());
    CHECK(in.u16() == 0);
    CHECK(in.u16() == 2);
    CHECK(in.bytes(in.u32()) == name);
    CHECK(in.bytes(in.u32()) == value);
    CHECK(in.u16() == 0);
    CHECK(in.rest() == "E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04"sv);
    CHECK(in.ok());
  }
}

TEST_CASE("set_messages: both kinds together, the letters in the order of the messages") {
  std::string types = "x";
  const std::string out =
      set_messages({{"search_path", "a"}, {"TimeZone", "UTC"}, {"search_path", "b"}}, types);
  CHECK(types == "xQPBEPBES");
  std::string seen = "x";
  for (Bytes rest = out; !rest.empty();) {
    seen += rest[0];
    const std::size_t size = 1 + Reader(rest.substr(1)).u32();
    REQUIRE(size <= rest.size());
    rest.remove_prefix(size);
  }
  CHECK(seen == types);
}
