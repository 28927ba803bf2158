#include "protocol/statements.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/frontend.h"
#include "protocol/server_statements.h"

using namespace pgweir;
using namespace std::literals;

namespace {

std::string parse_rest(Bytes query, std::vector<std::uint32_t> types = {}) {
  Writer out;
  write_parse(out, "a name", query, types);
  return std::string(read_parse_head(out.view().substr(5)).value().rest);
}

std::uint64_t colliding(HashKey, Bytes) { return 17; }

}  // namespace

TEST_CASE("the keyed hash is SipHash-1-3") {
  // From CPython 3.11, which hashes bytes so, with a key of zeros.
  CHECK(keyed_hash({}, "a") == 0x407448d2b89b1813);
  CHECK(keyed_hash({}, "12345678") == 0x3489982430560a87);
  CHECK(keyed_hash({}, "SELECT 1\0\0\0"sv) == 0x159d6213c2ca97bc);
  CHECK(keyed_hash({1, 0}, "a") != keyed_hash({}, "a"));
  CHECK(keyed_hash({0, 1}, "a") != keyed_hash({}, "a"));
}

TEST_CASE("equal text with equal types is one statement") {
  StatementCatalog catalog({1, 2});
  const SharedStatement a = catalog.intern(parse_rest("SELECT $1", {23}));
  CHECK(catalog.intern(parse_rest("SELECT $1", {23})) == a);
  CHECK(catalog.intern(parse_rest("SELECT $1", {25})) != a);
  CHECK(catalog.intern(parse_rest("SELECT $1")) != a);
  CHECK(a->query() == "SELECT $1");
  CHECK(a->parse_rest() == parse_rest("SELECT $1", {23}));
  CHECK(a->effects().none());
  CHECK(catalog.intern(parse_rest("SET a = 1"))->effects().has(SqlEffect::set));
  CHECK(catalog.size() == 4);
}

TEST_CASE("equal text in another context is another statement, in every table") {
  StatementCatalog catalog({}, colliding);
  const SharedStatement a = catalog.intern("SELECT 1\0\0\0"sv, 7), b = catalog.intern("SELECT 1\0\0\0"sv, 8);
  CHECK(a != b);
  CHECK(a->context() == 7);
  CHECK(a->hash() == b->hash());
  CHECK(catalog.intern("SELECT 1\0\0\0"sv, 7) == a);
  CHECK(catalog.intern("SELECT 1\0\0\0"sv) != a);
  ServerStatements server(9);
  server.insert(a, 1);
  CHECK_FALSE(server.find(*b));
  server.insert(b, 2);
  CHECK(server.find(*a) == 1);
  catalog.retire(*a);
  CHECK(catalog.intern("SELECT 1\0\0\0"sv, 7) != a);
  CHECK(catalog.intern("SELECT 1\0\0\0"sv, 8) == b);
}

TEST_CASE("a statement can be parsed under another name") {
  StatementCatalog catalog({});
  const SharedStatement a = catalog.intern(parse_rest("SELECT $1, $2", {23, 25}));
  Writer renamed, direct;
  write_parse(renamed, {.statement = statement_name(17), .rest = a->parse_rest()});
  const std::vector<std::uint32_t> types{23, 25};
  write_parse(direct, "pgweir_17", "SELECT $1, $2", types);
  CHECK(renamed.view() == direct.view());
}

TEST_CASE("statements with the same hash stay apart") {
  StatementCatalog catalog({}, colliding);
  std::vector<SharedStatement> held;
  for (int i = 0; i < 200; ++i) held.push_back(catalog.intern(parse_rest("SELECT " + std::to_string(i))));
  for (int i = 0; i < 200; ++i) {
    const auto index = static_cast<std::size_t>(i);
    CHECK(catalog.intern(parse_rest("SELECT " + std::to_string(i))) == held[index]);
    CHECK(held[index]->query() == "SELECT " + std::to_string(i));
  }
  CHECK(catalog.size() == 200);
}

TEST_CASE("what nobody holds is forgotten, and the totals follow") {
  StatementCatalog catalog({});
  SharedStatement held = catalog.intern(parse_rest("SELECT 1"));
  for (int i = 0; i < 1000; ++i) catalog.intern(parse_rest("SELECT 1 + " + std::to_string(i)));
  CHECK(catalog.size() <= 65);  // by itself
  catalog.sweep();
  CHECK(catalog.size() == 1);
  CHECK(catalog.bytes() == held->bytes());
  CHECK(catalog.intern(parse_rest("SELECT 1")) == held);
  std::size_t seen = 0;
  catalog.for_each([&](const PreparedStatement& statement) { seen += statement.query() == "SELECT 1"; });
  CHECK(seen == 1);
  held = nullptr;
  catalog.sweep();
  CHECK(catalog.size() == 0);
  CHECK(catalog.bytes() == 0);
}

TEST_CASE("large statements that nobody holds do not pile up") {
  StatementCatalog catalog({});
  for (int i = 0; i < 50; ++i) catalog.intern(parse_rest(std::string(300'000, 'x') + std::to_string(i)));
  CHECK(catalog.bytes() < 2'000'000);
}

TEST_CASE("statements outlive their catalog") {
  SharedStatement held;
  {
    StatementCatalog catalog({});
    held = catalog.intern(parse_rest("SELECT 1"));
  }
  CHECK(held->query() == "SELECT 1");
}

TEST_CASE("a Parse is checked before its rest is taken") {
  for (const Bytes body : {""sv, "a"sv, "a\0b"sv, "a\0b\0"sv, "a\0b\0\0\1"sv, "a\0b\0\0\0x"sv}) {
    CHECK_FALSE(read_parse_head(body));
    CHECK_FALSE(read_parse(body));
  }
  const auto head = read_parse_head("a\0b\0\0\1\0\0\0\27"sv);
  REQUIRE(head);
  CHECK(head->statement == "a");
  CHECK(head->rest == "b\0\0\1\0\0\0\27"sv);
}

TEST_CASE("a server's statements, the least recently used first") {
  StatementCatalog catalog({});
  const SharedStatement a = catalog.intern(parse_rest("a")), b = catalog.intern(parse_rest("b")),
                        c = catalog.intern(parse_rest("c"));
  ServerStatements server(2);
  CHECK_FALSE(server.oldest());
  CHECK_FALSE(server.find(*a));
  server.insert(a, 1);
  CHECK_FALSE(server.full());
  server.insert(b, 2);
  CHECK(server.full());
  CHECK(server.find(*a) == 1);
  CHECK(server.oldest()->id == 1);  // find() is no use
  CHECK(server.use(*a) == 1);
  CHECK(server.oldest()->statement == b);
  CHECK(server.oldest()->id == 2);
  CHECK(server.erase(*b));
  CHECK_FALSE(server.erase(*b));
  server.insert(c, 3);
  CHECK(server.oldest()->statement == a);
  server.insert(a, 4);
  CHECK(server.find(*a) == 4);
  CHECK(server.oldest()->statement == c);
  CHECK(server.size() == 2);
  CHECK(a->uses.servers == 1);
  CHECK(b->uses.servers == 0);
  server.set_most(3);
  CHECK_FALSE(server.full());
  server.clear();
  CHECK(server.size() == 0);
  CHECK_FALSE(server.use(*a));
  CHECK(a->uses.servers == 0);
  ServerStatements none(0);
  CHECK(none.full());
}
