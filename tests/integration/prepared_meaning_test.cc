// The same text means different things to clients with different settings: PostgreSQL reads constants when it
// parses a statement, and a prepared statement keeps what was read. Statements with the same text are one on
// pgweir's servers only where it means the same.

#include <doctest/doctest.h>

#include <string>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

void prepare(PgConnection& client, const std::string& name, const std::string& sql) {
  const PgResult prepared(PQprepare(client.raw(), name.c_str(), sql.c_str(), 0, nullptr));
  REQUIRE_MESSAGE(prepared.ok(), client.error());
}

std::string run(PgConnection& client, const std::string& name) {
  const PgResult result(PQexecPrepared(client.raw(), name.c_str(), 0, nullptr, nullptr, nullptr, 0));
  REQUIRE_MESSAGE(result.rows() == 1, client.error());
  return result.value(0, 0);
}

PgweirSetup one_server() {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 1\n";
  return setup;
}

const std::string epoch = "select extract(epoch from '2024-01-01 00:00'::timestamptz)::int8";
constexpr const char* in_utc = "1704067200";
constexpr const char* in_new_york = "1704085200";

}  // namespace

TEST_CASE("statements with the same text mean what their own client's settings say") {
  const PgweirProcess pgweir(one_server());
  PgConnection a = pgweir.connect(), b = pgweir.connect(), c = pgweir.connect();
  a.must("set timezone to 'UTC'");
  b.must("set timezone to 'America/New_York'");
  prepare(a, "s", epoch);
  CHECK(run(a, "s") == in_utc);
  prepare(b, "s", epoch);
  CHECK(run(b, "s") == in_new_york);
  CHECK(run(a, "s") == in_utc);

  // A setting that is not reported; as C and the others of it, 'a\tb' is three characters or four.
  const std::string day = "select extract(month from '02/03/2024'::date)::int";
  a.must("set datestyle to 'ISO, MDY'");
  c.must("set datestyle to 'ISO, DMY'");
  prepare(c, "d", day);
  prepare(a, "d", day);
  CHECK(run(a, "d") == "2");
  CHECK(run(c, "d") == "3");

  const std::string null = "select count(*) from (values (1), (null)) v(x) where x = null";
  b.must("set transform_null_equals to on");
  prepare(b, "n", null);
  prepare(c, "n", null);
  CHECK(run(b, "n") == "1");
  CHECK(run(c, "n") == "0");
}

TEST_CASE("what is prepared behind a SET of the same transaction is nobody else's") {
  const PgweirProcess pgweir(one_server());
  PgConnection a = pgweir.connect(), b = pgweir.connect();
  for (PgConnection* const it : {&a, &b}) it->must("set timezone to 'UTC'");
  a.must("begin");
  a.must("set local timezone to 'America/New_York'");
  prepare(a, "s", epoch);
  CHECK(run(a, "s") == in_new_york);
  a.must("commit");
  prepare(b, "s", epoch);
  CHECK(run(b, "s") == in_utc);

  a.must("begin");
  CHECK(a.value("select set_config(lower('TimeZone'), 'America/New_York', true)") == "America/New_York");
  prepare(a, "t", epoch);
  CHECK(run(a, "t") == in_new_york);
  a.must("rollback");
  CHECK(run(b, "s") == in_utc);
  b.must("deallocate s");
  prepare(b, "s", epoch);
  CHECK(run(b, "s") == in_utc);
}

TEST_CASE("a statement that is prepared anew for a client with other settings stays right for the others") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 2\n";
  const PgweirProcess pgweir(setup);
  PgConnection a = pgweir.connect(), b = pgweir.connect(), holder = pgweir.connect();
  for (PgConnection* const it : {&a, &b}) it->must("set timezone to 'UTC'");
  prepare(a, "s", epoch);
  prepare(b, "s", epoch);
  // The first server is held: a, which has another zone now, prepares it on the second.
  holder.must("begin; select 1");
  a.must("set timezone to 'America/New_York'");
  run(a, "s");
  CHECK(run(b, "s") == in_utc);
  holder.must("commit");
  CHECK(run(b, "s") == in_utc);
}

TEST_CASE("equal settings share their statements, whatever else is set") {
  const PgweirProcess pgweir(one_server());
  PgConnection a = pgweir.connect(), b = pgweir.connect();
  a.must("set statement_timeout to '50s'");
  b.must("set work_mem to '8MB'");
  b.must("begin");
  b.must("set local search_path to public");
  prepare(b, "x", "select 'shared'");
  b.must("commit");
  prepare(a, "y", "select 'shared'");
  CHECK(run(a, "y") == "shared");
  CHECK(run(b, "x") == "shared");
  CHECK(a.value("select count(*) from pg_prepared_statements where statement = 'select ''shared'''") == "1");
}
