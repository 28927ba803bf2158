#include "protocol/frontend.h"

#include <doctest/doctest.h>

#include <array>

#include "tests/unit/protocol/message_body.h"

using namespace pgweir;
using namespace std::literals;

namespace {

BindMessage sample_bind() {
  return {.portal = "p",
          .statement = "s1",
          .parameter_formats = {0, 1, 0},
          .parameters = {"one", std::nullopt, ""},
          .result_formats = {1}};
}

std::string bind_body(std::uint16_t formats, std::uint16_t parameters, const std::string& rest) {
  Writer out;
  out.cstring("").cstring("s").u16(formats).u16(parameters).bytes(rest);
  return out.take();
}

// The lengths that have broken parsers.
constexpr std::uint32_t hostile_lengths[] = {0x7fffffff, 0x80000000, 0xfffffffe, 0xfffffffb,
                                             0xfffffff0, 0x3fffffff, 4};

}  // namespace

TEST_CASE("Query, PasswordMessage and CopyFail are one text") {
  Writer query, password, fail;
  write_query(query, "SELECT 1");
  write_password(password, "");
  write_copy_fail(fail, "no more");
  CHECK(query.view() == "Q\0\0\0\x0dSELECT 1\0"s);
  CHECK(read_query(body_of(query, 'Q')) == "SELECT 1");
  CHECK(read_password(body_of(password, 'p')) == "");
  CHECK(read_copy_fail(body_of(fail, 'f')) == "no more");
  for (const std::string& body : {""s, "SELECT 1"s, "a\0b\0"s, "a\0\0"s}) {
    CAPTURE(printable(body));
    CHECK_FALSE(read_query(body));
    CHECK_FALSE(read_password(body));
    CHECK_FALSE(read_copy_fail(body));
  }
}

TEST_CASE("passwords of any length pass") {
  for (std::size_t size : {1u, 1023u, 1024u, 4096u, 65000u}) {
    Writer out;
    const std::string password(size, '\xff');
    write_password(out, password);
    CHECK(read_password(body_of(out, 'p')) == password);
  }
}

TEST_CASE("Parse comes back as it was written, and no part of it is a Parse") {
  Writer out;
  const std::array<std::uint32_t, 3> types{23, 0, 0xffffffff};
  write_parse(out, "s1", "SELECT $1", types);
  const std::string body = body_of(out, 'P');
  const auto message = read_parse(body);
  REQUIRE(message);
  CHECK(message->statement == "s1");
  CHECK(message->query == "SELECT $1");
  CHECK(message->parameter_types == std::vector<std::uint32_t>{23, 0, 0xffffffff});
  for_each_truncation(body, [](const std::string& part) { CHECK_FALSE(read_parse(part)); });
  CHECK_FALSE(read_parse(body + "x"));
  CHECK_FALSE(read_parse("\0\0\xff\xff"s));
}

TEST_CASE("Bind comes back as it was written, and no part of it is a Bind") {
  Writer out;
  write_bind(out, sample_bind());
  const std::string body = body_of(out, 'B');
  const auto message = read_bind(body);
  REQUIRE(message);
  CHECK(message->portal == "p");
  CHECK(message->statement == "s1");
  CHECK(message->parameter_formats == std::vector<std::uint16_t>{0, 1, 0});
  CHECK(message->parameters == std::vector<std::optional<Bytes>>{"one", std::nullopt, ""});
  CHECK(message->result_formats == std::vector<std::uint16_t>{1});
  for_each_truncation(body, [](const std::string& part) { CHECK_FALSE(read_bind(part)); });
  CHECK_FALSE(read_bind(body + "x"));
}

TEST_CASE("a Bind whose names are changed keeps the rest") {
  Writer out;
  write_bind(out, sample_bind());
  const std::string body = body_of(out, 'B');
  auto head = read_bind_head(body);
  REQUIRE(head);
  CHECK(head->portal == "p");
  CHECK(head->statement == "s1");
  Writer same;
  write_bind(same, *head);
  CHECK(same.view() == out.view());
  head->statement = "another";
  Writer changed;
  write_bind(changed, *head);
  const std::string changed_body = body_of(changed, 'B');
  const auto message = read_bind(changed_body);
  REQUIRE(message);
  CHECK(message->statement == "another");
  CHECK(message->parameters == sample_bind().parameters);
  CHECK_FALSE(read_bind_head("p\0s"s));
  CHECK_FALSE(read_bind_head(""));
}

TEST_CASE("a Bind with lengths and counts that its body does not have is refused") {
  for (std::uint32_t length : hostile_lengths) {
    CAPTURE(length);
    CHECK_FALSE(read_bind(bind_body(0, 1, big_endian(length) + "abc"s)));
    CHECK_FALSE(read_bind(bind_body(0, 1, big_endian(length) + "\0\0"s)));
  }
  CHECK(read_bind(bind_body(0, 1, big_endian(0xffffffff) + "\0\0"s)));
  CHECK(read_bind(bind_body(0, 1, big_endian(0) + "\0\0"s)));
  CHECK(read_bind(bind_body(0, 1, big_endian(3) + "abc\0\0"s)));
  for (std::uint16_t count :
       {std::uint16_t{1}, std::uint16_t{3}, std::uint16_t{0x7fff}, std::uint16_t{0xffff}}) {
    CAPTURE(count);
    CHECK_FALSE(read_bind(bind_body(count, 0, "")));
    CHECK_FALSE(read_bind(bind_body(0, count, "")));
    CHECK_FALSE(read_bind(bind_body(0, 0, "\xff\xff\0\0"s)));
  }
}

TEST_CASE("a Bind has up to 65535 parameters") {
  BindMessage message{.statement = "s", .parameters = std::vector<std::optional<Bytes>>(65535)};
  Writer out;
  write_bind(out, message);
  const std::string body = body_of(out, 'B');
  const auto back = read_bind(body);
  REQUIRE(back);
  CHECK(back->parameters.size() == 65535);
  message.parameters.resize(70000);
  Writer more;
  write_bind(more, message);
  CHECK(more.view() == out.view());
}

TEST_CASE("Describe and Close are about a statement or a portal") {
  for (char kind : {'S', 'P'}) {
    Writer describe, close;
    write_describe(describe, {kind, "name"});
    write_close(close, {kind, "name"});
    const std::string describe_body = body_of(describe, 'D');
    const std::string close_body = body_of(close, 'C');
    CHECK(describe_body == close_body);
    REQUIRE(read_describe(describe_body));
    CHECK(read_describe(describe_body)->kind == kind);
    CHECK(read_describe(describe_body)->name == "name");
    REQUIRE(read_close(close_body));
    CHECK(read_close(close_body)->kind == kind);
    for_each_truncation(close_body, [](const std::string& part) {
      CHECK_FALSE(read_describe(part));
      CHECK_FALSE(read_close(part));
    });
    CHECK_FALSE(read_close(close_body + "x"));
  }
  CHECK_FALSE(read_describe("Xname\0"s));
  CHECK_FALSE(read_close("\0name\0"s));
  CHECK_FALSE(read_close("sname\0"s));
}

TEST_CASE("Execute has a portal and a limit") {
  for (std::int32_t rows : {0, 1, -1, 0x7fffffff}) {
    Writer out;
    write_execute(out, "p", rows);
    const std::string body = body_of(out, 'E');
    const auto message = read_execute(body);
    REQUIRE(message);
    CHECK(message->portal == "p");
    CHECK(message->max_rows == rows);
    for_each_truncation(body, [](const std::string& part) { CHECK_FALSE(read_execute(part)); });
    CHECK_FALSE(read_execute(body + "x"));
  }
}

TEST_CASE("SASLInitialResponse tells no data from empty data") {
  for (std::optional<Bytes> data :
       {std::optional<Bytes>("n,,n=,r=x"), std::optional<Bytes>(""), std::optional<Bytes>()}) {
    Writer out;
    write_sasl_initial_response(out, "SCRAM-SHA-256", data);
    const std::string body = body_of(out, 'p');
    const auto response = read_sasl_initial_response(body);
    REQUIRE(response);
    CHECK(response->mechanism == "SCRAM-SHA-256");
    CHECK(response->data == data);
    for_each_truncation(body, [](const std::string& part) { CHECK_FALSE(read_sasl_initial_response(part)); });
    CHECK_FALSE(read_sasl_initial_response(body + "x"));
  }
  for (std::uint32_t length : hostile_lengths) {
    CAPTURE(length);
    CHECK_FALSE(read_sasl_initial_response("M\0"s + big_endian(length) + "abc"));
    CHECK_FALSE(read_sasl_initial_response("M\0"s + big_endian(length)));
  }
  CHECK_FALSE(read_sasl_initial_response("M\0"s + big_endian(0xffffffff) + "abc"));
  CHECK_FALSE(read_sasl_initial_response("M\0"s + big_endian(0) + "abc"));
}

TEST_CASE("messages without a body, and those that are all body") {
  Writer out;
  write_sync(out);
  write_flush(out);
  write_terminate(out);
  write_copy_done(out);
  CHECK(out.view() == "S\0\0\0\4H\0\0\0\4X\0\0\0\4c\0\0\0\4"s);
  Writer data, response;
  write_copy_data(data, "a\0b"s);
  write_sasl_response(response, "c=biws");
  CHECK(body_of(data, 'd') == "a\0b"s);
  CHECK(body_of(response, 'p') == "c=biws");
}

TEST_CASE("FunctionCall asks in text") {
  Writer out;
  const std::array<std::optional<Bytes>, 2> arguments{"7", std::nullopt};
  write_function_call(out, 1598, arguments);
  CHECK(body_of(out, 'F') == "\0\0\x06\x3e\0\0\0\2\0\0\0\1"s + "7\xff\xff\xff\xff\0\0"s);
}

TEST_CASE("text stops at a zero byte, so no field can be smuggled in") {
  Writer out;
  write_parse(out, "a\0b"s, "SELECT 1\0; DROP TABLE x"s);
  const std::string body = body_of(out, 'P');
  const auto message = read_parse(body);
  REQUIRE(message);
  CHECK(message->statement == "a");
  CHECK(message->query == "SELECT 1");
}
