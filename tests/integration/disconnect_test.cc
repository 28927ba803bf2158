// Clients that leave without a word.

#include <doctest/doctest.h>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

PgweirSetup with_pool_of_one() {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 1\n";
  return setup;
}

}  // namespace

TEST_CASE("the transaction of a client that vanished is rolled back, and its server is used again") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  std::string pid;
  for (int round = 0; round < 5; ++round) {
    PgConnection client = pgweir.connect();
    client.must("begin; select 1");
    client.must("insert into rows values (1, 'lost')");
    const std::string now = client.value("select pg_backend_pid()");
    if (!pid.empty()) CHECK(now == pid);
    pid = now;
    client.vanish();
    CHECK(eventually([&] { return pgweir.pool("sv_idle") == 1; }));
    CHECK(postgres.backends() == 1);
  }
  PgConnection next = pgweir.connect();
  CHECK(next.value("select count(*) from rows") == "0");
  CHECK(next.value("select pg_backend_pid()") == pid);
}

TEST_CASE("the query of a client that vanished does not run on") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection client = pgweir.connect();
  client.send("select pg_sleep(602)");
  REQUIRE(eventually([&] { return pgweir.pool("sv_active") == 1; }));
  client.vanish();
  CHECK(eventually([&] {
    return postgres.value(
               "select count(*) from pg_stat_activity where state = 'active' and "
               "query = 'select pg_sleep(602)'") == "0";
  }));
  PgConnection next = pgweir.connect();
  CHECK(next.value("select 1") == "1");
  CHECK(postgres.backends() == 1);
}

TEST_CASE("a client that vanishes in COPY leaves no rows") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection client = pgweir.connect();
  REQUIRE(client.exec("copy rows from stdin").status() == PGRES_COPY_IN);
  client.copy_in("1\tone\n");
  client.vanish();
  PgConnection next = pgweir.connect();
  CHECK(next.value("select count(*) from rows") == "0");
  CHECK(eventually([&] { return postgres.backends() == 1; }));
}

TEST_CASE("a client that vanishes while a result is on its way does not disturb the next one") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  for (int round = 0; round < 10; ++round) {
    PgConnection client = pgweir.connect();
    client.send("select repeat('x', 1000) from generate_series(1, 20000)");
    client.vanish();
    PgConnection next = pgweir.connect();
    CHECK(next.value("select 'mine'") == "mine");
  }
}

TEST_CASE("a client that vanishes while it waits leaves the queue") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection holder = pgweir.connect();
  holder.must("begin; select 1");
  PgConnection waiting = pgweir.connect();
  waiting.send("insert into rows values (1, 'nobody')");
  REQUIRE(waiting_clients(pgweir, 1));
  waiting.vanish();
  CHECK(waiting_clients(pgweir, 0));
  holder.must("commit");
  CHECK(holder.value("select count(*) from rows") == "0");
}

TEST_CASE("half a message and then silence harms nobody") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  for (int round = 0; round < 5; ++round) {
    WireClient client(pgweir.port());
    client.login("postgres", "postgres");
    client.send_raw(wire_message('Q', std::string("begin; select 1") + '\0'));
    while (client.read().type != 'Z') continue;
    client.send_raw(wire_message('Q', std::string("select 'unfinished'") + '\0').substr(0, 12));
    client.close();
    PgConnection next = pgweir.connect();
    CHECK(next.value("select 'mine'") == "mine");
    CHECK(next.transaction() == PQTRANS_IDLE);
  }
}
