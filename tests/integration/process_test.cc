// The program: command line, reload, shutdown.

#include <doctest/doctest.h>
#include <signal.h>

#include <vector>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

PgweirOutput check(const std::string& config) {
  const TempDir dir;
  write_file(dir / "pgweir.toml", config);
  return run_pgweir({"--check-config", "--config", dir / "pgweir.toml"});
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string config_value(PgConnection& console, const std::string& key) {
  const PgResult config = console.must("SHOW CONFIG");
  for (int row = 0; row < config.rows(); ++row) {
    if (contains(config.value(row, "key"), key)) return config.value(row, "value");
  }
  return "no such key";
}

}  // namespace

TEST_CASE("--version, --help and --print-config") {
  CHECK(run_pgweir({"--version"}).status == 0);
  CHECK(contains(run_pgweir({"--version"}).text, "pgweir"));
  CHECK(run_pgweir({"--help"}).status == 0);
  CHECK(contains(run_pgweir({"--help"}).text, "--check-config"));
  const PgweirOutput defaults = run_pgweir({"--print-config"});
  CHECK(defaults.status == 0);
  CHECK(contains(defaults.text, "default_pool_size"));
  CHECK(check(defaults.text).status == 0);
  CHECK(run_pgweir({"--no-such-option"}).status != 0);
}

TEST_CASE("--check-config says where a mistake is and what was meant") {
  CHECK(check("workers = 2\n[pool]\ndefault_pool_size = 10\n").status == 0);

  const PgweirOutput name = check("workers = 2\n[pool]\ndefault_pool_sise = 10\n");
  INFO(name.text);
  CHECK(name.status != 0);
  CHECK(contains(name.text, "pgweir.toml"));
  CHECK(contains(name.text, ":3"));
  CHECK(contains(name.text, "default_pool_sise"));
  CHECK(contains(name.text, "default_pool_size"));

  const PgweirOutput type = check("[pool]\ndefault_pool_size = \"many\"\n");
  INFO(type.text);
  CHECK(type.status != 0);
  CHECK(contains(type.text, ":2"));
  CHECK(contains(type.text, "default_pool_size"));

  const PgweirOutput range = check("[listen]\nport = 70000\n");
  INFO(range.text);
  CHECK(range.status != 0);
  CHECK(contains(range.text, "70000"));
  CHECK(contains(range.text, "65535"));

  CHECK(check("[pool\n").status != 0);
  CHECK(run_pgweir({"--check-config", "--config", "/no/such/file.toml"}).status != 0);
}

TEST_CASE("RELOAD takes new settings, and keeps the old ones when the new are wrong") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 3\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect();
  PgConnection console = pgweir.console();
  CHECK(config_value(console, "default_pool_size") == "3");

  PgweirSetup wrong = setup;
  wrong.pool = "default_pool_size = 4\nno_such_setting = 1\n";
  pgweir.rewrite(wrong.text(pgweir.port()));
  const PgResult refused = console.exec("RELOAD");
  CHECK_FALSE(refused.ok());
  CHECK(contains(refused.message(), "no_such_setting"));
  CHECK(config_value(console, "default_pool_size") == "3");

  setup.pool = "default_pool_size = 5\n";
  pgweir.rewrite(setup.text(pgweir.port()));
  console.must("RELOAD");
  CHECK(config_value(console, "default_pool_size") == "5");
  CHECK(client.value("select 1") == "1");
}

TEST_CASE("SIGHUP reloads, and a larger pool serves who waits") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 1\n";
  PgweirProcess pgweir(setup);
  PgConnection holder = pgweir.connect();
  PgConnection next = pgweir.connect();
  holder.must("begin; select 1");
  setup.pool = "default_pool_size = 2\n";
  pgweir.rewrite(setup.text(pgweir.port()));
  pgweir.process().signal(SIGHUP);
  PgConnection console = pgweir.console();
  REQUIRE(eventually([&] { return config_value(console, "default_pool_size") == "2"; }));
  CHECK(next.value("select 1") == "1");
  holder.must("commit");
}

TEST_CASE("SIGTERM lets a transaction finish, and then the process ends") {
  const Postgres& postgres = shared_postgres();
  PgweirProcess pgweir{PgweirSetup(postgres)};
  PgConnection client = pgweir.connect();
  PgConnection idle = pgweir.connect();
  client.must("begin; select 1");
  client.must("insert into rows values (1, 'kept')");
  pgweir.process().signal(SIGTERM);
  CHECK(eventually([&] {
    PgConnection late(pgweir.conninfo());
    return !late.try_connect();
  }));
  CHECK(pgweir.process().running());
  client.must("insert into rows values (2, 'kept')");
  client.must("commit");
  CHECK(pgweir.process().wait() == 0);
  CHECK(postgres.value("select count(*) from rows") == "2");
  CHECK(eventually([&] { return postgres.backends() == 0; }));
}

TEST_CASE("a draining process refuses new clients, but takes cancels and shows its state") {
  const Postgres& postgres = shared_postgres();
  PgweirProcess pgweir{PgweirSetup(postgres)};
  PgConnection client = pgweir.connect();
  PgConnection console = pgweir.console();
  const std::string running = "select count(*) from pg_stat_activity where query = 'select pg_sleep(600)'";
  client.must("begin; select 1");
  client.send("select pg_sleep(600)");
  REQUIRE(eventually([&] { return postgres.value(running) == "1"; }));
  pgweir.process().signal(SIGTERM);
  REQUIRE(eventually([&] { return pgweir.log_contains("draining"); }));
  const auto refused = try_login(pgweir.port(), "postgres", "postgres");
  REQUIRE(refused);
  CHECK(refused->sqlstate == "57P01");
  CHECK(console.exec("SHOW POOLS").rows() > 0);
  CHECK(pgweir.console().exec("SHOW POOLS").rows() > 0);
  client.cancel();
  CHECK(client.finish().sqlstate() == "57014");
  client.must("rollback");
  CHECK(pgweir.process().wait() == 0);
}

TEST_CASE("SIGINT twice ends the process at once, whoever is connected") {
  PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection client = pgweir.connect();
  client.must("begin; select 1");
  pgweir.process().signal(SIGINT);
  CHECK(eventually([&] { return pgweir.log_contains("draining"); }));
  pgweir.process().signal(SIGINT);
  CHECK(pgweir.process().wait() == 0);
}

TEST_CASE("SHUTDOWN on the console ends the process") {
  PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  pgweir.console().exec("SHUTDOWN");
  CHECK(pgweir.process().wait() == 0);
}

TEST_CASE("a port that is taken is said, and the process does not start") {
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  const PgweirOutput second = run_pgweir({"--config", pgweir.config_file()});
  CHECK(second.status != 0);
  CHECK(contains(second.text, std::to_string(pgweir.port())));
}

TEST_CASE("an idle client costs less than 4 KiB") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir{PgweirSetup(postgres)};
  std::vector<WireClient> clients;
  const auto grow = [&](int count) {
    for (int i = 0; i < count; ++i) {
      clients.emplace_back(pgweir.port());
      clients.back().login("postgres", "postgres");
      clients.back().send('Q', std::string("select 1") + '\0');
      while (clients.back().read().type != 'Z') continue;
    }
  };
  grow(200);
  const std::size_t before = pgweir.memory();
  grow(1000);
  const std::size_t after = pgweir.memory();
  MESSAGE("bytes for an idle client: " << (after > before ? (after - before) / 1000 : 0));
  if (!sanitized()) CHECK(after < before + 1000 * std::size_t{4096});
  for (WireClient& client : clients) CHECK_FALSE(client.readable());
}
