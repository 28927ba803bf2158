// Pools of 16 servers or more, which several workers share: slots and idle servers go where they are needed.

#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

PgweirSetup shared_by_workers(const std::string& pool) {
  PgweirSetup setup(shared_postgres());
  setup.workers = 4;
  setup.pool = pool;
  return setup;
}

// The worker that a client belongs to is in the low bits of its key (WorkerEngine::issue_cancel_key).
int worker_of(const PgConnection& client) { return client.backend_pid() & 63; }

// One client on each of the pool's workers, as chance and the kernel have it.
std::vector<PgConnection> one_on_each_of_two_workers(const PgweirProcess& pgweir) {
  std::vector<PgConnection> clients;
  clients.push_back(pgweir.connect());
  REQUIRE(eventually([&] {
    PgConnection next = pgweir.connect();
    if (worker_of(next) == worker_of(clients[0])) return false;
    clients.push_back(std::move(next));
    return true;
  }));
  return clients;
}

}  // namespace

TEST_CASE("the first server of a worker may come from another worker") {
  const Postgres& postgres = shared_postgres();
  // All that two workers may have together is one server.
  const PgweirProcess pgweir(shared_by_workers("default_pool_size = 16\nmax_db_connections = 1\n"));
  std::vector<PgConnection> clients = one_on_each_of_two_workers(pgweir);
  const PgConnection direct = postgres.connect("application_name=test-harness");
  const std::string pid = clients[0].value("select pg_backend_pid()");
  for (int round = 0; round < 5; ++round) {
    for (PgConnection& client : clients) {
      CHECK(client.value("select pg_backend_pid()") == pid);
      for (const char* name :
           {"server_version", "server_encoding", "client_encoding", "DateStyle", "TimeZone", "IntervalStyle",
            "standard_conforming_strings", "integer_datetimes"}) {
        CHECK(client.parameter(name) == direct.parameter(name));
      }
    }
  }
  clients[0].must("set TimeZone = 'Asia/Tokyo'");
  CHECK(clients[1].value("show TimeZone") == direct.parameter("TimeZone"));
  CHECK(clients[0].value("show TimeZone") == "Asia/Tokyo");
  CHECK(postgres.backends() == 1);
}

TEST_CASE("a server that came from another worker has the settings that servers begin with") {
  shared_postgres();
  const PgweirProcess pgweir(shared_by_workers("default_pool_size = 16\nmax_db_connections = 1\n"));
  PgConnection first = pgweir.connect();
  first.must("set DateStyle = 'German'");
  // The server that the other worker gets is the one that this was set on.
  CHECK(eventually([&] {
    PgConnection next = pgweir.connect();
    CHECK(next.parameter("DateStyle") == "ISO, MDY");
    CHECK(next.value("select date '2026-12-31'") == "2026-12-31");
    return worker_of(next) != worker_of(first);
  }));
  CHECK(first.value("select date '2026-12-31'") == "31.12.2026");
}

TEST_CASE("the reserve of a pool that workers share is used, and no more than that") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(
      shared_by_workers("default_pool_size = 16\nreserve_pool_size = 2\nreserve_pool_timeout = \"100ms\"\n"));
  std::vector<PgConnection> holders;
  for (int i = 0; i < 18; ++i) {
    holders.push_back(pgweir.connect());
    holders.back().must("begin; select 1");
  }
  CHECK(postgres.backends() == 18);

  PgConnection waiting = pgweir.connect();
  waiting.send("select 'served'");
  REQUIRE(
      eventually([&] { return pgweir.pool("maxwait") * 1'000'000 + pgweir.pool("maxwait_us") > 300'000; }));
  CHECK(postgres.backends() == 18);
  CHECK_FALSE(waiting.answered());
  holders.back().must("commit");
  CHECK(waiting.finish().ok());
}

TEST_CASE("a pool that workers share shrinks to its new size while it is used") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup = shared_by_workers("default_pool_size = 24\n");
  const PgweirProcess pgweir(setup);
  std::vector<PgConnection> clients;
  for (int i = 0; i < 24; ++i) {
    clients.push_back(pgweir.connect());
    clients.back().must("begin; select 1");
  }
  CHECK(postgres.backends() == 24);
  std::map<int, int> workers;
  for (const PgConnection& client : clients) ++workers[worker_of(client)];
  CHECK(workers.size() == 3);

  // Each of the workers has fewer than 16; all of them together have more.
  setup.pool = "default_pool_size = 16\n";
  pgweir.rewrite(setup.text(pgweir.port()));
  pgweir.console_exec("RELOAD");
  for (PgConnection& client : clients) client.must("commit");
  CHECK(eventually([&] { return postgres.backends() <= 16; }));
  for (PgConnection& client : clients) client.send("select 1");
  for (PgConnection& client : clients) CHECK(client.finish().ok());
  CHECK(postgres.backends() <= 16);
}
