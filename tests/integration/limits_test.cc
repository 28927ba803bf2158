// What happens when there is no room.

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "tests/integration/servers.h"

using namespace pgweir;

TEST_CASE("a client beyond max_client_conn is refused with the number, and may come when one has left") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "max_client_conn = 3\n";
  const PgweirProcess pgweir(setup);
  std::vector<PgConnection> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(pgweir.connect());

  const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
  REQUIRE(error);
  CHECK(error->severity == "FATAL");
  CHECK(error->sqlstate == "53300");
  CHECK((error->message + error->detail).find('3') != std::string::npos);
  for (PgConnection& client : clients) CHECK(client.value("select 1") == "1");

  clients.pop_back();
  CHECK(eventually([&] { return !try_login(pgweir.port(), "postgres", "postgres"); }));
}

TEST_CASE("max_client_conn is exact after it was raised and lowered under clients") {
  PgweirSetup setup(shared_postgres());
  const auto with = [&](int count) {
    setup.pool = "max_client_conn = " + std::to_string(count) + "\n";
    return setup;
  };
  const PgweirProcess pgweir(with(3));
  const auto reload = [&](int count) {
    pgweir.rewrite(with(count).text(pgweir.port()));
    REQUIRE(pgweir.console_exec("RELOAD").ok());
  };
  const auto refused = [&] {
    const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
    return error && error->sqlstate == "53300";
  };
  std::vector<PgConnection> clients;
  const auto admit_up_to = [&](std::size_t count) {
    while (clients.size() < count) clients.push_back(pgweir.connect());
    CHECK(refused());
  };
  // Those that left are counted as gone.
  const auto leave = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) clients.pop_back();
    REQUIRE(eventually([&] {
      const PgResult lists = pgweir.console_exec("SHOW LISTS");
      for (int row = 0; row < lists.rows(); ++row) {
        // The console is a client as well.
        if (lists.value(row, "list") == "used_clients")
          return lists.value(row, 1) == std::to_string(clients.size() + 1);
      }
      return false;
    }));
  };

  admit_up_to(3);
  reload(5);
  admit_up_to(5);
  reload(2);
  CHECK(refused());
  for (PgConnection& client : clients) CHECK(client.value("select 1") == "1");
  leave(2);
  CHECK(refused());
  leave(1);
  CHECK(refused());
  leave(1);
  admit_up_to(2);
  reload(4);
  admit_up_to(4);
  leave(4);
  admit_up_to(4);
  // Places that are free do not outlive the limit that they came from.
  leave(2);
  reload(3);
  admit_up_to(3);
  leave(1);
  reload(2);
  CHECK(refused());
}

TEST_CASE("a client that waits longer than query_wait_timeout gets an error and stays connected") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 1\nquery_wait_timeout = \"300ms\"\n";
  const PgweirProcess pgweir(setup);
  PgConnection holder = pgweir.connect();
  PgConnection waiting = pgweir.connect();
  holder.must("begin; select 1");

  const PgResult result = waiting.exec("select 1");
  CHECK(result.severity() == "ERROR");
  CHECK(result.sqlstate() == "53300");
  CHECK(waiting.transaction() == PQTRANS_IDLE);
  CHECK(waiting.exec_params("select $1::int", {"1"}).sqlstate() == "53300");

  CHECK(holder.value("select 'still mine'") == "still mine");
  holder.must("commit");
  CHECK(waiting.value("select 2") == "2");
}

TEST_CASE("max_db_connections holds over the pools of all users") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  setup.pool = "default_pool_size = 5\nmax_db_connections = 2\n";
  const PgweirProcess pgweir(setup);
  PgConnection one = pgweir.connect();
  PgConnection two = pgweir.connect("user=trust_user");
  PgConnection three = pgweir.connect();
  one.must("begin; select 1");
  two.must("begin; select 1");
  three.send("select pg_backend_pid()");
  REQUIRE(waiting_clients(pgweir, 1));
  CHECK(postgres.backends() == 2);

  // A slot of the other user's pool is as good: its idle server gives way.
  two.must("commit");
  CHECK(three.finish().ok());
  CHECK(postgres.backends() <= 2);
  one.must("commit");
}

TEST_CASE("too many connections at the server are an error for the client, who may try again") {
  PostgresOptions options;
  options.max_connections = 5;
  options.configuration = {"superuser_reserved_connections = 1"};
  const Postgres postgres(options);
  postgres.run("create role limited login");
  std::vector<PgConnection> direct;
  // The backend that made the role may not have ended yet.
  CHECK(eventually([&] {
    try {
      direct.push_back(postgres.connect("user=limited"));
    } catch (const std::runtime_error&) {
      return false;
    }
    return direct.size() == 4;
  }));

  PgweirSetup setup(postgres);
  setup.pool = "default_pool_size = 2\nserver_login_retry = \"100ms\"\nquery_wait_timeout = \"5s\"\n";
  const PgweirProcess pgweir(setup);
  const std::optional<LoginError> error = try_login(pgweir.port(), "limited", "postgres");
  REQUIRE(error);
  CHECK(error->sqlstate == "53300");

  direct.clear();
  CHECK(eventually([&] { return !try_login(pgweir.port(), "limited", "postgres"); }));
}
