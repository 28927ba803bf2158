#include "tests/support/pq.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace pgweir {
namespace {

using Time = std::chrono::steady_clock::time_point;

Time from_now(std::chrono::milliseconds limit) { return std::chrono::steady_clock::now() + limit; }

// False at the end of the time.
bool poll_until(int fd, short events, Time end) {
  pollfd entry{fd, events, 0};
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    const int found = poll(&entry, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (found > 0) return true;
    if (found == 0 || errno != EINTR) return false;
  }
}

void collect_notice(void* list, const PGresult* result) {
  static_cast<std::vector<std::string>*>(list)->emplace_back(
      PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

}  // namespace

bool PgResult::ok() const { return status() == PGRES_TUPLES_OK || status() == PGRES_COMMAND_OK; }

std::string PgResult::value(int row, int column) const {
  if (row >= rows() || column >= columns()) throw std::runtime_error("no such row or column in the result");
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::string PgResult::value(int row, const std::string& name) const {
  const int column = PQfnumber(result_.get(), name.c_str());
  if (column < 0) throw std::runtime_error("no column " + name);
  return value(row, column);
}

std::string PgResult::field(int code) const {
  const char* text = PQresultErrorField(result_.get(), code);
  return text ? text : "";
}

PgConnection::PgConnection(const std::string& conninfo)
    : connection_(PQconnectStart(conninfo.c_str()), &PQfinish),
      notices_(std::make_unique<std::vector<std::string>>()) {
  PQsetNoticeReceiver(raw(), collect_notice, notices_.get());
}

bool PgConnection::try_connect(std::chrono::milliseconds limit) {
  const Time end = from_now(limit);
  PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
  while (wanted == PGRES_POLLING_READING || wanted == PGRES_POLLING_WRITING) {
    if (PQstatus(raw()) == CONNECTION_BAD) return false;
    wait_io(wanted == PGRES_POLLING_WRITING, end);
    wanted = PQconnectPoll(raw());
  }
  return wanted == PGRES_POLLING_OK;
}

PgConnection PgConnection::open(const std::string& conninfo) {
  PgConnection connection(conninfo);
  if (!connection.try_connect()) throw std::runtime_error("cannot connect: " + connection.error());
  return connection;
}

std::string PgConnection::parameter(const std::string& name) const {
  const char* text = PQparameterStatus(raw(), name.c_str());
  return text ? text : "";
}

void PgConnection::wait_io(bool writing, Time end) const {
  // PQconsumeInput may leave a record in OpenSSL that the socket does not tell of any more.
  auto* const ssl = static_cast<SSL*>(PQsslStruct(raw(), "OpenSSL"));
  if (ssl != nullptr && SSL_pending(ssl) > 0) return;
  const auto events = static_cast<short>(POLLIN | (writing ? POLLOUT : 0));
  if (!poll_until(PQsocket(raw()), writing ? events : POLLIN, end)) {
    throw std::runtime_error("no answer in time");
  }
}

void PgConnection::flush_out(Time end) {
  for (;;) {
    const int left = PQflush(raw());
    if (left == 0) return;
    if (left < 0) throw std::runtime_error("cannot send: " + error());
    wait_io(true, end);
    PQconsumeInput(raw());
  }
}

PgResult PgConnection::exec(const std::string& sql) {
  if (!PQsendQuery(raw(), sql.c_str())) return PgResult(PQmakeEmptyPGresult(raw(), PGRES_FATAL_ERROR));
  return finish();
}

PgResult PgConnection::exec_params(const std::string& sql,
                                   const std::vector<std::optional<std::string>>& parameters) {
  std::vector<const char*> values;
  for (const auto& parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
  if (!PQsendQueryParams(raw(), sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                         nullptr, 0)) {
    return PgResult(PQmakeEmptyPGresult(raw(), PGRES_FATAL_ERROR));
  }
  return finish();
}

PgResult PgConnection::must(const std::string& sql) {
  PgResult result = exec(sql);
  if (!result.ok()) {
    const std::string why = result.message().empty() ? error() : result.message();
    throw std::runtime_error("failed: " + sql.substr(0, 200) + "\n" + why);
  }
  return result;
}

std::string PgConnection::value(const std::string& sql) { return must(sql).value(0, 0); }

std::string PgConnection::failure(const std::string& sql) {
  const PgResult result = exec(sql);
  if (result.ok()) throw std::runtime_error("did not fail: " + sql.substr(0, 200));
  return result.sqlstate();
}

void PgConnection::send(const std::string& sql) {
  if (!PQsendQuery(raw(), sql.c_str())) throw std::runtime_error("cannot send: " + error());
  flush_out(from_now(patience));
}

PgResult PgConnection::next(std::chrono::milliseconds limit) {
  const Time end = from_now(limit);
  while (PQisBusy(raw())) {
    const int left = PQflush(raw());
    wait_io(left == 1, end);
    if (!PQconsumeInput(raw())) break;  // PQgetResult says what happened
  }
  return PgResult(PQgetResult(raw()));
}

PgResult PgConnection::finish(std::chrono::milliseconds limit) {
  PgResult kept(nullptr);
  for (PgResult result = next(limit); result; result = next(limit)) {
    if (!kept || kept.ok()) kept = std::move(result);
    const ExecStatusType status = kept.status();
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) break;
  }
  return kept;
}

bool PgConnection::answered() {
  PQconsumeInput(raw());
  return !PQisBusy(raw());
}

void PgConnection::cancel() {
  const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> request(PQgetCancel(raw()), &PQfreeCancel);
  std::array<char, 256> why{};
  if (!PQcancel(request.get(), why.data(), static_cast<int>(why.size()))) {
    throw std::runtime_error("cancel: " + std::string(why.data()));
  }
}

void PgConnection::vanish() { shutdown(PQsocket(raw()), SHUT_RDWR); }

void PgConnection::copy_in(const std::string& data) {
  if (PQputCopyData(raw(), data.data(), static_cast<int>(data.size())) != 1) {
    throw std::runtime_error("cannot send copy data: " + error());
  }
}

void PgConnection::copy_end(const char* failure) {
  if (PQputCopyEnd(raw(), failure) != 1) throw std::runtime_error("cannot end copy: " + error());
}

std::optional<std::string> PgConnection::copy_row() {
  const Time end = from_now(patience);
  for (;;) {
    char* row = nullptr;
    const int size = PQgetCopyData(raw(), &row, 1);
    if (size > 0) {
      std::string text(row, static_cast<std::size_t>(size));
      PQfreemem(row);
      return text;
    }
    if (size < 0) return std::nullopt;
    wait_io(false, end);
    PQconsumeInput(raw());
  }
}

}  // namespace pgweir
