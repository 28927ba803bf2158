#pragma once
// The real pgweir in front of a PostgreSQL, on a free port of 127.0.0.1, gone with the object. Which binary:
// the environment's PGWEIR_BINARY, else the one of this build. How many workers: PGWEIR_TEST_WORKERS, else 1.

#include <memory>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/postgres.h"
#include "tests/support/pq.h"
#include "tests/support/temp_dir.h"

namespace pgweir {

// Whether the pgweir under test has a sanitizer in it (PGWEIR_TEST_SANITIZED): its use of memory says
// nothing.
bool sanitized();

// The configuration, as lines of TOML for each section. The console's administrator is `dba` with password
// `dba`, its reader is `monitor` with password `monitor`.
struct PgweirSetup {
  explicit PgweirSetup(const Postgres& postgres) : PgweirSetup(postgres.port()) {}
  // Whatever speaks PostgreSQL's protocol on this port of 127.0.0.1.
  explicit PgweirSetup(int port);

  int workers;
  std::string auth_type = "trust";
  std::string top, listen, pool, auth;
  std::string any_database;  // lines of [databases."*"], which leads to the PostgreSQL
  std::string more;          // whole sections
  std::string text(int port) const;
};

std::string pgweir_binary();

class PgweirProcess {
 public:
  // Starts it and waits until it accepts connections; throws with its log when it does not.
  explicit PgweirProcess(PgweirSetup setup);
  // Asks it to stop. A status other than 0, also of one that ended before, is printed and counted.
  ~PgweirProcess();
  PgweirProcess(const PgweirProcess&) = delete;
  PgweirProcess& operator=(const PgweirProcess&) = delete;

  // How many processes so far ended badly: crashed, or complained about by a sanitizer.
  static int bad_ends();

  int port() const { return port_; }
  // As Postgres::conninfo, but through pgweir.
  std::string conninfo(const std::string& more = {}) const;
  PgConnection connect(const std::string& more = {}) const { return PgConnection::open(conninfo(more)); }
  PgConnection console(const std::string& more = {}) const;
  // One console command as administrator.
  PgResult console_exec(const std::string& command) const;
  // The value in SHOW POOLS of the only pool of this database; -1 when there is no such pool yet.
  int pool(const std::string& column, const std::string& database = "postgres") const;

  const std::string& config_file() const { return config_file_; }
  void rewrite(const std::string& config) const { write_file(config_file_, config); }
  ChildProcess& process() { return *process_; }
  std::string log() const { return read_file(log_file_); }
  bool log_contains(const std::string& text) const { return log().find(text) != std::string::npos; }
  // Proportional set size, in bytes.
  std::size_t memory() const;

 private:
  bool launch();

  PgweirSetup setup_;
  TempDir dir_;
  std::string config_file_, log_file_;
  int port_ = 0;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace pgweir
