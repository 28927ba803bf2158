// PostgreSQL goes away and comes back.

#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <thread>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

PgweirSetup impatient(const Postgres& postgres) {
  PgweirSetup setup(postgres);
  setup.pool = "default_pool_size = 4\nserver_login_retry = \"100ms\"\n";
  return setup;
}

// What a client may be told when its server went away.
bool is_loss(const std::string& sqlstate) {
  return sqlstate.starts_with("57P") || sqlstate.starts_with("08");
}

// A client that never stops asking, on its own thread.
class Asker {
 public:
  explicit Asker(const PgweirProcess& pgweir) : conninfo_(pgweir.conninfo()), thread_([this] { ask(); }) {}
  ~Asker() { stop(); }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int answers() const { return answers_; }
  // Only after stop().
  const std::set<std::string>& errors() const { return errors_; }
  bool broken() const { return broken_; }

 private:
  // Until it succeeds: while PostgreSQL is away, a login may be refused.
  PgConnection connect() const {
    for (;;) {
      PgConnection client(conninfo_);
      if (client.try_connect() || stop_) return client;
    }
  }

  void ask() {
    try {
      PgConnection client = connect();
      while (!stop_) {
        const PgResult result = client.exec("select 1");
        if (result.ok()) {
          ++answers_;
        } else {
          errors_.insert(result.sqlstate());
          if (!client.usable()) client = connect();
        }
      }
    } catch (const std::exception&) {
      broken_ = true;
    }
  }

  std::string conninfo_;
  std::atomic<bool> stop_{false}, broken_{false};
  std::atomic<int> answers_{0};
  std::set<std::string> errors_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("idle clients do not notice a restart of PostgreSQL") {
  Postgres postgres;
  const PgweirProcess pgweir(impatient(postgres));
  std::vector<PgConnection> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(pgweir.connect());
  ask_backend_pids(clients);
  postgres.restart();
  for (PgConnection& client : clients) CHECK(client.value("select 1") == "1");
}

TEST_CASE("a client that asks while PostgreSQL is down is answered when it is back") {
  Postgres postgres;
  const PgweirProcess pgweir(impatient(postgres));
  PgConnection client = pgweir.connect();
  client.must("select 1");
  postgres.stop();
  client.send("select 'patient'");
  REQUIRE(waiting_clients(pgweir, 1));
  postgres.start();
  const PgResult result = client.finish();
  // PostgreSQL may still have said that it starts up.
  if (!result.ok()) CHECK(is_loss(result.sqlstate()));
  CHECK(eventually([&] { return client.exec("select 1").ok(); }));
}

TEST_CASE("a restart under load: clear errors for those in a query, and everybody goes on") {
  Postgres postgres;
  const PgweirProcess pgweir(impatient(postgres));
  std::vector<std::unique_ptr<Asker>> askers;
  for (int i = 0; i < 8; ++i) askers.push_back(std::make_unique<Asker>(pgweir));
  const auto all_advance = [&] {
    std::vector<int> seen;
    for (const auto& asker : askers) seen.push_back(asker->answers());
    return eventually([&] {
      for (std::size_t i = 0; i < askers.size(); ++i) {
        if (askers[i]->answers() < seen[i] + 20 && !askers[i]->broken()) return false;
      }
      return true;
    });
  };
  CHECK(all_advance());
  postgres.restart();
  CHECK(all_advance());
  for (const auto& asker : askers) {
    asker->stop();
    CHECK_FALSE(asker->broken());
    for (const std::string& sqlstate : asker->errors()) {
      INFO(sqlstate);
      CHECK(is_loss(sqlstate));
    }
  }
}

TEST_CASE("a client in a transaction gets a clear error when its server is killed, others go on") {
  const Postgres postgres;
  const PgweirProcess pgweir(impatient(postgres));
  PgConnection victim = pgweir.connect();
  PgConnection idle = pgweir.connect();
  idle.must("select 1");
  victim.must("begin; select 1");
  const int pid = std::stoi(victim.value("select pg_backend_pid()"));

  Postgres::kill_backend(pid);
  const PgResult result = victim.exec("select 1");
  CHECK_FALSE(result.ok());
  if (!result.sqlstate().empty()) CHECK(is_loss(result.sqlstate()));

  // PostgreSQL ends all its backends after such a death; a query may still meet one that is about to end.
  PgConnection console = pgweir.console();
  CHECK(eventually([&] { return console.exec("SHOW SERVERS").rows() == 0; }));
  CHECK(eventually([&] { return idle.exec("select 1").ok(); }));
  CHECK(idle.usable());
}

TEST_CASE("pg_terminate_backend ends only the query it meets") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(impatient(postgres));
  PgConnection victim = pgweir.connect();
  PgConnection other = pgweir.connect();
  other.must("begin; select 1");
  victim.send("select pg_sleep(603)");
  REQUIRE(eventually([&] {
    return postgres.value("select count(*) from pg_stat_activity where query = 'select pg_sleep(603)'") ==
           "1";
  }));
  postgres.run("select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(603)'");
  const PgResult result = victim.finish();
  CHECK(result.sqlstate() == "57P01");
  CHECK(other.value("select 'untouched'") == "untouched");
  other.must("commit");
  // An idle server that is ended meets nobody.
  postgres.run(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name <> 'test-harness' "
      "and backend_type = 'client backend'");
  // A query that is sent before pgweir has read the news may still meet the dying server.
  REQUIRE(eventually([&] { return pgweir.pool("sv_idle") == 0 && pgweir.pool("sv_active") == 0; }));
  CHECK(other.value("select 'went on'") == "went on");
}

TEST_CASE("a PostgreSQL that cannot be reached is an error, not silence") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  setup.pool = "server_login_retry = \"100ms\"\nquery_wait_timeout = \"2s\"\n";
  setup.any_database = "host = \"127.0.0.1\"\nport = 1\n";
  const PgweirProcess pgweir(setup);
  const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
  REQUIRE(error);
  CHECK(error->severity == "FATAL");
  CHECK((is_loss(error->sqlstate) || error->sqlstate == "53300"));
}
