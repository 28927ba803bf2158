#pragma once
// A private PostgreSQL for tests: on a free port of 127.0.0.1 and on a Unix socket in its own directory, gone
// with the object. The superuser is `postgres`, without a password unless the test says otherwise.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/pq.h"
#include "tests/support/temp_dir.h"

namespace pgweir {

struct PostgresOptions {
  int max_connections = 100;
  std::vector<std::string> configuration;  // lines for postgresql.conf
  std::vector<std::string> hba;            // lines for pg_hba.conf, before the one that trusts everybody
  std::vector<std::pair<std::string, std::string>> files{};  // name and contents, in the data directory
  // A streaming standby of this server, which must outlive its start and have standby_hba in its hba.
  const class Postgres* standby_of = nullptr;
};

// The path of one of the programs that come with PostgreSQL.
std::string postgres_program(const std::string& name);

// Lets standbys connect.
inline constexpr auto standby_hba = "host replication all 127.0.0.1/32 trust";

class Postgres {
 public:
  // Makes a data directory (a copy of the process's template, which is made once) and starts the server.
  explicit Postgres(PostgresOptions options = {});
  ~Postgres();
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  int port() const { return port_; }
  std::string socket_dir() const { return dir_.path().string(); }
  // conninfo over TCP as the superuser; `more` is appended and wins.
  std::string conninfo(const std::string& more = {}) const;
  PgConnection connect(const std::string& more = {}) const { return PgConnection::open(conninfo(more)); }
  // The only value of a query in database `postgres`, by a connection of its own over the Unix socket, with
  // application_name `test-harness`.
  std::string value(const std::string& sql) const;
  void run(const std::string& sql) const;
  // Client backends of the database that have an application_name other than the harness's.
  int backends(const std::string& database = "postgres") const;

  // All clients are disconnected (57P01), as `pg_ctl stop -m fast` does.
  void stop();
  void start();
  void restart() {
    stop();
    start();
  }
  // Makes a standby a primary, and waits until it is one.
  void promote() const;
  // SIGKILL: PostgreSQL then ends all other backends too (57P02) and recovers.
  static void kill_backend(int pid);
  std::string log() const { return read_file(log_file_); }

 private:
  bool launch();

  PostgresOptions options_;
  TempDir dir_;
  std::string data_, log_file_;
  int port_ = 0;
  std::unique_ptr<ChildProcess> server_;
};

}  // namespace pgweir
