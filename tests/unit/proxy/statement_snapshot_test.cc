#include "proxy/session/statement_snapshot.h"

#include <doctest/doctest.h>

#include "protocol/writer.h"

using namespace pgweir;

namespace {

std::string parse_rest(Bytes sql, int types = 0) {
  Writer out;
  out.begin('P').cstring(sql).u16(static_cast<std::uint16_t>(types));
  for (int i = 0; i < types; ++i) out.u32(23);
  out.end();
  return out.take().substr(5);
}

StatementSnapshot only(Bytes sql, int types = 0) {
  StatementCatalog catalog({1, 2});
  catalog.intern(parse_rest(sql, types));
  WorkerSnapshot snapshot;
  add_statements(catalog, snapshot);
  REQUIRE(snapshot.statements.size() == 1);
  return snapshot.statements[0];
}

}  // namespace

TEST_CASE("statement snapshot: parameters by declared types, or by their numbers") {
  CHECK(only("select 1").parameters == 0);
  CHECK(only("select $2, $1").parameters == 2);
  CHECK(only("select '$7', \"$8\", $$ $9 $$ -- $10").parameters == 0);
  CHECK(only("select $1", 3).parameters == 3);
  CHECK(only("select $99999999999999999999, $70000, $3").parameters == 3);
}

TEST_CASE("statement snapshot: no more of a text than is needed") {
  const std::string sql = "select " + std::string(100'000, '1') + " where a = $1";
  const StatementSnapshot statement = only(sql);
  CHECK(statement.text.size() == 400);
  CHECK(statement.length == sql.size());
  CHECK(statement.parameters == 0);
  CHECK(statement.bytes > sql.size());
}

TEST_CASE("statement snapshot: workers agree on a statement's id") {
  CHECK(only("select 1").id == only("select 1").id);
  CHECK(only("select 1").id != only("select 2").id);
  CHECK(only("select $1").id != only("select $1", 1).id);
}

TEST_CASE("statement snapshot: the most executed statements are listed, all are summed up") {
  StatementCatalog catalog({});
  std::vector<SharedStatement> held;
  for (std::uint64_t i = 0; i < 1500; ++i) {
    held.push_back(catalog.intern(parse_rest("select " + std::to_string(i))));
    held.back()->uses.executions = i;
    held.back()->uses.parses_avoided = 2;
    held.back()->uses.evictions = 1;
  }
  WorkerSnapshot snapshot;
  add_statements(catalog, snapshot);
  REQUIRE(snapshot.statements.size() == most_statements_listed);
  CHECK(snapshot.statements.front().executions == 1499);
  CHECK(snapshot.statements.back().executions == 500);
  CHECK(snapshot.statement_totals.statements == 1500);
  CHECK(snapshot.statement_totals.executions == 1500 * 1499 / 2);
  CHECK(snapshot.statement_totals.parses_avoided == 3000);
  CHECK(snapshot.statement_totals.evictions == 1500);
  CHECK(snapshot.statement_totals.bytes == catalog.bytes());
}
