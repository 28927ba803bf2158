// A CancelRequest reaches the query that its client runs, and nothing else.

#include <doctest/doctest.h>
#include <signal.h>

#include <deque>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

PgweirSetup with_pool_of(int size) {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = " + std::to_string(size) + "\n";
  return setup;
}

bool running(const Postgres& postgres, const std::string& query) {
  return eventually([&] {
    return postgres.value("select count(*) from pg_stat_activity where state = 'active' and query = '" +
                          query + "'") == "1";
  });
}

}  // namespace

TEST_CASE("a running query is cancelled, and its client goes on") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection client = pgweir.connect();
  client.send("select pg_sleep(600)");
  REQUIRE(running(postgres, "select pg_sleep(600)"));
  client.cancel();
  const PgResult result = client.finish();
  CHECK(result.sqlstate() == "57014");
  CHECK(result.severity() == "ERROR");
  CHECK(client.value("select 1") == "1");
}

TEST_CASE("a query inside a transaction is cancelled and fails the transaction") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(2));
  PgConnection client = pgweir.connect();
  client.must("begin; select 1");
  client.send("select pg_sleep(601)");
  REQUIRE(running(postgres, "select pg_sleep(601)"));
  client.cancel();
  CHECK(client.finish().sqlstate() == "57014");
  CHECK(client.transaction() == PQTRANS_INERROR);
  client.must("rollback");
}

TEST_CASE("a client that waits for a server is answered with 57014 and stays connected") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection holder = pgweir.connect();
  PgConnection waiting = pgweir.connect();
  holder.must("begin; select 1");
  waiting.send("select 1");
  REQUIRE(waiting_clients(pgweir, 1));
  waiting.cancel();
  const PgResult result = waiting.finish();
  CHECK(result.sqlstate() == "57014");
  CHECK(result.severity() == "ERROR");

  CHECK(holder.value("select 'untouched'") == "untouched");
  CHECK(holder.transaction() == PQTRANS_INTRANS);
  holder.must("commit");
  CHECK(waiting.value("select 2") == "2");
}

TEST_CASE("cancelling a client that runs nothing does not hit the one that has its former server") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection idle = pgweir.connect();
  PgConnection busy = pgweir.connect();
  CHECK(idle.value("select pg_backend_pid()") == busy.value("select pg_backend_pid()"));

  PgConnection lock = postgres.connect("application_name=test-harness");
  lock.must("select pg_advisory_lock(7)");
  busy.send("select pg_advisory_xact_lock(7)");
  REQUIRE(running(postgres, "select pg_advisory_xact_lock(7)"));
  for (int i = 0; i < 10; ++i) idle.cancel();
  lock.must("select pg_advisory_unlock(7)");
  CHECK(busy.finish().ok());
  CHECK(idle.value("select 1") == "1");
}

TEST_CASE("cancels that come late or early never hit another client") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of(3));
  PgConnection nervous = pgweir.connect();
  std::deque<PgConnection> calm;
  for (int i = 0; i < 5; ++i) calm.push_back(pgweir.connect());

  int cancelled = 0;
  for (int round = 0; round < 100; ++round) {
    nervous.send("select pg_sleep(0.002)");
    for (PgConnection& client : calm) client.send("select pg_sleep(0.002), 'calm'");
    nervous.cancel();
    const PgResult result = nervous.finish();
    if (!result.ok()) {
      CHECK(result.sqlstate() == "57014");
      ++cancelled;
    }
    nervous.cancel();
    for (PgConnection& client : calm) {
      const PgResult answer = client.finish();
      INFO(answer.message());
      REQUIRE(answer.ok());
    }
  }
  MESSAGE("cancelled " << cancelled << " of 100");
}

TEST_CASE("a key that nobody has cancels nothing") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection client = pgweir.connect();
  PgConnection lock = postgres.connect("application_name=test-harness");
  lock.must("select pg_advisory_lock(8)");
  client.send("select pg_advisory_xact_lock(8)");
  REQUIRE(running(postgres, "select pg_advisory_xact_lock(8)"));
  for (const std::uint32_t secret : {0u, 1u, 0xffffffffu}) {
    WireClient stranger(pgweir.port());
    stranger.send_raw(wire_int32(16) + wire_int32(80877102) +
                      wire_int32(static_cast<std::uint32_t>(client.backend_pid())) + wire_int32(secret));
    CHECK(stranger.read().closed());
  }
  lock.must("select pg_advisory_unlock(8)");
  CHECK(client.finish().ok());
}

TEST_CASE("two cancels of one statement are one for the server, and end with it") {
  // Nobody takes a new connection while the postmaster stands still.
  const Postgres postgres;
  PgweirSetup setup(postgres);
  setup.pool = "default_pool_size = 1\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect();
  PgConnection next = pgweir.connect();
  const int postmaster = std::stoi(postgres.value("select pg_read_file('postmaster.pid', 0, 20)"));
  client.send("select pg_sleep(603)");
  REQUIRE(running(postgres, "select pg_sleep(603)"));

  REQUIRE(kill(postmaster, SIGSTOP) == 0);
  client.cancel();
  client.cancel();
  const int cancels = pgweir.pool("sv_active_cancel");
  next.send("select 'not hit'");
  const bool waits = waiting_clients(pgweir, 1);
  kill(postmaster, SIGCONT);
  CHECK(cancels == 1);
  CHECK(waits);
  CHECK(client.finish().sqlstate() == "57014");
  CHECK(next.finish().ok());
  CHECK(client.value("select 1") == "1");
}

TEST_CASE("a cancel goes to where its server is, also when the settings lead elsewhere by now") {
  const Postgres& postgres = shared_postgres();
  const Postgres other;
  PgweirSetup setup = with_pool_of(1);
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect();
  client.send("select pg_sleep(604)");
  REQUIRE(running(postgres, "select pg_sleep(604)"));
  setup.any_database = PgweirSetup(other).any_database;
  pgweir.rewrite(setup.text(pgweir.port()));
  REQUIRE(pgweir.console_exec("RELOAD").ok());
  client.cancel();
  CHECK(client.finish().sqlstate() == "57014");
  CHECK(client.value("select setting from pg_settings where name = 'port'") == std::to_string(other.port()));
}
