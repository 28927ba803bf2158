// pgweir as a service: what it tells systemd and gets from it, signals, the pid file, the user.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sstream>

#include "tests/integration/servers.h"
#include "tests/support/free_port.h"

using namespace pgweir;

namespace {

// The socket that a service manager reads.
class Manager {
 public:
  explicit Manager(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Manager() { close(fd_); }
  // Reads what it is told until this is among it.
  bool is_told(const std::string& words) {
    for (;;) {
      pollfd waiting{fd_, POLLIN, 0};
      if (poll(&waiting, 1, static_cast<int>(patience.count())) <= 0) return false;
      char bytes[512];
      const ssize_t size = recv(fd_, bytes, sizeof bytes, 0);
      if (size > 0 && std::string(bytes, static_cast<std::size_t>(size)).find(words) != std::string::npos)
        return true;
    }
  }

 private:
  int fd_;
};

std::string config(const std::string& top, int port) {
  PgweirSetup setup(shared_postgres());
  setup.top = top;
  return setup.text(port);
}

ChildProcess start(const std::vector<std::string>& command, const std::string& log,
                   std::vector<std::string> environment = {}) {
  return ChildProcess(
      command,
      {.user = {}, .output_file = log, .environment = std::move(environment), .stop_signal = SIGKILL});
}

bool serves(int port) {
  return PgConnection("host=127.0.0.1 port=" + std::to_string(port) + " user=postgres dbname=postgres")
      .try_connect();
}

}  // namespace

TEST_CASE("service: systemd is told when it serves, reloads, lives and stops") {
  const TempDir dir;
  Manager manager(dir / "notify");
  write_file(dir / "pgweir.toml", config({}, free_port()));
  ChildProcess pgweir = start({pgweir_binary(), "--config", dir / "pgweir.toml"}, dir / "log",
                              {"NOTIFY_SOCKET=" + (dir / "notify"), "WATCHDOG_USEC=200000"});
  CHECK(manager.is_told("READY=1"));
  CHECK(manager.is_told("WATCHDOG=1"));
  pgweir.signal(SIGHUP);
  CHECK(manager.is_told("RELOADING=1\nMONOTONIC_USEC="));
  CHECK(manager.is_told("READY=1"));
  CHECK(manager.is_told("WATCHDOG=1"));
  pgweir.signal(SIGTERM);
  CHECK(manager.is_told("STOPPING=1"));
  CHECK(pgweir.wait() == 0);
}

TEST_CASE("service: it serves on the sockets of socket activation, with several workers too") {
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(listening, 100) == 0);
  socklen_t size = sizeof address;
  REQUIRE(getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const int port = ntohs(address.sin_port);

  const std::vector<std::pair<std::string, std::string>> who = {{"user", "postgres"},
                                                                {"database", "postgres"}};
  // Who connects before it runs is served when it does, and who connects while it drains by the next one.
  auto early = std::make_unique<WireClient>(port);
  early->send_startup(196608, who);
  for (const int workers : {1, 3, 2}) {
    CAPTURE(workers);
    const TempDir dir;
    PgweirSetup setup(shared_postgres());
    setup.workers = workers;
    const int unused = free_port();
    write_file(dir / "pgweir.toml", setup.text(unused));
    // As systemd does it: the socket is number 3, and no other.
    const std::string number = std::to_string(listening);
    const std::string exec = "exec 3<&" + number + "; [ " + number + " = 3 ] || exec " + number +
                             "<&-; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    ChildProcess pgweir =
        start({"/bin/bash", "-c", exec, pgweir_binary(), "--config", dir / "pgweir.toml"}, dir / "log");
    CHECK(early->read().type == 'R');
    for (int i = 0; i < 20; ++i) CHECK(serves(port));
    CHECK_THROWS(WireClient(unused));

    PgConnection client =
        PgConnection::open("host=127.0.0.1 port=" + std::to_string(port) + " user=postgres dbname=postgres");
    client.must("begin; select 1");
    pgweir.signal(SIGTERM);
    REQUIRE(eventually([&] { return read_file(dir / "log").find("draining") != std::string::npos; }));
    // Each worker lets the socket go in its own time.
    REQUIRE(eventually([&] {
      const auto fds = std::filesystem::directory_iterator("/proc/" + std::to_string(pgweir.pid()) + "/fd");
      return std::none_of(begin(fds), end(fds), [&](const auto& it) {
        std::error_code gone;
        return std::filesystem::read_symlink(it.path(), gone) ==
               std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(listening));
      });
    }));
    early = std::make_unique<WireClient>(port);
    early->send_startup(196608, who);
    client.must("commit");
    CHECK(pgweir.wait() == 0);
  }
  close(listening);
}

TEST_CASE("service: SIGUSR1 pauses, SIGUSR2 resumes, SIGQUIT stops at once") {
  PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection client = pgweir.connect();
  CHECK(client.value("select 1") == "1");
  pgweir.process().signal(SIGUSR1);
  REQUIRE(eventually([&] { return pgweir.pool("sv_idle") == 0; }));
  client.send("select 2");
  REQUIRE(eventually([&] { return pgweir.pool("cl_waiting") == 1; }));
  CHECK_FALSE(client.answered());
  pgweir.process().signal(SIGUSR2);
  CHECK(client.finish().value(0, 0) == "2");
  client.must("begin; select 1");
  pgweir.process().signal(SIGQUIT);
  CHECK(pgweir.process().wait() == 0);
}

TEST_CASE("service: with hardly any file descriptors left clients are told so, and the console answers") {
  const TempDir dir;
  const int port = free_port();
  write_file(dir / "pgweir.toml", config("", port));
  ChildProcess pgweir = start({"/bin/sh", "-c", "ulimit -n 120; exec \"$0\" \"$@\"", pgweir_binary(),
                               "--config", dir / "pgweir.toml"},
                              dir / "log");
  REQUIRE(eventually([&] {
    return PgConnection("host=127.0.0.1 user=postgres dbname=postgres port=" + std::to_string(port))
        .try_connect();
  }));
  std::vector<std::unique_ptr<WireClient>> clients;
  std::optional<LoginError> refused;
  while (!refused && clients.size() < 200) {
    refused = try_login(port, "postgres", "postgres");
    clients.push_back(std::make_unique<WireClient>(port));
  }
  REQUIRE(refused);
  CHECK(refused->sqlstate == "53300");
  CHECK(refused->message.find("no more connections") != std::string::npos);
  // Nor do those that come without a word use up the last ones.
  for (int i = 0; i < 60; ++i) clients.push_back(std::make_unique<WireClient>(port));
  PgConnection console =
      PgConnection::open("host=127.0.0.1 user=dba password=dba dbname=pgweir port=" + std::to_string(port));
  CHECK(console.must("SHOW CLIENTS").rows() > 0);
  clients.clear();
  CHECK(eventually([&] { return !try_login(port, "postgres", "postgres"); }));
  pgweir.signal(SIGTERM);
  CHECK(pgweir.wait() == 0);
}

TEST_CASE("service: the pid file names the process, and goes with it") {
  const TempDir dir;
  const std::string pid_file = dir / "pid";
  PgweirSetup setup(shared_postgres());
  setup.top = "pidfile = \"" + pid_file + "\"\n";
  PgweirProcess pgweir(setup);
  CHECK(read_file(pid_file) == std::to_string(pgweir.process().pid()) + "\n");
  // Another one does not take it away.
  write_file(dir / "other.toml", config("pidfile = \"" + pid_file + "\"\n", free_port()));
  const PgweirOutput other = run_pgweir({"--config", dir / "other.toml"});
  CHECK(other.status == 1);
  CHECK(other.text.find("belongs to a process that is running, " + std::to_string(pgweir.process().pid())) !=
        std::string::npos);
  CHECK(read_file(pid_file) == std::to_string(pgweir.process().pid()) + "\n");
  pgweir.process().signal(SIGTERM);
  CHECK(pgweir.process().wait() == 0);
  CHECK_FALSE(std::filesystem::exists(pid_file));
}

TEST_CASE("service: the pid file of a process that was killed is free") {
  const TempDir dir;
  write_file(dir / "pid", "1\n");
  PgweirSetup setup(shared_postgres());
  setup.top = "pidfile = \"" + (dir / "pid") + "\"\n";
  PgweirProcess pgweir(setup);
  CHECK(read_file(dir / "pid") == std::to_string(pgweir.process().pid()) + "\n");
}

TEST_CASE("service: root becomes the user of the settings, and nobody else can") {
  const TempDir dir;
  std::filesystem::permissions(dir.path(), std::filesystem::perms::all);
  const int port = free_port();
  write_file(dir / "pgweir.toml", config("user = \"nobody\"\npidfile = \"" + (dir / "pid") + "\"\n", port));
  if (geteuid() != 0) {
    const PgweirOutput refused = run_pgweir({"--config", dir / "pgweir.toml"});
    CHECK(refused.status == 1);
    CHECK(refused.text.find("only root can become") != std::string::npos);
    return;
  }
  ChildProcess pgweir = start({pgweir_binary(), "--config", dir / "pgweir.toml"}, dir / "log");
  INFO(read_file(dir / "log"));
  REQUIRE(eventually([&] { return std::filesystem::exists(dir / "pid") && serves(port); }));
  std::istringstream status(read_file("/proc/" + std::to_string(pgweir.pid()) + "/status"));
  std::string uids;
  while (uids.rfind("Uid:", 0) != 0 && std::getline(status, uids)) {
  }
  std::istringstream words(uids.substr(4));
  for (std::string uid; words >> uid;) CHECK(uid != "0");
  pgweir.signal(SIGTERM);
  CHECK(pgweir.wait() == 0);
  CHECK_FALSE(std::filesystem::exists(dir / "pid"));

  write_file(dir / "pgweir.toml", config("user = \"no such user\"\n", port));
  const PgweirOutput refused = run_pgweir({"--config", dir / "pgweir.toml"});
  CHECK(refused.status == 1);
  CHECK(refused.text.find("no such user") != std::string::npos);
}
