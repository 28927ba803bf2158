#include "tests/traffic/traffic.h"

namespace pgweir {

Traffic::Traffic(const Postgres& postgres, int port, std::uint64_t queries, std::uint64_t kill_every)
    : postgres_(postgres),
      port_(port),
      limit_(queries),
      kill_every_(kill_every),
      killer_(postgres.connect("application_name=killer")) {
  killer_.must("create table traffic_rows (who text)");
}

void Traffic::answered_query() {
  const std::uint64_t number = ++counts_.queries;
  if (kill_every_ != 0 && number % kill_every_ == 0) kill_a_server();
}

// One that has served a client already; pgweir sets the name when it does.
void Traffic::kill_a_server() {
  const std::lock_guard lock(killing_);
  const PgResult victim = killer_.must(
      "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend'"
      " and application_name like 'c%' order by random() limit 1");
  if (victim.rows() == 1 && victim.value(0, 0) == "t") ++counts_.killed;
}

void Traffic::fail(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (!failed_) failure_ = why;
  failed_ = true;
}

std::string Traffic::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Traffic::sent_row(const std::string& row) {
  const std::lock_guard lock(mutex_);
  sent_.insert(row);
}

void Traffic::acknowledged_row(const std::string& row) {
  const std::lock_guard lock(mutex_);
  acknowledged_.insert(row);
}

std::string Traffic::check_rows() {
  PgConnection connection = postgres_.connect("application_name=checker");
  const PgResult rows = connection.must("select who from traffic_rows");
  std::set<std::string> present;
  for (int i = 0; i < rows.rows(); ++i) {
    const std::string row = rows.value(i, 0);
    if (!sent_.contains(row)) return "a row that nobody was to write: " + row;
    if (!present.insert(row).second) return "a row was written twice: " + row;
  }
  for (const std::string& row : acknowledged_) {
    if (!present.contains(row)) return "a row is missing that was committed: " + row;
  }
  return {};
}

}  // namespace pgweir
