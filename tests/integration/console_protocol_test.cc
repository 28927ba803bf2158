// Both query protocols on the console, as drivers speak them.

#include <doctest/doctest.h>

#include "tests/integration/servers.h"
#include "tests/support/temp_dir.h"

using namespace pgweir;

TEST_CASE("console: every SHOW says the same in both protocols") {
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  pgweir.connect().must("select 1");
  PgConnection console = pgweir.console();
  const PgResult help = console.must("SHOW HELP");
  int compared = 0;
  for (int row = 0; row < help.rows(); ++row) {
    std::string command = help.value(row, "command");
    if (!command.starts_with("SHOW ")) continue;
    command = command.substr(0, command.find(" ["));
    CAPTURE(command);
    const PgResult simple = console.must(command);
    const PgResult extended = console.exec_params(command, {});
    REQUIRE(extended.ok());
    CHECK(extended.tag() == simple.tag());
    REQUIRE(extended.columns() == simple.columns());
    for (int column = 0; column < simple.columns(); ++column)
      CHECK(extended.column(column) == simple.column(column));
    ++compared;
  }
  CHECK(compared > 30);
}

TEST_CASE("console: binary results are what the text says") {
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection console = pgweir.console();
  const auto binary = [&](const char* command) {
    return PgResult(PQexecParams(console.raw(), command, 0, nullptr, nullptr, nullptr, nullptr, 1));
  };
  const PgResult text = console.must("SHOW DATABASES");
  PGresult* const raw =
      PQexecParams(console.raw(), "SHOW DATABASES", 0, nullptr, nullptr, nullptr, nullptr, 1);
  const PgResult result(raw);
  REQUIRE(result.ok());
  REQUIRE(result.rows() == text.rows());
  for (int row = 0; row < text.rows(); ++row) {
    for (int column = 0; column < text.columns(); ++column) {
      CAPTURE(text.column(column));
      CHECK(result.null(row, column) == text.null(row, column));
      if (text.null(row, column)) continue;
      const std::string value(PQgetvalue(raw, row, column),
                              static_cast<std::size_t>(PQgetlength(raw, row, column)));
      if (PQftype(raw, column) != 23) {
        CHECK(value == text.value(row, column));
        continue;
      }
      REQUIRE(value.size() == 4);
      std::uint32_t number = 0;
      for (const char c : value) number = number << 8 | static_cast<unsigned char>(c);
      CHECK(std::to_string(static_cast<std::int32_t>(number)) == text.value(row, column));
    }
  }
  CHECK(binary("SHOW STATS").ok());
  CHECK(binary("SELECT 1").ok());
  CHECK(binary("BEGIN").tag() == "BEGIN");
}

TEST_CASE("console: prepared statements, errors and pipelines end at Sync") {
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection console = pgweir.console();
  PGconn* const raw = console.raw();
  CHECK(PgResult(PQprepare(raw, "pools", "SHOW POOLS", 0, nullptr)).ok());
  for (int i = 0; i < 3; ++i)
    CHECK(PgResult(PQexecPrepared(raw, "pools", 0, nullptr, nullptr, nullptr, 0)).columns() == 17);
  CHECK(PgResult(PQdescribePrepared(raw, "pools")).columns() == 17);
  CHECK(PgResult(PQprepare(raw, "pools", "SHOW POOLS", 0, nullptr)).sqlstate() == "42P05");
  CHECK(console.exec_params("SHOW NONSENSE", {}).sqlstate() == "42601");
  CHECK(console.exec_params("SHOW VERSION", {"1"}).sqlstate() == "08P01");
  CHECK(console.exec_params("PAUSE nowhere_at_all_but_any", {}).ok());
  CHECK(console.exec_params("RESUME nowhere_at_all_but_any", {}).tag() == "RESUME");
  CHECK(console.exec_params("RELOAD", {}).tag() == "RELOAD");

  REQUIRE(PQenterPipelineMode(raw) == 1);
  REQUIRE(PQsendQueryParams(raw, "SHOW VERSION", 0, nullptr, nullptr, nullptr, nullptr, 0) == 1);
  REQUIRE(PQsendQueryParams(raw, "SHOW NONSENSE", 0, nullptr, nullptr, nullptr, nullptr, 0) == 1);
  REQUIRE(PQsendQueryParams(raw, "SHOW STATE", 0, nullptr, nullptr, nullptr, nullptr, 0) == 1);
  REQUIRE(PQpipelineSync(raw) == 1);
  const auto next = [&] {
    const PgResult result(PQgetResult(raw));
    PQclear(PQgetResult(raw));
    return result.status();
  };
  CHECK(next() == PGRES_TUPLES_OK);
  CHECK(next() == PGRES_FATAL_ERROR);
  CHECK(next() == PGRES_PIPELINE_ABORTED);
  CHECK(PgResult(PQgetResult(raw)).status() == PGRES_PIPELINE_SYNC);
  REQUIRE(PQexitPipelineMode(raw) == 1);
  CHECK(console.must("SHOW STATE").rows() == 3);
}

TEST_CASE("console: reachable when max_client_conn is full, while paused, and while suspended") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "max_client_conn = 2\n";
  const PgweirProcess pgweir(setup);
  PgConnection one = pgweir.connect(), two = pgweir.connect();
  const std::optional<LoginError> full = try_login(pgweir.port(), "postgres", "postgres");
  REQUIRE(full);
  CHECK(full->sqlstate == "53300");
  for (const std::string verb : {"PAUSE", "SUSPEND"}) {
    CAPTURE(verb);
    CHECK(pgweir.console_exec(verb).ok());
    for (int i = 0; i < 20; ++i) CHECK(pgweir.console().must("SHOW CLIENTS").rows() >= 2);
    CHECK(pgweir.console_exec("RESUME").ok());
  }
  CHECK(one.value("select 1") == "1");
  CHECK(two.value("select 1") == "1");
}

TEST_CASE("console: the process's own user enters over the Unix socket without a password") {
  PgweirSetup setup(shared_postgres());
  const TempDir dir;
  setup.auth_type = "scram-sha-256";
  setup.listen = "unix_socket_dir = \"" + dir.path().string() + "\"\n";
  const PgweirProcess pgweir(setup);
  const std::string socket = "host=" + dir.path().string() + " port=" + std::to_string(pgweir.port());
  for (const std::string user : {"pgbouncer", "pgweir"}) {
    PgConnection console = PgConnection::open(socket + " dbname=pgbouncer user=" + user);
    CHECK(console.must("SHOW CLIENTS").rows() >= 1);
    CHECK(console.must("RELOAD").tag() == "RELOAD");
  }
  PgConnection no_database(socket + " dbname=postgres user=pgbouncer");
  CHECK_FALSE(no_database.try_connect());
  PgConnection no_user(socket + " dbname=pgbouncer user=dba");
  CHECK_FALSE(no_user.try_connect());
  PgConnection no_socket("host=127.0.0.1 dbname=pgbouncer user=pgbouncer port=" +
                         std::to_string(pgweir.port()));
  CHECK_FALSE(no_socket.try_connect());
}
