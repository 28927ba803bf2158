// Caps on clients, on what may wait, and checks of servers that were idle.

#include <doctest/doctest.h>
#include <signal.h>

#include <vector>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

int count(const PgweirProcess& pgweir, const std::string& kind, const std::string& reason) {
  const PgResult errors = pgweir.console_exec("SHOW ERRORS");
  for (int row = 0; row < errors.rows(); ++row) {
    if (errors.value(row, "kind") == kind && errors.value(row, "reason") == reason)
      return std::stoi(errors.value(row, "count"));
  }
  return -1;
}

}  // namespace

TEST_CASE("clients beyond the cap of their user or database are refused with the numbers") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "max_user_client_connections = 3\nmax_db_client_connections = 5\n";
  setup.more = "[users.trust_user]\nmax_user_client_connections = 2\n";
  const PgweirProcess pgweir(setup);
  std::vector<PgConnection> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(pgweir.connect());
  std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
  REQUIRE(error);
  CHECK(error->severity == "FATAL");
  CHECK(error->sqlstate == "53300");
  CHECK(error->message == "too many clients of user \"postgres\"");
  CHECK(error->detail == "3 of 3 client connections of user postgres are in use.");

  for (int i = 0; i < 2; ++i) clients.push_back(pgweir.connect("user=trust_user"));
  error = try_login(pgweir.port(), "trust_user", "postgres");
  REQUIRE(error);
  CHECK(error->detail == "5 of 5 client connections of database postgres are in use.");
  error = try_login(pgweir.port(), "trust_user", "template1");
  REQUIRE(error);
  CHECK(error->detail == "2 of 2 client connections of user trust_user are in use.");
  CHECK(count(pgweir, "refused", "user_clients_full") == 2);
  CHECK(count(pgweir, "refused", "database_clients_full") == 1);
  for (PgConnection& client : clients) CHECK(client.value("select 1") == "1");

  clients.erase(clients.begin());
  CHECK(eventually([&] { return !try_login(pgweir.port(), "postgres", "postgres"); }));
}

TEST_CASE("caps on clients are exact after a reload under clients, and after lost ones") {
  PgweirSetup setup(shared_postgres());
  const auto with = [&](int cap) {
    setup.pool = "max_user_client_connections = " + std::to_string(cap) + "\n";
    return setup;
  };
  const PgweirProcess pgweir(with(0));
  const auto reload = [&](int cap) {
    pgweir.rewrite(with(cap).text(pgweir.port()));
    REQUIRE(pgweir.console_exec("RELOAD").ok());
  };
  const auto refused = [&] {
    const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
    return error && error->sqlstate == "53300";
  };
  std::vector<PgConnection> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(pgweir.connect());
  reload(4);
  REQUIRE(eventually(refused));
  for (PgConnection& client : clients) CHECK(client.value("select 1") == "1");
  reload(8);
  for (int i = 0; i < 2; ++i) clients.push_back(pgweir.connect());
  CHECK(refused());
  // However they leave.
  for (int i = 0; i < 3; ++i) {
    if (i == 1) clients.back().vanish();
    clients.pop_back();
  }
  REQUIRE(eventually([&] { return !refused(); }));
  reload(0);
  clients.push_back(pgweir.connect());
  clients.push_back(pgweir.connect());
  clients.push_back(pgweir.connect());
  CHECK_FALSE(refused());
  clients.clear();
  reload(2);
  REQUIRE(eventually([&] {
    clients.clear();
    for (int i = 0; i < 2; ++i) {
      if (PgConnection next(pgweir.conninfo()); next.try_connect()) clients.push_back(std::move(next));
    }
    return clients.size() == 2;
  }));
  CHECK(refused());
}

TEST_CASE("the console is open when there is no place for clients") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "max_client_conn = 1\nmax_user_client_connections = 1\nmax_db_client_connections = 1\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect();
  CHECK(try_login(pgweir.port(), "postgres", "postgres"));
  PgConnection one = pgweir.console(), two = pgweir.console();
  CHECK(one.exec("SHOW VERSION").ok());
  CHECK(two.exec("SHOW CLIENTS").ok());
  CHECK(client.value("select 1") == "1");
}

TEST_CASE("a request beyond max_queue fails at once, with numbers, and its client stays") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 1\nmax_queue = 2\n";
  const PgweirProcess pgweir(setup);
  PgConnection holder = pgweir.connect();
  holder.must("begin; select 1");
  PgConnection first = pgweir.connect(), second = pgweir.connect(), third = pgweir.connect();
  first.send("select 'first'");
  REQUIRE(waiting_clients(pgweir, 1));
  second.send("select 'second'");
  REQUIRE(waiting_clients(pgweir, 2));

  const PgResult refused = third.exec("select 1");
  CHECK(refused.severity() == "ERROR");
  CHECK(refused.sqlstate() == "53300");
  CHECK(refused.message().find("2 clients waiting, allowed are 2 (max_queue)") != std::string::npos);
  CHECK(third.transaction() == PQTRANS_IDLE);
  CHECK(third.exec_params("select $1::int", {"1"}).sqlstate() == "53300");
  third.must("begin");
  CHECK(third.failure("select 1") == "53300");
  CHECK(third.transaction() == PQTRANS_INERROR);
  third.must("rollback");
  CHECK(count(pgweir, "refused", "queue_full") == 3);

  holder.must("commit");
  CHECK(first.finish().ok());
  CHECK(second.finish().ok());
  CHECK(third.value("select 3") == "3");
}

TEST_CASE("clients that wait for servers that are being opened are not beyond max_queue") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 8\nmax_queue = 1\n";
  const PgweirProcess pgweir(setup);
  std::vector<PgConnection> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(pgweir.connect());
  for (PgConnection& client : clients) client.send("begin; select 1");
  for (PgConnection& client : clients) CHECK(client.finish().ok());
  CHECK(pgweir.pool("sv_active") == 8);
}

TEST_CASE("a server is checked before use when it was idle, and one that fails is replaced unnoticed") {
  const Postgres& postgres = shared_postgres();
  postgres.run("create table if not exists health (ok int); truncate health; insert into health values (1)");
  PgweirSetup setup(postgres);
  setup.pool =
      "default_pool_size = 1\nserver_check_delay = 0\nserver_check_query = \"select 1 / ok from health\"\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect();
  const std::string pid = client.value("select pg_backend_pid()");
  CHECK(client.value("select pg_backend_pid()") == pid);
  CHECK(count(pgweir, "closed", "check_failed") == 0);

  postgres.run("update health set ok = 0");
  const std::string other = client.value("select pg_backend_pid()");
  CHECK(other != pid);
  CHECK(count(pgweir, "closed", "check_failed") == 1);
  // In the extended protocol as well, and with what the client has set.
  client.must("set application_name = 'kept'");
  const PgResult named = client.exec_params("select current_setting('application_name')", {});
  CHECK(named.value(0, 0) == "kept");
  CHECK(count(pgweir, "closed", "check_failed") == 3);

  pgweir.rewrite([&] {
    setup.pool = "default_pool_size = 1\nserver_check_delay = 0\nserver_check_query = \"\"\n";
    return setup.text(pgweir.port());
  }());
  REQUIRE(pgweir.console_exec("RELOAD").ok());
  client.value("select 1");
  const int before = count(pgweir, "closed", "check_failed");
  for (int i = 0; i < 3; ++i) client.value("select 1");
  CHECK(count(pgweir, "closed", "check_failed") == before);
}

TEST_CASE("a server that does not answer the check is given up") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  setup.pool = "default_pool_size = 1\nserver_check_delay = 0\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect();
  const int pid = std::stoi(client.value("select pg_backend_pid()"));
  kill(pid, SIGSTOP);
  const std::string other = client.value("select pg_backend_pid()");
  kill(pid, SIGCONT);
  CHECK(std::stoi(other) != pid);
  CHECK(count(pgweir, "closed", "check_failed") == 1);
}
