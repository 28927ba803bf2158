// What the operator orders on the console, under load: each answer comes when it is done on every worker.

#include <doctest/doctest.h>
#include <signal.h>

#include "admin/command_table.h"
#include "tests/integration/load.h"

using namespace pgweir;

namespace {

// As shared_postgres, but without waiting for the backends that are there to be gone.
Postgres* running = nullptr;
Postgres& postgres_now() { return *running; }

PgweirSetup busy_setup() {
  running = &shared_postgres();
  PgweirSetup setup(*running);
  setup.pool = "default_pool_size = 4\n";
  return setup;
}

// Backends of pgweir's in PostgreSQL. One that was closed is in the list for a moment longer.
std::string backends(const std::string& database = "postgres") {
  return postgres_now().value(
      "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> "
      "pg_backend_pid() and datname = '" +
      database + "'");
}

std::string state(const PgweirProcess& pgweir, const std::string& key) {
  const PgResult states = pgweir.console_exec("SHOW STATE");
  for (int row = 0; row < states.rows(); ++row) {
    if (states.value(row, "key") == key) return states.value(row, "value");
  }
  return "no such row";
}

std::string of_database(const PgweirProcess& pgweir, const std::string& name, const std::string& column) {
  const PgResult rows = pgweir.console_exec("SHOW DATABASES");
  for (int row = 0; row < rows.rows(); ++row) {
    if (rows.value(row, "name") == name) return rows.value(row, column);
  }
  return "no such row";
}

bool paused(const PgweirProcess& pgweir) {
  return eventually([&] { return state(pgweir, "paused") == "yes"; });
}

}  // namespace

TEST_CASE("verbs: PAUSE answers when no server is left, and RESUME goes on where it was") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection console = pgweir.console();
  Load load(pgweir, 8);
  for (int round = 0; round < 5; ++round) {
    CAPTURE(round);
    REQUIRE(load.goes_on());
    CHECK(console.must("PAUSE").tag() == "PAUSE");
    const PgResult servers = console.must("SHOW SERVERS");
    CHECK(servers.rows() == 0);
    CHECK(eventually([] { return backends() == "0"; }));
    CHECK(state(pgweir, "paused") == "yes");
    CHECK(state(pgweir, "active") == "no");
    const long done = load.done();
    CHECK(console.must("SHOW SERVERS").rows() == 0);
    CHECK(load.done() == done);
    CHECK(console.failure("PAUSE") == "55000");
    CHECK(console.must("RESUME").tag() == "RESUME");
    CHECK(console.failure("RESUME") == "55000");
  }
  REQUIRE(load.goes_on());
  load.stop();
  CHECK(load.failures().empty());
  CHECK(load.wrong() == 0);
}

TEST_CASE("verbs: PAUSE waits for a transaction, and a client that comes meanwhile waits for RESUME") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection holder = pgweir.connect();
  holder.must("begin; select 1");
  PgConnection console = pgweir.console();
  console.send("PAUSE");
  REQUIRE(paused(pgweir));
  CHECK(holder.value("select 'still served'") == "still served");
  PgConnection later = pgweir.connect();
  later.send("select 'served after all'");
  REQUIRE(waiting_clients(pgweir, 1));
  CHECK_FALSE(console.answered());
  holder.must("commit");
  CHECK(console.finish().tag() == "PAUSE");
  CHECK(pgweir.pool("cl_waiting") == 1);
  console.must("RESUME");
  CHECK(later.finish().value(0, 0) == "served after all");
}

TEST_CASE("verbs: a cancel takes PAUSE back, and so does RESUME from another console") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection holder = pgweir.connect();
  holder.must("begin; select 1");
  PgConnection console = pgweir.console();
  for (const bool cancel : {true, false}) {
    CAPTURE(cancel);
    console.send("PAUSE");
    REQUIRE(paused(pgweir));
    if (cancel) {
      console.cancel();
    } else {
      CHECK(pgweir.console_exec("RESUME").ok());
    }
    CHECK(console.finish().sqlstate() == "57014");
    CHECK(eventually([&] { return state(pgweir, "active") == "yes"; }));
    CHECK(pgweir.connect().value("select 1") == "1");
  }
  holder.must("commit");
}

TEST_CASE("verbs: PAUSE of a database leaves the others alone") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection console = pgweir.console();
  Load load(pgweir, 4);
  Load other(pgweir, 4, "dbname=template1");
  REQUIRE(load.goes_on());
  CHECK(console.must("PAUSE postgres").tag() == "PAUSE");
  CHECK(of_database(pgweir, "postgres", "paused") == "1");
  CHECK(of_database(pgweir, "template1", "paused") == "0");
  CHECK(eventually([] { return backends() == "0"; }));
  REQUIRE(other.goes_on());
  CHECK(console.failure("RESUME") == "55000");
  CHECK(console.failure("RESUME template1") == "55000");
  CHECK(console.must("RESUME postgres").tag() == "RESUME");
  REQUIRE(load.goes_on());
  load.stop();
  other.stop();
  CHECK(load.failures().empty());
  CHECK(other.failures().empty());
}

TEST_CASE("verbs: DISABLE refuses new clients and keeps those that are there") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection console = pgweir.console();
  Load load(pgweir, 4);
  REQUIRE(load.goes_on());
  CHECK(console.must("DISABLE postgres").tag() == "DISABLE");
  for (int i = 0; i < 10; ++i) {
    const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
    REQUIRE(error);
    CHECK(error->sqlstate == "55000");
    CHECK(error->message == "database does not allow connections: postgres");
  }
  CHECK_FALSE(try_login(pgweir.port(), "postgres", "template1"));
  CHECK(of_database(pgweir, "postgres", "disabled") == "1");
  REQUIRE(load.goes_on());
  CHECK(console.must("ENABLE postgres").tag() == "ENABLE");
  CHECK_FALSE(try_login(pgweir.port(), "postgres", "postgres"));
  load.stop();
  CHECK(load.failures().empty());
}

TEST_CASE("verbs: RECONNECT replaces every server, and WAIT_CLOSE waits for the last of them") {
  const PgweirProcess pgweir(busy_setup());
  const Postgres& postgres = postgres_now();
  PgConnection console = pgweir.console();
  Load load(pgweir, 8);
  for (int round = 0; round < 5; ++round) {
    REQUIRE(load.goes_on());
    const std::string before = postgres.value("select clock_timestamp()");
    CHECK(console.must("RECONNECT").tag() == "RECONNECT");
    CHECK(console.must("WAIT_CLOSE").tag() == "WAIT_CLOSE");
    CHECK(eventually([&] {
      return postgres.value(
                 "select count(*) from pg_stat_activity where datname = 'postgres' and pid <> "
                 "pg_backend_pid() and backend_start < '" +
                 before + "'") == "0";
    }));
  }
  REQUIRE(load.goes_on());
  load.stop();
  CHECK(load.failures().empty());
  CHECK(load.wrong() == 0);

  PgConnection holder = pgweir.connect();
  holder.must("begin; select 1");
  console.must("RECONNECT postgres");
  const PgResult servers = console.must("SHOW SERVERS");
  int needed = 0;
  for (int row = 0; row < servers.rows(); ++row) needed += servers.value(row, "close_needed") == "1";
  CHECK(needed >= 1);
  console.send("WAIT_CLOSE postgres");
  CHECK(pgweir.connect().value("select 1") == "1");
  CHECK_FALSE(console.answered());
  console.cancel();
  CHECK(console.finish().sqlstate() == "57014");
  console.send("WAIT_CLOSE postgres");
  holder.must("commit");
  CHECK(console.finish().tag() == "WAIT_CLOSE");
}

TEST_CASE("verbs: KILL closes clients and servers, and lets new clients wait until RESUME") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection console = pgweir.console();
  PgConnection other = pgweir.connect("dbname=template1");
  other.must("begin; select 1");
  PgConnection sleeper = pgweir.connect();
  sleeper.send("select pg_sleep(603)");
  REQUIRE(eventually([] {
    return postgres_now().value(
               "select count(*) from pg_stat_activity where state = 'active' and query = 'select "
               "pg_sleep(603)'") == "1";
  }));
  CHECK(console.must("KILL postgres").tag() == "KILL");
  const PgResult told = sleeper.finish();
  CHECK(told.sqlstate() == "57P01");
  CHECK(told.message().find("admin forced disconnect") != std::string::npos);
  CHECK(of_database(pgweir, "postgres", "paused") == "1");
  CHECK(other.must("select 1").ok());
  PgConnection later = pgweir.connect();
  later.send("select 1");
  REQUIRE(waiting_clients(pgweir, 1));
  console.must("RESUME postgres");
  CHECK(later.finish().ok());

  console.must("KILL");
  CHECK(other.exec("select 1").sqlstate() == "57P01");
  CHECK(console.must("SHOW CLIENTS").ok());
  CHECK(state(pgweir, "paused") == "yes");
  console.must("RESUME");
  CHECK(pgweir.connect().value("select 1") == "1");
}

TEST_CASE("verbs: KILL under load") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection console = pgweir.console();
  Load load(pgweir, 8);
  for (int round = 0; round < 5; ++round) {
    REQUIRE(load.goes_on());
    CHECK(console.must("KILL").tag() == "KILL");
    CHECK(eventually([] { return backends() == "0"; }));
    console.must("RESUME");
  }
  REQUIRE(load.goes_on());
  load.stop();
  CHECK(load.failures().size() >= 8);
  CHECK(load.wrong() == 0);
}

TEST_CASE("verbs: KILL_CLIENT closes one client, whose server rolls back and goes on") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection console = pgweir.console();
  Load load(pgweir, 4);
  PgConnection victim = pgweir.connect("application_name=victim");
  victim.must("begin; select 1");
  const PgResult clients = console.must("SHOW CLIENTS");
  std::string id;
  for (int row = 0; row < clients.rows(); ++row) {
    if (clients.value(row, "application_name") == "victim") id = clients.value(row, "id");
  }
  REQUIRE_FALSE(id.empty());
  CHECK(console.must("KILL_CLIENT " + id).tag() == "KILL_CLIENT");
  CHECK(victim.exec("select 1").sqlstate() == "57P01");
  CHECK(console.failure("KILL_CLIENT " + id) == "42704");
  CHECK(console.failure("KILL_CLIENT x") == "22023");
  REQUIRE(load.goes_on());
  load.stop();
  CHECK(load.failures().empty());
}

TEST_CASE("verbs: SUSPEND stands still with the connections open, and RESUME goes on") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection console = pgweir.console();
  Load load(pgweir, 8);
  for (int round = 0; round < 3; ++round) {
    REQUIRE(load.goes_on());
    CHECK(console.must("SUSPEND").tag() == "SUSPEND");
    CHECK(state(pgweir, "suspended") == "yes");
    const long done = load.done();
    PgConnection later(pgweir.conninfo());
    CHECK(console.must("SHOW CLIENTS").rows() >= 8);
    CHECK(load.done() <= done + 8);  // answers that were on their way
    console.must("RESUME");
    REQUIRE(later.try_connect());
    CHECK(later.value("select 1") == "1");
  }
  REQUIRE(load.goes_on());
  load.stop();
  CHECK(load.failures().empty());
  CHECK(load.wrong() == 0);
}

TEST_CASE("verbs: SET counts until RELOAD") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection console = pgweir.console();
  const auto size = [&] { return of_database(pgweir, "postgres", "pool_size"); };
  pgweir.connect().must("select 1");
  CHECK(size() == "4");
  Load load(pgweir, 8);
  REQUIRE(load.goes_on());
  CHECK(console.must("SET default_pool_size = 2").tag() == "SET default_pool_size=2");
  CHECK(size() == "2");
  CHECK(eventually([] { return std::stoi(backends()) <= 2; }));
  CHECK(console.failure("SET default_pool_size = many") == "22023");
  CHECK(console.failure("SET listen_port = 1") == "0A000");
  REQUIRE(load.goes_on());
  console.must("RELOAD");
  CHECK(size() == "4");
  load.stop();
  CHECK(load.failures().empty());
}

TEST_CASE("verbs: SHUTDOWN WAIT_FOR_CLIENTS serves who is there and ends when they have left") {
  PgweirProcess pgweir(busy_setup());
  PgConnection client = pgweir.connect();
  client.must("select 1");
  PgConnection console = pgweir.console();
  CHECK(console.must("SHUTDOWN WAIT_FOR_CLIENTS").tag() == "SHUTDOWN");
  REQUIRE(eventually([&] {
    const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
    return error && error->sqlstate == "57P01";
  }));
  for (int i = 0; i < 10; ++i) CHECK(client.value("select 1") == "1");
  CHECK(pgweir.console().must("SHOW POOLS").rows() >= 1);
  client = pgweir.console();
  CHECK(pgweir.process().wait() == 0);
}

TEST_CASE("verbs: SHUTDOWN WAIT_FOR_SERVERS lets transactions finish, and who waits is told at once") {
  PgweirSetup setup = busy_setup();
  setup.pool = "default_pool_size = 1\n";
  PgweirProcess pgweir(setup);
  PgConnection holder = pgweir.connect(), waiting = pgweir.connect();
  holder.must("begin; select 1");
  waiting.send("select 1");
  REQUIRE(waiting_clients(pgweir, 1));
  CHECK(pgweir.console_exec("SHUTDOWN WAIT_FOR_SERVERS").tag() == "SHUTDOWN");
  CHECK(waiting.finish().sqlstate() == "57P01");
  CHECK(holder.value("select 1") == "1");
  holder.must("commit");
  CHECK(pgweir.process().wait() == 0);
}

TEST_CASE("verbs: ways to end under load") {
  PgweirProcess pgweir(busy_setup());
  Load load(pgweir, 12);
  REQUIRE(load.goes_on());
  const auto ends = [&] {
    CHECK(pgweir.process().wait() == 0);
    load.stop();
    CHECK(load.wrong() == 0);
  };
  SUBCASE("SHUTDOWN WAIT_FOR_CLIENTS: who is there goes on, as long as he likes") {
    pgweir.console().must("SHUTDOWN WAIT_FOR_CLIENTS");
    REQUIRE(eventually([&] {
      const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
      return error && error->sqlstate == "57P01";
    }));
    REQUIRE(load.goes_on(500));
    load.stop();
    ends();
    CHECK(load.failures().empty());
  }
  SUBCASE("SHUTDOWN WAIT_FOR_SERVERS: what has begun is finished") {
    CHECK(pgweir.console_exec("SHUTDOWN WAIT_FOR_SERVERS").tag() == "SHUTDOWN");
    ends();
    CHECK(load.broken() == 0);
    CHECK_FALSE(load.failures().empty());
  }
  SUBCASE("SIGTERM: the same") {
    pgweir.process().signal(SIGTERM);
    ends();
    CHECK(load.broken() == 0);
    CHECK_FALSE(load.failures().empty());
  }
  SUBCASE("SHUTDOWN: at once, and nobody takes it for an answer") {
    pgweir.console_exec("SHUTDOWN");
    ends();
    CHECK_FALSE(load.failures().empty());
  }
}

TEST_CASE("verbs: what cannot be done is told in PgBouncer's words") {
  const PgweirProcess pgweir(busy_setup());
  PgConnection console = pgweir.console();
  const auto told = [&](const std::string& command) {
    const std::string message = console.exec(command).message();
    return message.substr(0, message.find('\n'));
  };
  CHECK(told("PAUSE pgbouncer") == "ERROR:  cannot pause admin db: pgbouncer");
  CHECK(told("DISABLE") == "ERROR:  a database is required");
  CHECK(told("RESUME") == "ERROR:  pooler is not paused/suspended");
  CHECK(told("RESUME postgres") == "ERROR:  database postgres is not paused");
  CHECK(told("KILL_CLIENT 1234567") == "ERROR:  client not found");
  PgConnection monitor = pgweir.connect("dbname=pgweir user=monitor password=monitor");
  // Every command that there is, as it begins: rights come before arguments.
  int refused = 0;
  for (const Command& command : command_table()) {
    std::string verb(command.words);
    // Without a setting of pgweir it is the SET that drivers send.
    if (verb == "SET") verb += " default_pool_size = 1";
    CAPTURE(verb);
    if (command.privilege == ConsolePrivilege::admin) {
      CHECK(monitor.failure(verb) == "42501");
      ++refused;
    } else if (command.arguments.empty()) {
      CHECK(monitor.exec(verb).ok());
    }
  }
  CHECK(refused > 15);
  CHECK(state(pgweir, "active") == "yes");
}
