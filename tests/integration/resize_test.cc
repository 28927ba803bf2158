// The size of a pool that several workers have: its minimum, and a reload that gives it to one of them.

#include <doctest/doctest.h>

#include <vector>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

// Servers of the database, as SHOW DATABASES counts them.
int open_servers(const PgweirProcess& pgweir) {
  const PgResult databases = pgweir.console_exec("SHOW DATABASES");
  for (int row = 0; row < databases.rows(); ++row) {
    if (databases.value(row, "name") == "postgres")
      return std::stoi(databases.value(row, "current_connections"));
  }
  return -1;
}

int servers_in_pools(const PgweirProcess& pgweir) {
  return pgweir.pool("sv_active") + pgweir.pool("sv_idle") + pgweir.pool("sv_used") +
         pgweir.pool("sv_tested") + pgweir.pool("sv_login");
}

// The worker that a client belongs to is in the low bits of its key (WorkerEngine::issue_cancel_key).
int worker_of(const PgConnection& client) { return client.backend_pid() & 63; }

// Sixteen clients, each with a server of its own, on two workers.
struct FullPool {
  explicit FullPool(const Postgres& postgres) : setup(postgres) {
    setup.workers = 2;
    setup.pool = "default_pool_size = 16\n";
    pgweir = std::make_unique<PgweirProcess>(setup);
    for (int i = 0; i < 16; ++i) {
      clients.push_back(pgweir->connect());
      clients.back().must("begin; select 1");
    }
    REQUIRE(postgres.backends() == 16);
  }
  void shrink_to(int size) {
    setup.pool = "default_pool_size = " + std::to_string(size) + "\n";
    pgweir->rewrite(setup.text(pgweir->port()));
    pgweir->console_exec("RELOAD");
  }

  PgweirSetup setup;
  std::unique_ptr<PgweirProcess> pgweir;
  std::vector<PgConnection> clients;
};

}  // namespace

TEST_CASE("idle servers beyond a lower size are closed at once") {
  const Postgres& postgres = shared_postgres();
  FullPool pool(postgres);
  for (PgConnection& client : pool.clients) client.must("commit");
  CHECK(postgres.backends() == 16);
  pool.shrink_to(4);
  CHECK(eventually([&] { return postgres.backends() <= 4; }));
  CHECK(eventually([&] { return servers_in_pools(*pool.pgweir) <= 4; }));
  for (PgConnection& client : pool.clients) client.send("select 1");
  for (PgConnection& client : pool.clients) CHECK(client.finish().ok());
  CHECK(postgres.backends() <= 4);
}

TEST_CASE("busy servers beyond a lower size are closed when they are given back, also under load") {
  const Postgres& postgres = shared_postgres();
  FullPool pool(postgres);
  pool.shrink_to(4);
  // Nobody's transaction is hurt.
  for (PgConnection& client : pool.clients) CHECK(client.value("select 'mine'") == "mine");
  CHECK(postgres.backends() == 16);
  for (PgConnection& client : pool.clients) client.must("commit");
  for (int round = 0; round < 20; ++round) {
    for (PgConnection& client : pool.clients) client.send("select 1");
    for (PgConnection& client : pool.clients) REQUIRE(client.finish().ok());
  }
  CHECK(eventually([&] { return postgres.backends() <= 4; }));
  CHECK(eventually([&] { return open_servers(*pool.pgweir) <= 4; }));
  CHECK(servers_in_pools(*pool.pgweir) <= 4);
  for (PgConnection& client : pool.clients) client.send("select 1");
  for (PgConnection& client : pool.clients) CHECK(client.finish().ok());
  CHECK(postgres.backends() <= 4);
}

TEST_CASE("workers that share a pool keep min_pool_size together, not each") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  setup.workers = 2;
  setup.pool = "default_pool_size = 16\nmin_pool_size = 5\n";
  const PgweirProcess pgweir(setup);
  std::vector<PgConnection> clients;
  clients.push_back(pgweir.connect());
  REQUIRE(eventually([&] {
    clients.push_back(pgweir.connect());
    return worker_of(clients.back()) != worker_of(clients[0]);
  }));
  CHECK(eventually([&] { return postgres.backends() >= 5; }));
  for (int round = 0; round < 20; ++round) {
    for (PgConnection& client : clients) client.must("select 1");
  }
  CHECK(postgres.backends() == 5);
  CHECK(servers_in_pools(pgweir) == 5);
}
