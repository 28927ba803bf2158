#include "tests/support/postgres.h"

#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tests/support/free_port.h"

namespace pgweir {
namespace {

namespace fs = std::filesystem;

// PostgreSQL refuses to run as root.
std::string server_user() { return geteuid() == 0 ? "postgres" : ""; }

void give_to_server_user(const fs::path& path) {
  const std::string user = server_user();
  if (user.empty()) return;
  const passwd* entry = getpwnam(user.c_str());
  if (!entry) throw std::runtime_error("root needs a system user `postgres` to run PostgreSQL");
  if (chown(path.c_str(), entry->pw_uid, entry->pw_gid) != 0) {
    throw std::system_error(errno, std::generic_category(), "chown " + path.string());
  }
}

// PGWEIR_PG_BINDIR, or the newest version that Debian's packages installed.
fs::path find_programs() {
  if (const char* named = std::getenv("PGWEIR_PG_BINDIR")) return named;
  fs::path newest;
  int newest_version = 0;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", none)) {
    const std::string name = entry.path().filename();
    int version = 0;
    std::from_chars(name.data(), name.data() + name.size(), version);
    if (version > newest_version && fs::exists(entry.path() / "bin" / "postgres")) {
      newest_version = version;
      newest = entry.path() / "bin";
    }
  }
  if (newest.empty()) throw std::runtime_error("no PostgreSQL server found; set PGWEIR_PG_BINDIR");
  return newest;
}

const fs::path& programs() {
  static const fs::path found = find_programs();
  return found;
}

// initdb takes seconds, a copy does not.
const std::string& template_data() {
  static const TempDir dir;
  static const std::string data = [] {
    give_to_server_user(dir.path());
    const std::string path = dir / "data";
    run_program({programs() / "initdb", "-D", path, "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-E",
                 "UTF8", "--no-sync", "--no-instructions"},
                server_user());
    return path;
  }();
  return data;
}

std::string lines(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& line : list) text += line + "\n";
  return text;
}

}  // namespace

std::string postgres_program(const std::string& name) { return (programs() / name).string(); }

Postgres::Postgres(PostgresOptions options)
    : options_(std::move(options)), data_(dir_ / "data"), log_file_(dir_ / "log") {
  give_to_server_user(dir_.path());
  if (const Postgres* const primary = options_.standby_of) {
    run_program({programs() / "pg_basebackup", "-D", data_, "-h", "127.0.0.1", "-p",
                 std::to_string(primary->port()), "-U", "postgres", "-c", "fast", "-R", "--no-sync"},
                server_user());
    options_.configuration.push_back(
        "primary_conninfo = 'host=127.0.0.1 port=" + std::to_string(primary->port()) +
        " user=postgres application_name=test-harness'");
  } else {
    run_program({"cp", "-a", template_data(), data_});
  }
  // The file keeps the owner it has.
  write_file(data_ + "/pg_hba.conf",
             "local all all trust\n" + lines(options_.hba) + "host all all 127.0.0.1/32 trust\n");
  for (const auto& [name, text] : options_.files) {
    const fs::path path = fs::path(data_) / name;
    write_file(path, text);
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    give_to_server_user(path);
  }
  write_file(log_file_, "");
  give_to_server_user(log_file_);
  for (int attempt = 0; attempt < 5; ++attempt) {
    port_ = free_port();
    if (launch()) return;
  }
  throw std::runtime_error("PostgreSQL does not start:\n" + log());
}

Postgres::~Postgres() { stop(); }

std::string Postgres::conninfo(const std::string& more) const {
  return "host=127.0.0.1 port=" + std::to_string(port_) + " user=postgres dbname=postgres " + more;
}

std::string Postgres::value(const std::string& sql) const {
  return connect("host=" + socket_dir() + " application_name=test-harness").value(sql);
}

void Postgres::run(const std::string& sql) const {
  connect("host=" + socket_dir() + " application_name=test-harness").must(sql);
}

int Postgres::backends(const std::string& database) const {
  return std::stoi(
      value("select count(*) from pg_stat_activity where backend_type = 'client backend' and datname = '" +
            database + "' and application_name <> 'test-harness'"));
}

bool Postgres::launch() {
  write_file(data_ + "/postgresql.auto.conf",
             "listen_addresses = '127.0.0.1'\nport = " + std::to_string(port_) +
                 "\nunix_socket_directories = '" + socket_dir() +
                 "'\nmax_connections = " + std::to_string(options_.max_connections) +
                 "\nfsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"
                 "shared_buffers = 32MB\nautovacuum = off\nssl = off\n" +
                 lines(options_.configuration));
  server_ = std::make_unique<ChildProcess>(
      std::vector<std::string>{programs() / "postgres", "-D", data_},
      ChildOptions{
          .user = server_user(), .output_file = log_file_, .environment = {}, .stop_signal = SIGQUIT});
  const std::string probe = conninfo();
  eventually([&] { return !server_->running() || PQping(probe.c_str()) == PQPING_OK; });
  return server_->running() && PQping(probe.c_str()) == PQPING_OK;
}

void Postgres::start() {
  if (!launch()) throw std::runtime_error("PostgreSQL does not start:\n" + log());
}

void Postgres::stop() {
  if (server_) server_->stop(SIGINT);
  server_.reset();
}

void Postgres::promote() const {
  run_program({programs() / "pg_ctl", "promote", "-D", data_}, server_user());
}

void Postgres::kill_backend(int pid) {
  if (kill(pid, SIGKILL) != 0) throw std::system_error(errno, std::generic_category(), "kill backend");
}

}  // namespace pgweir
