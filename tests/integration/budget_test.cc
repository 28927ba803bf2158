// What PostgreSQL says of its connections, who takes them, and how many of a pool are in use at once.

#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "tests/integration/servers.h"
#include "tests/support/eventually.h"

using namespace pgweir;

namespace {

// The rows of SHOW BUDGET that are of no pool, by what they are of; "?" where the value is not known.
std::map<std::string, std::string> budget(const PgweirProcess& pgweir, const std::string& pool = {}) {
  std::map<std::string, std::string> values;
  const PgResult rows = pgweir.console_exec("SHOW BUDGET");
  REQUIRE(rows.ok());
  for (int row = 0; row < rows.rows(); ++row) {
    if (rows.value(row, "pool") != pool) continue;
    values[rows.value(row, "what")] = rows.null(row, 3) ? "?" : rows.value(row, "connections");
  }
  return values;
}

std::string note(const PgweirProcess& pgweir, const std::string& what) {
  const PgResult rows = pgweir.console_exec("SHOW BUDGET");
  for (int row = 0; row < rows.rows(); ++row)
    if (rows.value(row, "what") == what) return rows.value(row, "note");
  return {};
}

// With two idle servers nobody has to wait while one is asked.
void two_servers(PgConnection& one, PgConnection& other) {
  for (PgConnection* const client : {&one, &other}) client->must("begin; select 1");
  for (PgConnection* const client : {&one, &other}) client->must("commit");
}

}  // namespace

TEST_CASE("SHOW BUDGET: what the server takes, what others use, and what pools may open") {
  PostgresOptions options;
  options.max_connections = 20;
  options.configuration = {"superuser_reserved_connections = 2"};
  const Postgres postgres(options);
  postgres.run("create role app login");
  std::vector<PgConnection> others;
  for (int i = 0; i < 4; ++i) others.push_back(postgres.connect("user=app"));

  PgweirSetup setup(postgres);
  setup.pool = "default_pool_size = 10\nreserve_pool_size = 2\n";
  setup.more = "[alerts]\nhold = \"1s\"\n";
  PgweirProcess pgweir(setup);
  CHECK(budget(pgweir).empty());
  PgConnection first = pgweir.connect("user=app"), too = pgweir.connect("user=app");
  two_servers(first, too);
  REQUIRE(eventually([&] {
    first.must("select 1");
    const auto values = budget(pgweir);
    return values.contains("other_connections") && values.at("other_connections") != "?";
  }));
  auto values = budget(pgweir);
  CHECK(values["max_connections"] == "20");
  CHECK(values["superuser_reserved_connections"] == "2");
  CHECK(values["reserved_connections"] == "0");
  CHECK(values["other_connections"] == "4");
  CHECK(values["left_for_pgweir"] == "14");
  CHECK(values["pools_may_open"] == "12");
  CHECK(values["open_now"] == "2");
  CHECK(values["spare"] == "2");
  CHECK(budget(pgweir, "postgres/app")["pool_may_open"] == "12");
  CHECK_FALSE(pgweir.log_contains("may open"));

  // Another pool, and they may open more than there is.
  PgConnection second = pgweir.connect();
  CHECK(second.value("select 1") == "1");
  REQUIRE(eventually([&] { return budget(pgweir)["spare"] == "-10"; }));
  CHECK(note(pgweir, "spare").find("too many") == 0);
  REQUIRE(eventually(
      [&] { return pgweir.log_contains("may open 24 connections together, it has 14 for them"); }));
  REQUIRE(eventually([&] {
    const PgResult alerts = pgweir.console_exec("SHOW ALERTS");
    for (int row = 0; row < alerts.rows(); ++row)
      if (alerts.value(row, "alert") == "connection_budget") return alerts.value(row, "state") == "active";
    return false;
  }));
}

TEST_CASE("SHOW BUDGET: a role that may not ask disturbs nobody, and the reason is shown") {
  const Postgres postgres;
  postgres.run("create role app login");
  postgres.run("revoke select on pg_catalog.pg_stat_activity from public");
  PgweirSetup setup(postgres);
  setup.pool = "default_pool_size = 2\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect("user=app"), too = pgweir.connect("user=app");
  two_servers(client, too);
  REQUIRE(eventually([&] {
    client.must("select 1");
    return note(pgweir, "max_connections").find("permission denied") != std::string::npos;
  }));
  CHECK(budget(pgweir)["max_connections"] == "?");
  CHECK(pgweir.log_contains("does not say how many connections it takes"));
  // Neither server was lost for it.
  CHECK(postgres.backends() == 2);
}

TEST_CASE("SHOW LEVELS: servers that several workers use at the same time are counted together") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  setup.workers = 4;
  setup.pool = "default_pool_size = 32\n";
  const PgweirProcess pgweir(setup);
  std::vector<PgConnection> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(pgweir.connect());
  // Twice all together: had workers been taken as independent, there would be time at every level.
  for (int round = 0; round < 2; ++round) {
    for (PgConnection& client : clients) client.send("begin; select 1");
    for (PgConnection& client : clients) CHECK(client.finish().ok());
    for (PgConnection& client : clients) client.must("commit");
  }
  const PgResult levels = pgweir.console_exec("SHOW LEVELS postgres");
  int highest = 0, estimated = 0;
  for (int row = 0; row < levels.rows(); ++row) {
    estimated += levels.value(row, "window").find("estimated") != std::string::npos;
    if (std::stoll(levels.value(row, "time_ms")) > 0)
      highest = std::max(highest, std::stoi(levels.value(row, "level_to")));
  }
  CHECK(estimated == 0);
  CHECK(highest >= 12);
  CHECK(highest <= 13);  // two levels share a row
}

TEST_CASE("SHOW RECOMMENDATION: figures and sentences, also while there is nothing to say") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir{PgweirSetup(postgres)};
  PgConnection client = pgweir.connect();
  client.must("select 1");
  const PgResult facts = pgweir.console_exec("SHOW RECOMMENDATION postgres");
  REQUIRE(facts.ok());
  std::map<std::string, std::string> texts;
  for (int row = 0; row < facts.rows(); ++row)
    texts[facts.value(row, "topic") + "/" + facts.value(row, "name")] = facts.value(row, "text");
  CHECK(texts["advice/verdict"].find("collecting") == 0);
  CHECK(texts["size/ceiling"].find("? not known") == 0);
  CHECK(texts.contains("unknown/1"));
  CHECK(pgweir.console().failure("SHOW RECOMMENDATION nosuch") == "42704");
}
