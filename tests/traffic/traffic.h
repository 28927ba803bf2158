#pragma once
// What all clients of the traffic share. Everything here may be used by any thread.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/postgres.h"

namespace pgweir {

class Traffic {
 public:
  struct Counts {
    std::atomic<std::uint64_t> queries{0};      // statements that were answered
    std::atomic<std::uint64_t> replies{0};      // messages that were compared
    std::atomic<std::uint64_t> connections{0};  // of clients
    std::atomic<std::uint64_t> vanished{0};     // clients that left in the middle
    std::atomic<std::uint64_t> cancels{0};      // statements that were cancelled
    std::atomic<std::uint64_t> killed{0};       // servers
    std::atomic<std::uint64_t> lost{0};         // clients that lost their server, and were told so
  };

  // One server is killed for every `kill_every` queries; 0: none.
  Traffic(const Postgres& postgres, int port, std::uint64_t queries, std::uint64_t kill_every);

  int port() const { return port_; }
  Counts& counts() { return counts_; }
  // All queries have been run, or something went wrong.
  bool over() const { return failed_ || counts_.queries >= limit_; }
  void answered_query();

  // The first is kept.
  void fail(const std::string& why);
  bool failed() const { return failed_; }
  std::string failure() const;

  // Rows of the table traffic_rows: one that may have been committed, and one of which that is known.
  void sent_row(const std::string& row);
  void acknowledged_row(const std::string& row);
  // Compares the table with these; what is wrong, or nothing.
  std::string check_rows();

 private:
  void kill_a_server();

  const Postgres& postgres_;
  const int port_;
  const std::uint64_t limit_, kill_every_;
  Counts counts_;
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  std::string failure_;
  std::set<std::string> sent_, acknowledged_;
  std::mutex killing_;
  PgConnection killer_;
};

}  // namespace pgweir
