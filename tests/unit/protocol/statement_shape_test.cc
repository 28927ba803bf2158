#include "protocol/statement_shape.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/client_statements.h"
#include "protocol/server_statements.h"
#include "tests/unit/protocol/message_body.h"

using namespace pgweir;
using namespace std::literals;

namespace {

struct Column {
  std::string name;
  std::uint32_t table = 0;
  std::uint16_t number = 0;
  std::uint32_t type = 23;
  std::uint16_t size = 4;
  std::uint32_t modifier = 0xffffffff;
  std::uint16_t format = 0;
};

std::string row(const std::vector<Column>& columns) {
  Writer out;
  out.u16(static_cast<std::uint16_t>(columns.size()));
  for (const Column& it : columns) {
    out.cstring(it.name)
        .u32(it.table)
        .u16(it.number)
        .u32(it.type)
        .u16(it.size)
        .u32(it.modifier)
        .u16(it.format);
  }
  return out.take();
}

StatementShape shape_of(char type, const std::string& body) {
  StatementShape shape;
  REQUIRE(add_description(shape, type, body));
  return shape;
}

StatementShape rows(const std::vector<Column>& columns) { return shape_of('T', row(columns)); }

}  // namespace

TEST_CASE("rows differ by names, types, sizes and modifiers of their columns") {
  const StatementShape one = rows({{.name = "a"}});
  CHECK_FALSE(one.row_differs(rows({{.name = "a"}})));
  CHECK_FALSE(one.row_differs(rows({{.name = "a", .table = 17, .number = 3, .format = 1}})));
  CHECK(one.row_differs(rows({{.name = "b"}})));
  CHECK(one.row_differs(rows({{.name = "a", .type = 25}})));
  CHECK(one.row_differs(rows({{.name = "a", .size = 8}})));
  CHECK(one.row_differs(rows({{.name = "a", .modifier = 12}})));
  CHECK(one.row_differs(rows({{.name = "a"}, {.name = "a"}})));
  CHECK(one.row_differs(rows({})));
  CHECK(one.row_differs(shape_of('n', "")));
}

TEST_CASE("what was not described differs from nothing") {
  const StatementShape nothing, one = rows({{.name = "a"}});
  StatementShape both = one;
  CHECK(add_description(both, 't', "\0\1\0\0\0\27"sv));
  CHECK_FALSE(nothing.any());
  CHECK_FALSE(one.row_differs(nothing));
  CHECK_FALSE(nothing.row_differs(one));
  CHECK_FALSE(one.parameters_differ(both));
  CHECK(both.parameters_differ(shape_of('t', "\0\1\0\0\0\31"s)));
  CHECK(one.covers(nothing));
  CHECK_FALSE(nothing.covers(one));
  CHECK(both.covers(one));
  CHECK_FALSE(one.covers(both));
  StatementShape sum;
  sum.add(one);
  sum.add(shape_of('t', "\0\1\0\0\0\27"s));
  CHECK(sum.covers(both));
  CHECK_FALSE(sum.parameters_differ(both));
}

TEST_CASE("a row description that is cut off tells nothing") {
  for_each_truncation(row({{.name = "a"}, {.name = "bc"}}), [](const std::string& part) {
    StatementShape shape;
    CHECK_FALSE(add_description(shape, 'T', part));
    CHECK_FALSE(shape.any());
  });
  StatementShape shape;
  CHECK_FALSE(add_description(shape, 'T', row({{.name = "a"}}) + "x"));
  CHECK_FALSE(shape.any());
}

TEST_CASE("a client knows what it was told of the statement that has the name") {
  StatementCatalog catalog{HashKey{}};
  const SharedStatement a = catalog.intern("SELECT 'a'\0\0\0"sv), b = catalog.intern("SELECT 'b'\0\0\0"sv);
  const StatementShape told = rows({{.name = "a"}});
  ClientStatements client;
  client.tell("s", *a, told);
  CHECK(client.empty());
  client.define(1, "s", a);
  client.tell("s", *a, told);
  CHECK_FALSE(client.look_up("s").told.any());
  client.confirm(1);
  client.tell("s", *b, told);
  CHECK_FALSE(client.look_up("s").told.any());
  client.tell("s", *a, told);
  CHECK(client.look_up("s").statement == a);
  CHECK(client.look_up("s").told.row == told.row);
  client.tell("s", *a, shape_of('t', "\0\0"s));
  CHECK(client.look_up("s").told.row == told.row);
  CHECK(client.look_up("s").told.parameters != 0);
  client.close(2, "s");
  client.define(3, "s", a);
  CHECK_FALSE(client.look_up("s").told.any());
  client.confirm(2);
  client.confirm(3);
  CHECK_FALSE(client.look_up("s").told.any());
}

TEST_CASE("a server's statement has a shape for as long as it has its number") {
  StatementCatalog catalog{HashKey{}};
  const SharedStatement a = catalog.intern("SELECT 'a'\0\0\0"sv);
  ServerStatements server(10);
  CHECK(server.shape(*a, 1) == nullptr);
  server.insert(a, 1);
  REQUIRE(server.shape(*a, 1) != nullptr);
  server.shape(*a, 1)->add(rows({}));
  CHECK(server.shape(*a, 2) == nullptr);
  server.insert(a, 2);
  CHECK(server.shape(*a, 1) == nullptr);
  CHECK_FALSE(server.shape(*a, 2)->any());
}

TEST_CASE("a retired statement is held by those who have it, and by nobody else") {
  StatementCatalog catalog{HashKey{}};
  const SharedStatement old = catalog.intern("SELECT 'a'\0\0\0"sv);
  catalog.retire(*old);
  CHECK(catalog.size() == 0);
  CHECK(catalog.bytes() == 0);
  const SharedStatement now = catalog.intern("SELECT 'a'\0\0\0"sv);
  CHECK(now != old);
  catalog.retire(*old);
  CHECK(catalog.intern("SELECT 'a'\0\0\0"sv) == now);
}
