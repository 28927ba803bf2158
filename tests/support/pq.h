#pragma once
// libpq with owners, and with limits on how long anything may take. What a test did not expect throws.

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/eventually.h"

namespace pgweir {

class PgResult {
 public:
  explicit PgResult(PGresult* result) : result_(result, &PQclear) {}

  explicit operator bool() const { return result_ != nullptr; }
  ExecStatusType status() const { return PQresultStatus(result_.get()); }
  // Rows or a command's end.
  bool ok() const;
  int rows() const { return PQntuples(result_.get()); }
  int columns() const { return PQnfields(result_.get()); }
  std::string column(int index) const { return PQfname(result_.get(), index); }
  bool null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::string value(int row, int column) const;
  // By the column's name; throws when there is none.
  std::string value(int row, const std::string& name) const;
  std::string tag() const { return PQcmdStatus(result_.get()); }
  std::string sqlstate() const { return field(PG_DIAG_SQLSTATE); }
  std::string severity() const { return field(PG_DIAG_SEVERITY_NONLOCALIZED); }
  std::string message() const { return PQresultErrorMessage(result_.get()); }

 private:
  std::string field(int code) const;

  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

class PgConnection {
 public:
  // Starts to connect; say `connect()` or `try_connect()` next. Anything in `conninfo` as libpq has it.
  explicit PgConnection(const std::string& conninfo);
  PgConnection(PgConnection&&) = default;
  PgConnection& operator=(PgConnection&&) = default;

  // Waits until connected; false when refused, `error()` says why.
  bool try_connect(std::chrono::milliseconds limit = patience);
  // An open connection, or an exception.
  static PgConnection open(const std::string& conninfo);

  PGconn* raw() const { return connection_.get(); }
  bool usable() const { return PQstatus(raw()) == CONNECTION_OK; }
  std::string error() const { return PQerrorMessage(raw()); }
  int backend_pid() const { return PQbackendPID(raw()); }
  std::string parameter(const std::string& name) const;
  PGTransactionStatusType transaction() const { return PQtransactionStatus(raw()); }
  // What the server sent as notices, in order.
  const std::vector<std::string>& notices() const { return *notices_; }

  // Simple protocol; the last result, or the first that failed. Never throws for an SQL error.
  PgResult exec(const std::string& sql);
  // Extended protocol, parameters as text.
  PgResult exec_params(const std::string& sql, const std::vector<std::optional<std::string>>& parameters);
  // exec that must succeed.
  PgResult must(const std::string& sql);
  // The only value of a query that must succeed.
  std::string value(const std::string& sql);
  // The SQLSTATE of a statement that must fail.
  std::string failure(const std::string& sql);

  // Sends without waiting for the answer.
  void send(const std::string& sql);
  // The next result of what was sent; empty when there are no more. Throws when it takes too long.
  PgResult next(std::chrono::milliseconds limit = patience);
  // All results of what was sent: the last, or the first that failed.
  PgResult finish(std::chrono::milliseconds limit = patience);
  // Whether an answer has come, without waiting.
  bool answered();
  // Sends a CancelRequest as psql does at Ctrl-C, and waits until its connection is closed.
  void cancel();
  // Closes the socket without a Terminate message, as a process that dies does.
  void vanish();

  // COPY: after exec gave PGRES_COPY_IN or PGRES_COPY_OUT.
  void copy_in(const std::string& data);
  void copy_end(const char* failure = nullptr);
  // One row; nothing at the end.
  std::optional<std::string> copy_row();

  // Gives the connection away, so that others can wait for it.
  int socket() const { return PQsocket(raw()); }

 private:
  // Waits for the socket; throws at `end`.
  void wait_io(bool writing, std::chrono::steady_clock::time_point end) const;
  void flush_out(std::chrono::steady_clock::time_point end);

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
  std::unique_ptr<std::vector<std::string>> notices_;
};

}  // namespace pgweir
