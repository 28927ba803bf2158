// SHOW PREPARED_STATEMENTS, QUERIES, PINS, PIN_COSTS, READINESS and SAVINGS, with the real thing behind them.

#include <doctest/doctest.h>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

// The row in which these columns have these values; -1 if there is none.
using Wanted = std::vector<std::pair<std::string, std::string>>;

int find_row(const PgResult& result, const Wanted& wanted) {
  for (int row = 0; row < result.rows(); ++row) {
    bool found = true;
    for (const auto& [column, value] : wanted) found = found && result.value(row, column) == value;
    if (found) return row;
  }
  return -1;
}

void prepare(PgConnection& client, const std::string& name, const std::string& sql) {
  REQUIRE(PgResult(PQprepare(client.raw(), name.c_str(), sql.c_str(), 0, nullptr)).ok());
}

PgResult execute(PgConnection& client, const std::string& name, const char* value) {
  return PgResult(PQexecPrepared(client.raw(), name.c_str(), 1, &value, nullptr, nullptr, 0));
}

}  // namespace

TEST_CASE("SHOW PREPARED_STATEMENTS puts the names of all clients together") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 1\n";
  const PgweirProcess pgweir(setup);
  PgConnection one = pgweir.connect(), two = pgweir.connect();
  const std::string sql = "select $1::text\n  || 'reported'";
  prepare(one, "a", sql);
  prepare(two, "b", sql);
  for (int i = 0; i < 3; ++i) {
    CHECK(execute(one, "a", "x").value(0, 0) == "xreported");
    CHECK(execute(two, "b", "y").value(0, 0) == "yreported");
  }

  PgResult rows = pgweir.console_exec("SHOW PREPARED_STATEMENTS");
  const int row = find_row(rows, {{"query", "select $1::text || 'reported'"}});
  REQUIRE(row >= 0);
  CHECK(rows.value(row, "parameters") == "1");
  CHECK(rows.value(row, "clients") == "2");
  CHECK(rows.value(row, "executions") == "6");
  CHECK(std::stoi(rows.value(row, "servers")) >= 1);
  CHECK(rows.null(rows.rows() - 1, 0));
  CHECK(rows.value(rows.rows() - 1, "query") ==
        "all " + std::to_string(rows.rows() - 1) + (rows.rows() == 2 ? " statement" : " statements"));

  const PgResult clients = pgweir.console_exec("SHOW CLIENTS");
  CHECK(find_row(clients, {{"database", "postgres"}, {"prepared_statements", "1"}}) >= 0);
  CHECK(find_row(pgweir.console_exec("SHOW SERVERS"), {{"prepared_statements", "1"}}) >= 0);

  two.must("deallocate all");
  rows = pgweir.console_exec("SHOW PREPARED_STATEMENTS");
  const int later = find_row(rows, {{"query", "select $1::text || 'reported'"}});
  REQUIRE(later >= 0);
  CHECK(rows.value(later, "clients") == "1");
  CHECK_FALSE(
      pgweir.connect("dbname=pgweir user=monitor password=monitor").exec("SHOW PREPARED_STATEMENTS").ok());
}

TEST_CASE("SHOW QUERIES counts each kind of query, however it is sent") {
  for (const std::string mode : {"transaction", "session"}) {
    CAPTURE(mode);
    PgweirSetup setup(shared_postgres());
    setup.pool = "pool_mode = \"" + mode + "\"\n";
    const PgweirProcess pgweir(setup);
    PgConnection client = pgweir.connect();
    for (const std::string id : {"1", "22", "-3"})
      client.must("select oid from pg_class where oid = " + id + " or relname = 'secret'");
    CHECK(client.exec_params("SELECT oid FROM pg_class WHERE oid = $1 OR relname = 'x'", {"5"}).ok());
    client.must("select 1; select 'a', 'b'; select pg_sleep(0.02)");
    CHECK_FALSE(client.exec("select 1 / 0").ok());
    client.must("begin");
    client.must("select count(*) from pg_class");
    client.must("rollback");

    const PgResult rows = pgweir.console_exec("SHOW QUERIES");
    const int one = find_row(rows, {{"query", "select oid from pg_class where oid = $ or relname = $"}});
    REQUIRE(one >= 0);
    CHECK(rows.value(one, "calls") == "4");
    CHECK(rows.value(one, "database") == "postgres");
    const int slow = find_row(rows, {{"query", "select $; select $; select pg_sleep($)"}, {"calls", "1"}});
    REQUIRE(slow >= 0);
    CHECK(std::stoi(rows.value(slow, "max_us")) >= 20'000);
    CHECK(std::stod(rows.value(slow, "percent")) > 0);
    for (int row = 1; row + 1 < rows.rows(); ++row)
      CHECK(std::stol(rows.value(row, "time_ms")) <= std::stol(rows.value(row - 1, "time_ms")));
    CHECK(find_row(rows, {{"query", "select $ / $"}, {"calls", "1"}}) >= 0);
    CHECK(find_row(rows, {{"query", "select count(*) from pg_class"}, {"calls", "1"}}) >= 0);
    for (int row = 0; row < rows.rows(); ++row)
      CHECK(rows.value(row, "query").find("secret") == std::string::npos);
    // Values are not shown, so whoever watches may see it.
    CHECK(pgweir.connect("dbname=pgweir user=monitor password=monitor").exec("SHOW QUERIES postgres").ok());
  }
}

TEST_CASE("SHOW QUERIES tells prepared statements and pipelines apart, and how long they waited") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 1\n";
  const PgweirProcess pgweir(setup);
  PgConnection one = pgweir.connect(), two = pgweir.connect();
  prepare(one, "a", "select $1::text || 'a'");
  prepare(two, "b", "select  $1::text || 'b'");
  for (int i = 0; i < 3; ++i) {
    CHECK(execute(one, "a", "x").ok());
    CHECK(execute(two, "b", "x").ok());
  }
  // Both keep the one server busy in turn.
  one.must("begin");
  one.must("select 'taken'");
  two.send("select count(*) from pg_type");
  REQUIRE(waiting_clients(pgweir, 1));
  one.must("commit");
  CHECK(two.finish().ok());

  const PgResult rows = pgweir.console_exec("SHOW QUERIES postgres");
  CHECK(find_row(rows, {{"query", "select $::text || $"}, {"calls", "6"}}) >= 0);
  const int waited = find_row(rows, {{"query", "select count(*) from pg_type"}, {"calls", "1"}});
  REQUIRE(waited >= 0);
  CHECK(rows.value(waited, "waited") == "1");
  CHECK(std::stoi(rows.value(waited, "mean_wait_us")) > 0);
}

TEST_CASE("SHOW HOLDERS names who is idle in a transaction, before those whose query runs") {
  shared_postgres();
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection idle = pgweir.connect("application_name=thinker"), busy = pgweir.connect();
  PgConnection free = pgweir.connect();
  free.must("select 1");
  idle.must("begin");
  idle.must("select 'secret' from pg_class limit 1");
  const int pid = std::stoi(idle.value("select pg_backend_pid()"));
  idle.must("select oid from pg_class where relname = 'secret'");
  busy.send("select pg_sleep(60)");
  REQUIRE(eventually([&] { return pgweir.console_exec("SHOW HOLDERS").rows() == 2; }));
  const PgResult rows = pgweir.console_exec("SHOW HOLDERS");
  CHECK(rows.value(0, "application_name") == "thinker");
  CHECK(rows.value(0, "state") == "idle in transaction");
  CHECK(rows.value(0, "query") == "select oid from pg_class where relname = $");
  CHECK(rows.value(0, "backend_pid") == std::to_string(pid));
  CHECK(rows.value(0, "addr") == "127.0.0.1");
  CHECK(rows.value(1, "state") == "executing");
  CHECK(rows.value(1, "query") == "select pg_sleep($)");
  busy.cancel();
  CHECK_FALSE(busy.finish().ok());
  idle.must("commit");
  CHECK(eventually([&] { return pgweir.console_exec("SHOW HOLDERS").rows() == 0; }));
}

TEST_CASE("SHOW PINS names who keeps a server, and SHOW PIN_COSTS remembers it") {
  shared_postgres();
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection client = pgweir.connect("application_name=locker");
  client.must("select 1");
  CHECK(pgweir.console_exec("SHOW PINS").rows() == 0);
  client.must("select pg_advisory_lock(4711)");
  const std::string pid = client.value("select pg_backend_pid()");

  const auto pinned = [&] { return pgweir.console_exec("SHOW PINS").rows(); };
  eventually([&] { return pinned() == 1; });
  const PgResult pins = pgweir.console_exec("SHOW PINS");
  REQUIRE(pins.rows() == 1);
  CHECK(pins.value(0, "application_name") == "locker");
  CHECK(pins.value(0, "database") == "postgres");
  CHECK(pins.value(0, "why") == "advisory locks");
  CHECK(pins.value(0, "backend_pid") == pid);
  CHECK(find_row(pgweir.console_exec("SHOW CLIENTS"), {{"ptr", pins.value(0, "client")}}) >= 0);
  CHECK(find_row(pgweir.console_exec("SHOW SERVERS"), {{"ptr", pins.value(0, "server")}}) >= 0);

  client.must("select pg_advisory_unlock(4711)");
  eventually([&] { return pinned() == 0; });
  CHECK(pinned() == 0);
  client.must("create temp table kept (a int)");
  eventually([&] { return pinned() == 1; });
  CHECK(pgweir.console_exec("SHOW PINS").value(0, "why") == "temporary tables");
  client.vanish();
  eventually([&] { return pinned() == 0; });
  CHECK(pinned() == 0);

  const PgResult costs = pgweir.console_exec("SHOW PIN_COSTS");
  CHECK(find_row(costs, {{"kind", "advisory_lock"}, {"pins", "1"}}) >= 0);
  CHECK(find_row(costs, {{"kind", "temp_table"}, {"pins", "1"}}) >= 0);
  CHECK(costs.rows() == 2);
}

TEST_CASE("SHOW READINESS says what the applications of a session pool would need") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "pool_mode = \"session\"\n";
  const PgweirProcess pgweir(setup);
  PgConnection good = pgweir.connect("application_name=good");
  good.must("set work_mem = '8MB'; select 1");
  prepare(good, "p", "select $1::int");
  execute(good, "p", "1");
  PgConnection locks = pgweir.connect("application_name=locks");
  for (int i = 0; i < 3; ++i) locks.must("select pg_advisory_lock(1)");
  locks.must("begin; listen a; listen b; commit");
  PgConnection unread = pgweir.connect("application_name=unread");
  unread.must("do $$ begin end $$");

  const PgResult rows = pgweir.console_exec("SHOW READINESS");
  const auto verdict = [&](const std::string& application, const std::string& what) {
    const int row = find_row(rows, {{"application_name", application}, {"what", what}});
    return row < 0 ? "none" : rows.value(row, "sessions") + ": " + rows.value(row, "verdict");
  };
  CHECK(verdict("good", "everything") == "1: ready");
  CHECK(verdict("good", "setting") == "1: fine: it goes with the client from server to server");
  CHECK(verdict("good", "named_statement") == "1: fine: it goes with the client from server to server");
  CHECK(verdict("locks", "everything") ==
        "1: ready, with pins (advisory locks: 1 session)");
  CHECK(verdict("unread", "everything") ==
        "1: ready, as far as can be told (DO, CALL, or text that is not read: 1 session)");
  const int locked = find_row(rows, {{"application_name", "locks"}, {"what", "advisory_lock"}});
  REQUIRE(locked >= 0);
  CHECK(rows.value(locked, "transactions") == "3");
  CHECK(rows.value(locked, "pool_mode") == "session");
  const int all = find_row(rows, {{"application_name", "locks"}, {"what", "everything"}});
  CHECK(rows.value(all, "transactions") == "4");
  CHECK(pgweir.console_exec("SHOW PINS").rows() == 0);
}

TEST_CASE("SHOW SAVINGS counts what BEGIN has spared") {
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection client = pgweir.connect();
  client.must("begin");
  client.must("commit");
  client.must("begin");
  client.must("rollback");
  client.must("begin");
  client.must("select 1");
  client.must("commit");
  const PgResult savings = pgweir.console_exec("SHOW SAVINGS");
  const int row = find_row(savings, {{"database", "postgres"}});
  REQUIRE(row >= 0);
  CHECK(savings.value(row, "transactions_saved") == "2");
  CHECK(savings.value(row, "late_begins") == "1");
}
