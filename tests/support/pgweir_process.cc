#include "tests/support/pgweir_process.h"

#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <utility>

#include "tests/support/free_port.h"
#include "tests/support/wire_client.h"

namespace pgweir {
namespace {

int bad_end_count = 0;

bool accepts(int port) {
  try {
    const WireClient probe(port);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

int workers_wanted() {
  const char* text = std::getenv("PGWEIR_TEST_WORKERS");
  return text ? std::atoi(text) : 1;
}

}  // namespace

PgweirSetup::PgweirSetup(int port)
    : workers(workers_wanted()),
      any_database("host = \"127.0.0.1\"\nport = " + std::to_string(port) + "\n") {}

std::string PgweirSetup::text(int port) const {
  return "workers = " + std::to_string(workers) + "\n" + top +
         "\n[listen]\naddresses = [\"127.0.0.1\"]\nport = " + std::to_string(port) + "\n" + listen +
         "\n[pool]\n" + pool + "\n[auth]\ntype = \"" + auth_type + "\"\n" + auth +
         "\n[console]\nadmin_users = [\"dba\"]\nstats_users = [\"monitor\"]\n"
         "\n[users.dba]\npassword = \"dba\"\n[users.monitor]\npassword = \"monitor\"\n"
         "\n[databases.\"*\"]\n" +
         any_database + "\n" + more + "\n";
}

bool sanitized() { return std::getenv("PGWEIR_TEST_SANITIZED") != nullptr; }

std::string pgweir_binary() {
  if (const char* named = std::getenv("PGWEIR_BINARY")) return named;
#ifdef PGWEIR_BUILT_BINARY
  return PGWEIR_BUILT_BINARY;
#else
  throw std::runtime_error("set PGWEIR_BINARY");
#endif
}

PgweirProcess::PgweirProcess(PgweirSetup setup)
    : setup_(std::move(setup)), config_file_(dir_ / "pgweir.toml"), log_file_(dir_ / "log") {
  for (int attempt = 0; attempt < 5; ++attempt) {
    port_ = free_port();
    rewrite(setup_.text(port_));
    std::filesystem::permissions(config_file_,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    if (launch()) return;
    if (!log_contains("in use")) break;
  }
  throw std::runtime_error("pgweir does not start:\n" + log());
}

PgweirProcess::~PgweirProcess() {
  process_->signal(SIGTERM);
  const std::optional<int> status = process_->wait(std::chrono::seconds(10));
  if (!status || *status == 0) return;  // one that waits for its clients is killed by its owner
  ++bad_end_count;
  std::cerr << "pgweir ended with status " << *status << "; its log:\n" << log() << std::endl;
}

int PgweirProcess::bad_ends() { return bad_end_count; }

bool PgweirProcess::launch() {
  process_ = std::make_unique<ChildProcess>(
      std::vector<std::string>{pgweir_binary(), "--config", config_file_},
      ChildOptions{.user = {}, .output_file = log_file_, .environment = {}, .stop_signal = SIGKILL});
  eventually([this] { return !process_->running() || accepts(port_); });
  return process_->running() && accepts(port_);
}

std::string PgweirProcess::conninfo(const std::string& more) const {
  return "host=127.0.0.1 port=" + std::to_string(port_) + " user=postgres dbname=postgres " + more;
}

PgConnection PgweirProcess::console(const std::string& more) const {
  return connect("dbname=pgweir user=dba password=dba " + more);
}

PgResult PgweirProcess::console_exec(const std::string& command) const { return console().must(command); }

int PgweirProcess::pool(const std::string& column, const std::string& database) const {
  const PgResult pools = console_exec("SHOW POOLS");
  for (int row = 0; row < pools.rows(); ++row) {
    if (pools.value(row, "database") == database) return std::stoi(pools.value(row, column));
  }
  return -1;
}

std::size_t PgweirProcess::memory() const {
  std::ifstream file("/proc/" + std::to_string(process_->pid()) + "/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Pss:")) return std::stoul(line.substr(4)) * 1024;
  }
  throw std::runtime_error("cannot read the memory of pgweir");
}

}  // namespace pgweir
