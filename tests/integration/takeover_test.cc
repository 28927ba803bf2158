// --takeover: a new process serves in place of the running one, and nobody is refused or cut off.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>

#include "tests/integration/servers.h"
#include "tests/support/free_port.h"

using namespace pgweir;

namespace {

PgweirSetup with_unix_socket(const TempDir& dir) {
  PgweirSetup setup(shared_postgres());
  setup.listen = "unix_socket_dir = \"" + dir.path().string() + "\"\n";
  return setup;
}

// The process that takes over; its log is its own.
struct Successor {
  Successor(const PgweirProcess& running, const TempDir& dir, const std::string& name)
      : Successor(running.config_file(), dir, name) {}
  Successor(const std::string& config_file, const TempDir& dir, const std::string& name)
      : log_file(dir / name),
        process({pgweir_binary(), "--config", config_file, "--takeover"},
                {.user = {}, .output_file = log_file, .environment = {}, .stop_signal = SIGKILL}) {}
  std::string log() const { return read_file(log_file); }
  bool says(const std::string& text) const { return log().find(text) != std::string::npos; }
  // Ends it in order; it must have nothing to complain about.
  void finish() {
    process.signal(SIGTERM);
    CHECK(process.wait() == 0);
  }

  std::string log_file;
  ChildProcess process;
};

// Clients that connect anew for each transaction, over TCP and the Unix socket.
class Arrivals {
 public:
  Arrivals(const PgweirProcess& pgweir, const TempDir& sockets) {
    const std::string tail = " port=" + std::to_string(pgweir.port()) + " user=postgres dbname=postgres";
    for (int i = 0; i < 6; ++i) {
      const std::string host = i % 2 == 0 ? "127.0.0.1" : sockets.path().string();
      threads_.emplace_back([this, conninfo = "host=" + host + tail] { work(conninfo); });
    }
  }
  ~Arrivals() { stop(); }
  bool go_on(int transactions) const {
    const long goal = done_ + transactions;
    return eventually([&] { return done_ >= goal; });
  }
  void stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  long done() const { return done_; }
  std::string failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

 private:
  void work(const std::string& conninfo) {
    while (!stopping_) {
      try {
        PgConnection client = PgConnection::open(conninfo);
        client.must("begin");
        client.must("insert into rows values (" + std::to_string(++number_) + ", 'arrived')");
        client.must("commit");
        ++done_;
      } catch (const std::exception& error) {
        const std::lock_guard lock(mutex_);
        failures_ += error.what();
      }
    }
  }

  std::atomic<bool> stopping_ = false;
  std::atomic<long> done_ = 0, number_ = 0;
  mutable std::mutex mutex_;
  std::string failures_;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("takeover: under load no client is refused and no transaction breaks, also with other workers") {
  const Postgres& postgres = shared_postgres();
  const TempDir dir;
  PgweirSetup setup = with_unix_socket(dir);
  PgweirProcess pgweir(setup);
  Arrivals arrivals(pgweir, dir);
  REQUIRE(arrivals.go_on(50));
  PgConnection stays = pgweir.connect();
  stays.must("begin; insert into rows values (-1, 'stays')");

  std::vector<std::unique_ptr<Successor>> successors;
  for (const int workers : {4, 1, 2}) {
    CAPTURE(workers);
    setup.workers = workers;
    pgweir.rewrite(setup.text(pgweir.port()));
    successors.push_back(std::make_unique<Successor>(pgweir, dir, "log" + std::to_string(workers)));
    Successor& next = *successors.back();
    INFO(next.log());
    REQUIRE(eventually([&] { return next.says("taking over") && next.says("listening on"); }));
    REQUIRE(arrivals.go_on(50));
    if (successors.size() > 1) CHECK(successors.front()->process.wait() == 0);
    if (successors.size() > 1) successors.erase(successors.begin());
    REQUIRE(arrivals.go_on(50));
  }
  // The first process ends with its last client.
  CHECK(pgweir.process().running());
  stays.must("insert into rows values (-2, 'stays')");
  stays.must("commit");
  CHECK(stays.value("select count(*) from rows where t = 'stays'") == "2");
  stays = PgConnection(pgweir.conninfo());
  CHECK(pgweir.process().wait() == 0);
  REQUIRE(arrivals.go_on(50));
  arrivals.stop();
  CHECK(arrivals.failures() == "");
  CHECK(postgres.value("select count(*) from rows where t = 'arrived'") == std::to_string(arrivals.done()));
  successors.back()->finish();
  CHECK_FALSE(std::filesystem::exists(dir / (".s.PGSQL." + std::to_string(pgweir.port()))));
}

TEST_CASE("takeover: a cancel finds the process that runs its query, through two successors") {
  const Postgres& postgres = shared_postgres();
  const TempDir dir;
  PgweirProcess pgweir(with_unix_socket(dir));
  PgConnection client = pgweir.connect();
  client.send("select pg_sleep(605)");
  REQUIRE(eventually([&] {
    return postgres.value(
               "select count(*) from pg_stat_activity where state = 'active' and query = "
               "'select pg_sleep(605)'") == "1";
  }));
  PgConnection idle = PgConnection::open(pgweir.conninfo());
  Successor second(pgweir, dir, "second");
  REQUIRE(eventually([&] { return pgweir.log_contains("new clients are another process's"); }));
  PgConnection holder = pgweir.connect();  // keeps the second there
  Successor third(pgweir, dir, "third");
  REQUIRE(eventually([&] { return second.says("new clients are another process's"); }));
  client.cancel();
  CHECK(client.finish().sqlstate() == "57014");
  // A key that nobody knows ends as well.
  WireClient unknown(pgweir.port());
  unknown.send_raw(wire_int32(16) + wire_int32(80877102) + wire_int32(12345) + wire_int32(1));
  CHECK(unknown.read().closed());
  CHECK(idle.value("select 'served'") == "served");
  client = PgConnection(pgweir.conninfo());
  idle = PgConnection(pgweir.conninfo());
  CHECK(pgweir.process().wait() == 0);
  CHECK(holder.value("select 1") == "1");
  holder = PgConnection(pgweir.conninfo());
  CHECK(second.process.wait() == 0);
  third.finish();
}

TEST_CASE("takeover: who stays longer than shutdown_timeout is told when nothing of his runs") {
  const TempDir dir;
  PgweirSetup setup = with_unix_socket(dir);
  setup.top = "shutdown_timeout = \"1s\"\n";
  PgweirProcess pgweir(setup);
  PgConnection idle = pgweir.connect();
  Successor next(pgweir, dir, "next");
  const PgResult told = [&] {
    PGresult* result = nullptr;
    // What the server says unasked comes with the next result.
    CHECK(eventually(
        [&] { return PQconsumeInput(idle.raw()) == 0 || PQstatus(idle.raw()) == CONNECTION_BAD; }));
    result = PQexec(idle.raw(), "select 1");
    return PgResult(result);
  }();
  CHECK_FALSE(told.ok());
  CHECK(pgweir.process().wait() == 0);
  CHECK(pgweir.connect().value("select 1") == "1");
  next.finish();
}

TEST_CASE("takeover: when the successor fails the running process goes on, with its state file") {
  const TempDir dir;
  PgweirSetup setup = with_unix_socket(dir);
  setup.top = "state_file = \"" + (dir / "state") + "\"\n";
  PgweirProcess pgweir(setup);
  const std::string good = setup.text(pgweir.port());
  setup.top += "pidfile = \"/no/such/directory/pid\"\n";
  pgweir.rewrite(setup.text(pgweir.port()));
  {
    Successor fails(pgweir, dir, "fails");
    CHECK(fails.process.wait() == 1);
    CHECK(fails.says("/no/such/directory/pid"));
  }
  CHECK(pgweir.connect().value("select 1") == "1");

  pgweir.rewrite(good);
  PgConnection holder = pgweir.connect();
  Successor next(pgweir, dir, "next");
  const bool served = eventually([&] { return pgweir.log_contains("new clients are another process's"); });
  INFO(next.log());
  REQUIRE(served);
  CHECK_FALSE(next.says("another process uses it"));
  CHECK(next.says("state_file: "));
  holder = PgConnection(pgweir.conninfo());
  CHECK(pgweir.process().wait() == 0);
  next.finish();
}

TEST_CASE("takeover: without a running process it is a start, without a directory of sockets an error") {
  const TempDir dir;
  PgweirSetup setup = with_unix_socket(dir);
  const int port = free_port();
  const std::string config = dir / "pgweir.toml";
  write_file(config, setup.text(port));
  const auto serves = [port] {
    return PgConnection("host=127.0.0.1 port=" + std::to_string(port) + " user=postgres dbname=postgres")
        .try_connect();
  };
  {
    ChildProcess killed(
        {pgweir_binary(), "--config", config},
        {.user = {}, .output_file = dir / "killed", .environment = {}, .stop_signal = SIGKILL});
    REQUIRE(eventually(serves));
  }
  CHECK(std::filesystem::exists(dir / (".s.PGSQL." + std::to_string(port) + ".takeover")));
  Successor next(config, dir, "next");
  REQUIRE(eventually(serves));
  CHECK(next.says("nobody serves"));
  next.finish();

  setup.listen = {};
  write_file(config, setup.text(port));
  Successor nowhere(config, dir, "nowhere");
  CHECK(nowhere.process.wait() == 1);
  CHECK(nowhere.says("listen.unix_socket_dir"));
}

TEST_CASE("takeover: never from a process of another user, who could keep the sockets") {
  if (geteuid() != 0) return;  // nobody else can be played
  const TempDir dir;
  std::filesystem::permissions(dir.path(), std::filesystem::perms::all);
  const int port = free_port();
  const std::string config = dir / "pgweir.toml";
  write_file(config, with_unix_socket(dir).text(port));
  std::filesystem::permissions(config, std::filesystem::perms::owner_read);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = dir / (".s.PGSQL." + std::to_string(port) + ".takeover");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  constexpr uid_t nobody = 65534;
  REQUIRE(seteuid(nobody) == 0);
  const bool listens =
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && listen(fd, 1) == 0;
  REQUIRE(seteuid(0) == 0);
  REQUIRE(listens);
  Successor successor(config, dir, "log");
  CHECK(successor.process.wait() == 1);
  CHECK(successor.says("belongs to another user"));
  close(fd);
}
