// Alerts of the real process: a pool that is exhausted, a hook that is told once, one that hangs.

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>

#include "tests/integration/servers.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

using namespace pgweir;

namespace {

// A shell's program of these lines.
void write_program(const std::string& path, const std::string& lines) {
  write_file(path, "#!/bin/sh\n" + lines);
  REQUIRE(::chmod(path.c_str(), 0700) == 0);
}

// The value of a column of the first alert of this kind; empty when there is none.
std::string alert(const PgweirProcess& pgweir, const std::string& kind, const std::string& column) {
  const PgResult alerts = pgweir.console_exec("SHOW ALERTS");
  for (int row = 0; row < alerts.rows(); ++row) {
    if (alerts.value(row, "alert") == kind) return alerts.value(row, column);
  }
  return {};
}

std::size_t count_of(const std::string& text, const std::string& words) {
  std::size_t count = 0;
  for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
  return count;
}

PgweirSetup small_pool(const Postgres& postgres, const std::string& command) {
  PgweirSetup setup(postgres);
  setup.workers = 1;
  setup.pool = "default_pool_size = 1\nquery_wait_timeout = \"60s\"\n";
  setup.more =
      "[alerts]\nhold = \"1s\"\nexhaustion_horizon = \"1h\"\ncommand_timeout = \"500ms\"\ncommand = [" +
      command + "]\n";
  return setup;
}

// The one server of a pool is held by one client, and another waits for it.
struct Exhausted {
  explicit Exhausted(const PgweirProcess& pgweir) : holder(pgweir.connect()), waiter(pgweir.connect()) {
    holder.must("begin; select 1");
    waiter.send("select 'served'");
  }
  void end() {
    holder.must("commit");
    CHECK(waiter.finish().ok());
  }
  PgConnection holder, waiter;
};

}  // namespace

TEST_CASE("an exhausted pool is in SHOW ALERTS and the log, and the hook is told once") {
  const Postgres& postgres = shared_postgres();
  const TempDir dir;
  const std::string told = dir / "told", program = dir / "notify";
  write_program(program, "cat >> \"$1\"\n");
  PgweirProcess pgweir(small_pool(postgres, "\"" + program + "\", \"" + told + "\""));
  Exhausted clients(pgweir);
  REQUIRE(waiting_clients(pgweir, 1));

  REQUIRE(eventually([&] { return alert(pgweir, "exhaustion", "state") == "active"; }));
  CHECK(alert(pgweir, "exhaustion", "severity") == "critical");
  CHECK(alert(pgweir, "exhaustion", "reason").find("1 of 1 servers in use, 1 client waits") == 0);
  CHECK(pgweir.log_contains("began: critical exhaustion postgres/"));
  REQUIRE(eventually([&] { return count_of(read_file(told), "\"event\":\"began\"") == 1; }));
  CHECK(read_file(told).find(
            "{\"event\":\"began\",\"id\":1,\"alert\":\"exhaustion\",\"severity\":\"critical\"") == 0);

  clients.end();
  REQUIRE(eventually([&] { return alert(pgweir, "exhaustion", "state") == "ended"; }));
  REQUIRE(eventually([&] { return count_of(read_file(told), "\n") == 2; }));
  CHECK(count_of(read_file(told), "\"event\":\"began\"") == 1);
  CHECK(count_of(read_file(told), "\"event\":\"ended\"") == 1);
  CHECK(pgweir.log_contains("alert #1 ended"));
}

TEST_CASE("a hook that hangs, and does not read, delays nobody and is killed with its children") {
  const Postgres& postgres = shared_postgres();
  const TempDir dir;
  const std::string pids = dir / "pids", program = dir / "hang";
  write_program(program, "sleep 1000 &\necho $$ $! >> \"$1\"\nwait\n");
  PgweirProcess pgweir(small_pool(postgres, "\"" + program + "\", \"" + pids + "\""));
  Exhausted clients(pgweir);
  REQUIRE(eventually([&] { return alert(pgweir, "exhaustion", "state") == "active"; }));
  REQUIRE(eventually([&] { return !read_file(pids).empty(); }));
  CHECK(clients.holder.value("select 'not delayed'") == "not delayed");
  REQUIRE(eventually([&] { return pgweir.log_contains("alerts.command was killed after 500 ms"); }));
  int shell = 0, child = 0;
  REQUIRE(std::sscanf(read_file(pids).c_str(), "%d %d", &shell, &child) == 2);
  CHECK(eventually([&] { return ::kill(shell, 0) != 0 && ::kill(child, 0) != 0; }));
  // The end of the alert is told by the next run.
  clients.end();
  CHECK(eventually([&] { return count_of(read_file(pids), "\n") == 2; }));
}

TEST_CASE("a hook that cannot be run, or fails, is said in the log") {
  const Postgres& postgres = shared_postgres();
  const TempDir dir;
  const std::string program = dir / "fail";
  for (const bool exists : {false, true}) {
    CAPTURE(exists);
    if (exists) write_program(program, "exit 3\n");
    PgweirProcess pgweir(small_pool(postgres, "\"" + program + "\""));
    Exhausted clients(pgweir);
    const std::string words = exists ? "alerts.command ended with status 3" : "alerts.command: cannot run";
    CHECK(eventually([&] { return pgweir.log_contains(words); }));
    clients.end();
  }
}

TEST_CASE("a server that was never there is an alert, though its pool is forgotten with each client") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup = small_pool(postgres, "");
  setup.any_database = "host = \"127.0.0.1\"\nport = 1\n";
  PgweirProcess pgweir(setup);
  CHECK(eventually([&] {
    (void)try_login(pgweir.port(), "trust_user", "postgres");
    return alert(pgweir, "server_unreachable", "state") == "active";
  }));
  CHECK(alert(pgweir, "server_unreachable", "severity") == "critical");
}

TEST_CASE("a server that goes away is an alert of its pool, which ends when the server is back") {
  Postgres postgres;
  PgweirSetup setup = small_pool(postgres, "");
  setup.pool = "server_login_retry = \"200ms\"\n";
  PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect();
  client.must("select 1");
  postgres.stop();
  CHECK(eventually([&] {
    PgConnection(pgweir.connect()).exec("select 1");
    return alert(pgweir, "server_unreachable", "state") == "active";
  }));
  CHECK(alert(pgweir, "server_unreachable", "subject").find("postgres/") == 0);
  postgres.start();
  CHECK(eventually([&] { return client.exec("select 1").ok(); }));
  CHECK(eventually([&] { return alert(pgweir, "server_unreachable", "state") == "ended"; }));
}
