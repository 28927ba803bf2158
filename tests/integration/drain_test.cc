// A draining process can still be reached: for cancels, by the console, and to be told that it ends.

#include <doctest/doctest.h>
#include <signal.h>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

// A process that drains and does not end, because `client` is in a transaction.
void start_drain(PgweirProcess& pgweir, PgConnection& client) {
  client.must("begin; select 1");
  pgweir.process().signal(SIGTERM);
  // As seen from outside: the answer of every worker, since a new client lands on any of them.
  REQUIRE(eventually([&] { return pgweir.log_contains("draining"); }));
  int refused = 0;
  REQUIRE(eventually([&] {
    const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
    refused = error && error->sqlstate == "57P01" ? refused + 1 : 0;
    return refused == 20;
  }));
}

}  // namespace

TEST_CASE("while draining a new client is told that the process ends") {
  PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection client = pgweir.connect();
  start_drain(pgweir, client);
  const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
  REQUIRE(error);
  CHECK(error->severity == "FATAL");
  CHECK(error->sqlstate == "57P01");
  CHECK(client.value("select 'still served'") == "still served");
  client.must("commit");
  CHECK(pgweir.process().wait() == 0);
}

TEST_CASE("while draining a cancel reaches its query") {
  const Postgres& postgres = shared_postgres();
  PgweirProcess pgweir{PgweirSetup(postgres)};
  PgConnection client = pgweir.connect();
  start_drain(pgweir, client);
  client.send("select pg_sleep(604)");
  REQUIRE(eventually([&] {
    return postgres.value(
               "select count(*) from pg_stat_activity where state = 'active' and query = 'select "
               "pg_sleep(604)'") == "1";
  }));
  client.cancel();
  CHECK(client.finish().sqlstate() == "57014");
  client.must("rollback");
  CHECK(pgweir.process().wait() == 0);
}

TEST_CASE("while draining the console answers, and does not keep the process") {
  PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection before = pgweir.console();
  PgConnection client = pgweir.connect();
  start_drain(pgweir, client);
  CHECK(before.must("SHOW VERSION").rows() == 1);
  PgConnection console = pgweir.console();
  CHECK(console.must("SHOW CLIENTS").rows() >= 1);
  CHECK(pgweir.pool("cl_active") == 1);
  CHECK(pgweir.pool("sv_active") == 1);
  client.must("commit");
  CHECK(pgweir.process().wait() == 0);
}

TEST_CASE("who has connected and said nothing does not keep a draining process") {
  PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  WireClient silent(pgweir.port());
  PgConnection client = pgweir.connect();
  start_drain(pgweir, client);
  client.must("commit");
  CHECK(pgweir.process().wait() == 0);
}

TEST_CASE("SHUTDOWN on the console ends a process that drains") {
  PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection client = pgweir.connect();
  start_drain(pgweir, client);
  pgweir.console().exec("SHUTDOWN");
  CHECK(pgweir.process().wait() == 0);
}
