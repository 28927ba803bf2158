// APPLY RECOMMENDATION in the whole process: the servers, a restart, kill -9, and a RELOAD.

#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <optional>

#include "pool/state_codec.h"
#include "tests/integration/servers.h"
#include "tests/support/eventually.h"
#include "tests/support/free_port.h"
#include "tests/support/steady_minute.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

constexpr int configured = 16;

// A state file that has seen an hour and a half of yesterday, in which 16 servers were too many.
void write_yesterday(const std::string& file) {
  const Duration today = std::chrono::system_clock::now().time_since_epoch();
  std::string bytes = state_header();
  for (int n = 0; n < 90; ++n) {
    const WindowRef minute = steady_minute(Instant(-26h + n * 1min), n == 30 ? 2 : 1, configured);
    REQUIRE(append_record(bytes, MinuteEntry{{"postgres", "postgres"}, minute}, today));
  }
  write_file(file, bytes);
}

PgweirSetup setup_of(const Postgres& postgres, const std::string& file, int size = configured) {
  PgweirSetup setup(postgres);
  setup.top = "state_file = \"" + file + "\"\n";
  setup.pool = "default_pool_size = " + std::to_string(size) + "\n";
  return setup;
}

std::string cell(const PgResult& rows, const std::string& key_column, const std::string& key,
                 const std::string& column) {
  for (int row = 0; row < rows.rows(); ++row)
    if (rows.value(row, key_column) == key) return rows.value(row, column);
  return {};
}

int size_of(const PgweirProcess& pgweir) {
  return std::stoi(cell(pgweir.console_exec("SHOW DATABASES"), "name", "postgres", "pool_size"));
}

int advised(const PgweirProcess& pgweir) {
  const PgResult advice = pgweir.console_exec("SHOW RECOMMENDATIONS");
  REQUIRE(cell(advice, "pool", "postgres/postgres", "verdict") == "shrink");
  return std::stoi(cell(advice, "pool", "postgres/postgres", "advice"));
}

// All of them in a transaction at once, as far as there are servers: how many got one. (cl_active counts idle
// clients as well.)
int served_at_once(const PgweirProcess& pgweir, std::vector<PgConnection>& clients, int expected) {
  for (PgConnection& client : clients) client.send("begin; select 1");
  CHECK(eventually([&] {
    return pgweir.pool("sv_active") == expected &&
           pgweir.pool("cl_waiting") == static_cast<int>(clients.size()) - expected;
  }));
  return pgweir.pool("sv_active");
}

}  // namespace

TEST_CASE("APPLY RECOMMENDATION: servers beyond the size go at once, and RESET brings it back") {
  const TempDir dir;
  const std::string file = dir / "state";
  write_yesterday(file);
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(setup_of(postgres, file));
  std::vector<PgConnection> clients;
  for (int i = 0; i < configured; ++i) {
    clients.push_back(pgweir.connect());
    clients.back().must("begin; select 1");
  }
  const int size = advised(pgweir);
  REQUIRE(size < configured);
  CHECK(postgres.backends() == configured);
  for (PgConnection& client : clients) client.must("commit");

  PgConnection console = pgweir.console();
  const PgResult refused = console.exec("APPLY RECOMMENDATION postgres");
  CHECK(refused.sqlstate() == "55000");
  CHECK(size_of(pgweir) == configured);
  REQUIRE(console.exec("APPLY RECOMMENDATION postgres FORCE").ok());
  REQUIRE(console.notices().size() == 1);
  CHECK(console.notices()[0].find("size 16 -> " + std::to_string(size)) != std::string::npos);
  CHECK(eventually([&] { return postgres.backends() <= size; }));
  CHECK(size_of(pgweir) == size);
  CHECK(pgweir.log_contains("size of a pool, set: 16 -> " + std::to_string(size)));
  {
    std::vector<PgConnection> again;
    for (int i = 0; i < configured; ++i) again.push_back(pgweir.connect());
    CHECK(served_at_once(pgweir, again, size) == size);
    REQUIRE(console.exec("RESET RECOMMENDATION postgres/postgres").ok());
    for (PgConnection& client : again) CHECK(client.finish().ok());
  }
  CHECK(size_of(pgweir) == configured);
}

TEST_CASE("APPLY RECOMMENDATION: the size is there after kill -9, and a RELOAD with another one ends it") {
  const TempDir dir;
  const std::string file = dir / "state";
  write_yesterday(file);
  const Postgres& postgres = shared_postgres();
  int size = 0;
  {
    const int port = free_port();
    write_file(dir / "pgweir.toml", setup_of(postgres, file).text(port));
    ChildProcess killed({pgweir_binary(), "--config", dir / "pgweir.toml"},
                        {.user = {}, .output_file = dir / "log", .environment = {}, .stop_signal = SIGKILL});
    const std::string conninfo = "host=127.0.0.1 port=" + std::to_string(port);
    std::optional<PgConnection> client;
    CHECK(eventually([&] {
      try {
        client.emplace(PgConnection::open(conninfo + " user=postgres dbname=postgres"));
        return client->exec("select 1").ok();
      } catch (const std::exception&) {
        return false;  // it does not listen yet
      }
    }));
    PgConnection console = PgConnection::open(conninfo + " user=dba password=dba dbname=pgweir");
    REQUIRE(console.exec("APPLY RECOMMENDATION postgres FORCE").ok());
    size = std::stoi(cell(console.exec("SHOW ADVICE_HISTORY"), "event", "set", "size_after"));
    // Records go to the file at the end of each turn: once this is answered it is there.
    CHECK(eventually([&] { return read_state(read_file(file), Duration{}).state.advice().size() == 1; }));
    killed.stop(SIGKILL);
  }
  const PgweirProcess pgweir(setup_of(postgres, file));
  std::vector<PgConnection> clients;
  for (int i = 0; i < configured; ++i) clients.push_back(pgweir.connect());
  CHECK(served_at_once(pgweir, clients, size) == size);
  CHECK(size_of(pgweir) == size);
  CHECK(cell(pgweir.console_exec("SHOW CONFIG"), "key", "applied pool_size of postgres/postgres", "value") ==
        std::to_string(size));

  PgConnection console = pgweir.console();
  REQUIRE(console.exec("RELOAD").ok());
  CHECK(size_of(pgweir) == size);
  pgweir.rewrite(setup_of(postgres, file, configured + 1).text(pgweir.port()));
  REQUIRE(console.exec("RELOAD").ok());
  CHECK(pgweir.log_contains("size of a pool, reset: " + std::to_string(size) + " -> 17"));
  for (PgConnection& client : clients) CHECK(client.finish().ok());
  CHECK(size_of(pgweir) == configured + 1);
  CHECK(cell(pgweir.console_exec("SHOW ADVICE_HISTORY"), "event", "reset", "size_after") ==
        std::to_string(configured + 1));
}
