// SHOW ERRORS: what went wrong is counted under its reason.

#include <doctest/doctest.h>

#include <set>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

PgResult errors(const PgweirProcess& pgweir) { return pgweir.console_exec("SHOW ERRORS"); }

int row_of(const PgResult& errors, const std::string& kind, const std::string& reason) {
  for (int row = 0; row < errors.rows(); ++row) {
    if (errors.value(row, "kind") == kind && errors.value(row, "reason") == reason) return row;
  }
  FAIL("no row " << kind << " " << reason);
  return -1;
}

int count(const PgweirProcess& pgweir, const std::string& kind, const std::string& reason) {
  const PgResult all = errors(pgweir);
  return std::stoi(all.value(row_of(all, kind, reason), "count"));
}

// The sum over all rows of a kind.
int total(const PgweirProcess& pgweir, const std::string& kind) {
  const PgResult all = errors(pgweir);
  int sum = 0;
  for (int row = 0; row < all.rows(); ++row) {
    if (all.value(row, "kind") == kind) sum += std::stoi(all.value(row, "count"));
  }
  return sum;
}

}  // namespace

TEST_CASE("SHOW ERRORS has a row for every reason, also for those that never happened") {
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  const PgResult all = errors(pgweir);
  REQUIRE(all.columns() == 5);
  std::set<std::string> rows;
  for (int row = 0; row < all.rows(); ++row) {
    const bool refused = all.value(row, "kind") == "refused";
    CHECK((refused || all.value(row, "kind") == "closed"));
    CHECK(all.value(row, "count") == "0");
    CHECK_FALSE(all.value(row, "meaning").empty());
    CHECK(all.value(row, "sqlstate").size() == (refused ? 5u : 0u));
    CHECK(rows.insert(all.value(row, "kind") + " " + all.value(row, "reason")).second);
  }
  for (const char* name : {"refused clients_full", "refused wait_timeout", "refused not_supported",
                           "closed lost", "closed idle_timeout", "closed out_of_step"}) {
    CHECK(rows.count(name) == 1);
  }
}

TEST_CASE("SHOW ERRORS counts clients that are refused") {
  PgweirSetup setup(shared_postgres());
  setup.auth_type = "scram-sha-256";
  setup.pool = "default_pool_size = 1\nquery_wait_timeout = \"100ms\"\n";
  setup.more = "[users.scram_user]\npassword = \"secret\"\n";
  const PgweirProcess pgweir(setup);
  for (int i = 1; i <= 3; ++i) {
    PgConnection wrong(pgweir.conninfo("user=scram_user password=wrong"));
    CHECK_FALSE(wrong.try_connect());
    CHECK(count(pgweir, "refused", "password_wrong") == i);
  }
  PgConnection denied(pgweir.conninfo("user=scram_user password=secret dbname=pgweir"));
  CHECK_FALSE(denied.try_connect());
  CHECK(count(pgweir, "refused", "console_denied") == 1);

  PgConnection holder = pgweir.connect("user=scram_user password=secret");
  PgConnection waiting = pgweir.connect("user=scram_user password=secret");
  holder.must("begin; select 1");
  CHECK(waiting.failure("select 1") == "53300");
  CHECK(waiting.failure("select 1") == "53300");
  CHECK(count(pgweir, "refused", "wait_timeout") == 2);
  CHECK(total(pgweir, "refused") == 6);
  CHECK(total(pgweir, "closed") == 0);
  // What PostgreSQL says is not pgweir's error.
  CHECK(holder.failure("select 1/0") == "22012");
  CHECK(total(pgweir, "refused") == 6);
}

TEST_CASE("SHOW ERRORS counts servers that were lost, and the clients that lost them") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  setup.pool = "default_pool_size = 2\n";
  const PgweirProcess pgweir(setup);
  PgConnection busy = pgweir.connect();
  busy.must("begin");
  postgres.run("select pg_terminate_backend(" + busy.value("select pg_backend_pid()") + ")");
  CHECK(busy.exec("select 1").sqlstate() == "57P01");
  CHECK(eventually(
      [&] { return count(pgweir, "closed", "fatal_error") + count(pgweir, "closed", "lost") == 1; }));
  CHECK(total(pgweir, "closed") == 1);
}

TEST_CASE("SHOW ERRORS tells a server that cannot be reached from one that says no") {
  PgweirSetup setup(shared_postgres());
  setup.more = "[databases.nowhere]\nhost = \"127.0.0.1\"\nport = 1\n";
  const PgweirProcess pgweir(setup);
  const std::optional<LoginError> unreachable = try_login(pgweir.port(), "postgres", "nowhere");
  REQUIRE(unreachable);
  CHECK(unreachable->sqlstate == "08001");
  CHECK(count(pgweir, "refused", "server_unreachable") == 1);
  CHECK(count(pgweir, "refused", "server_login_failed") == 0);

  const std::optional<LoginError> refused = try_login(pgweir.port(), "postgres", "no_such_database");
  REQUIRE(refused);
  CHECK(refused->sqlstate == "3D000");
  CHECK(count(pgweir, "refused", "server_login_failed") == 1);
  CHECK(count(pgweir, "refused", "server_unreachable") == 1);
  CHECK(count(pgweir, "closed", "login_failed") >= 2);
}

TEST_CASE("SHOW ERRORS counts errors of single requests, whose clients stay") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "pool_mode = \"statement\"\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect();
  CHECK_FALSE(client.exec("begin").ok());
  CHECK(client.value("select 1") == "1");
  CHECK(count(pgweir, "refused", "transaction_refused") == 1);

  PgConnection console = pgweir.console();
  int value = 0, length = 0;
  CHECK(PgResult(PQfn(console.raw(), 1, &value, &length, 1, nullptr, 0)).sqlstate() == "0A000");
  CHECK(console.must("SHOW VERSION").rows() == 1);
  CHECK(count(pgweir, "refused", "not_supported") == 1);
  CHECK(total(pgweir, "refused") == 2);
}
