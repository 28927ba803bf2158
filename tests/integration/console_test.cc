// The console: what monitoring tools read must have exactly the shape they expect.

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "tests/integration/servers.h"

using namespace pgweir;

TEST_CASE("SHOW commands have the columns of PgBouncer 1.25") {
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection client = pgweir.connect("application_name=shown");
  client.must("select 1");
  PgConnection console = pgweir.console();

  const std::map<std::string, int> columns{{"POOLS", 17},     {"STATS", 23}, {"CLIENTS", 21}, {"SERVERS", 21},
                                           {"DATABASES", 17}, {"LISTS", 2},  {"CONFIG", 4},   {"VERSION", 1}};
  for (const auto& entry : columns) {
    CAPTURE(entry.first);
    const PgResult result = console.must("SHOW " + entry.first);
    CHECK(result.columns() == entry.second);
    CHECK(result.rows() > 0);
  }
  for (const std::string name : {"CONCURRENCY", "HISTOGRAMS", "RECOMMENDATIONS"}) {
    CAPTURE(name);
    CHECK(console.must("SHOW " + name).columns() > 1);
  }
  CHECK(console.must("show pools;").columns() == 17);
}

TEST_CASE("SHOW POOLS, CLIENTS and SERVERS tell who is linked to whom") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 2\n";
  const PgweirProcess pgweir(setup);
  PgConnection busy = pgweir.connect("application_name=busy");
  PgConnection idle = pgweir.connect("application_name=idle");
  busy.must("begin; select 1");
  const std::string pid = busy.value("select pg_backend_pid()");
  idle.must("select 1");

  CHECK(pgweir.pool("cl_active") == 2);
  CHECK(pgweir.pool("cl_waiting") == 0);
  CHECK(pgweir.pool("sv_active") == 1);
  CHECK(pgweir.pool("sv_idle") <= 1);

  const PgResult clients = pgweir.console_exec("SHOW CLIENTS");
  std::map<std::string, std::string> states, links;
  for (int row = 0; row < clients.rows(); ++row) {
    const std::string name = clients.value(row, "application_name");
    states[name] = clients.value(row, "state");
    links[name] = clients.value(row, "link");
  }
  CHECK(states["busy"] == "active");
  CHECK(states["idle"] == "idle");

  const PgResult servers = pgweir.console_exec("SHOW SERVERS");
  std::set<std::string> linked;
  for (int row = 0; row < servers.rows(); ++row) {
    CHECK(servers.value(row, "database") == "postgres");
    if (servers.value(row, "remote_pid") != pid) continue;
    CHECK(servers.value(row, "state") == "active");
    linked.insert(servers.value(row, "ptr"));
  }
  CHECK(linked == std::set<std::string>{links["busy"]});
  busy.must("commit");
}

TEST_CASE("SHOW STATS counts transactions and queries") {
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection client = pgweir.connect();
  for (int i = 0; i < 10; ++i) client.must("select 1");
  client.must("begin; select 1");
  for (int i = 0; i < 5; ++i) client.must("select 1");
  client.must("commit");

  const PgResult stats = pgweir.console_exec("SHOW STATS");
  bool found = false;
  for (int row = 0; row < stats.rows(); ++row) {
    if (stats.value(row, "database") != "postgres") continue;
    found = true;
    CHECK(stats.value(row, "total_xact_count") == "11");
    CHECK(stats.value(row, "total_query_count") == "17");
  }
  CHECK(found);
}

TEST_CASE("the console answers to both of its names, and refuses who has no business there") {
  PgweirSetup setup(shared_postgres());
  const PgweirProcess pgweir(setup);
  CHECK(pgweir.connect("dbname=pgbouncer user=dba password=dba").must("SHOW VERSION").rows() == 1);
  const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "pgweir");
  REQUIRE(error);
  CHECK(error->sqlstate == "28000");

  PgConnection monitor = pgweir.connect("dbname=pgweir user=monitor password=monitor");
  CHECK(monitor.must("SHOW POOLS").columns() == 17);
  CHECK_FALSE(monitor.exec("RELOAD").ok());
  CHECK_FALSE(monitor.exec("SHUTDOWN").ok());
  CHECK(monitor.must("SHOW VERSION").rows() == 1);
}

TEST_CASE("an unknown command is an error that leaves the console usable") {
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection console = pgweir.console();
  for (const std::string command : {"SHOW NONSENSE", "DROP TABLE students", "SHOW"}) {
    CAPTURE(command);
    CHECK_FALSE(console.exec(command).ok());
    CHECK(console.must("SHOW VERSION").rows() == 1);
  }
  CHECK(console.must("SHOW HELP").rows() > 10);
}

TEST_CASE("SHOW ERRORS counts refusals of clients and ends of servers") {
  Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir{PgweirSetup(postgres)};
  PgConnection console = pgweir.console();
  const auto count = [&](const std::string& kind, const std::string& reason) {
    const PgResult errors = console.exec("SHOW ERRORS");
    for (int row = 0; row < errors.rows(); ++row) {
      if (errors.value(row, "kind") == kind && errors.value(row, "reason") == reason)
        return errors.value(row, "count");
    }
    return std::string("no such row");
  };
  CHECK(count("refused", "server_login_failed") == "0");
  CHECK(try_login(pgweir.port(), "postgres", "no_such_database"));
  CHECK(count("refused", "server_login_failed") == "1");
  CHECK(count("closed", "fatal_error") == "0");
  PgConnection client = pgweir.connect();
  const std::string pid = client.value("select pg_backend_pid()");
  postgres.value("select pg_terminate_backend(" + pid + ")");
  CHECK(eventually([&] { return count("closed", "fatal_error") == "1"; }));
}

TEST_CASE("the console works while every server is taken") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 1\n";
  const PgweirProcess pgweir(setup);
  PgConnection holder = pgweir.connect();
  PgConnection waiting = pgweir.connect();
  holder.must("begin; select 1");
  waiting.send("select 1");
  REQUIRE(waiting_clients(pgweir, 1));
  const PgResult pools = pgweir.console_exec("SHOW POOLS");
  CHECK(pools.rows() >= 1);
  holder.must("commit");
  CHECK(waiting.finish().ok());
}

TEST_CASE("database names that somebody made up leave no pools behind") {
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  const PgConnection client = pgweir.connect();
  for (int i = 0; i < 40; ++i) {
    const std::optional<LoginError> error =
        try_login(pgweir.port(), "postgres", "made_up_" + std::to_string(i));
    REQUIRE(error);
    CHECK(error->sqlstate == "3D000");
  }
  const auto pools = [&] {
    const PgResult result = pgweir.console_exec("SHOW POOLS");
    std::string names;
    for (int row = 0; row < result.rows(); ++row) {
      // The console's own row.
      if (result.value(row, "database") != "pgbouncer") names += result.value(row, "database") + " ";
    }
    return names;
  };
  eventually([&] { return pools() == "postgres "; });
  CHECK(pools() == "postgres ");
}
