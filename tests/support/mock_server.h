#pragma once
// A scripted PostgreSQL: the wire protocol, and statements that take the time that a script says, however
// many run at once. Nothing is computed, so its knee is known by construction. It measures itself what it
// did, to compare with what a proxy before it says. One thread of its own; all functions may be called from
// any thread.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "tests/support/busy_times.h"
#include "tests/support/mock_session.h"

namespace pgweir {

// The speed of one statement while so many execute; 1: as if it were alone.
using MockRate = std::function<double(int executing)>;
MockRate unlimited();
// That many cores share the work: 1 up to them, then their number over n.
MockRate cores(int count);
// Universal scalability law: 1 / (1 + contention (n - 1) + coherency n (n - 1)).
MockRate slowdown(double contention, double coherency);

// Scripts. The random ones are drawn from a seed.
MockScript fixed_work(std::chrono::nanoseconds each);
MockScript exponential_work(std::chrono::nanoseconds mean, std::uint64_t seed);
// `share` of the statements takes `slow`, the others `fast`.
MockScript bimodal_work(std::chrono::nanoseconds fast, std::chrono::nanoseconds slow, double share,
                        std::uint64_t seed);
// What the statement itself asks for: `work N`, microseconds; `fail SQLSTATE`; `die`. Nothing: at once.
MockScript work_in_text();

class MockServer {
 public:
  explicit MockServer(MockScript script, MockRate rate = unlimited());
  ~MockServer();
  MockServer(const MockServer&) = delete;
  MockServer& operator=(const MockServer&) = delete;

  int port() const { return port_; }
  // When each statement with work executed: from when it was read until just before it was answered.
  BusyTimes executed() const;
  int logins() const { return logins_; }    // so far
  int cancels() const { return cancels_; }  // that named a session, so far
  int open() const { return open_; }        // logged in now
  // Closes all connections without a word, as a server that crashes does; new ones are taken again.
  void drop_all();

 private:
  struct Link;
  void run();
  void accept_new();
  void on_readable(Link& link);
  void note_state(Link& link);
  void settle(Link& link);
  void advance();
  std::chrono::nanoseconds until_next() const;

  const MockScript script_;
  const MockRate rate_;
  int listener_ = -1, wake_ = -1, port_ = 0;
  std::map<int, std::unique_ptr<Link>> links_;  // by descriptor
  int executing_ = 0;
  std::chrono::steady_clock::time_point advanced_{};
  std::uint32_t next_pid_ = 1;
  std::atomic<int> logins_ = 0, cancels_ = 0, open_ = 0;
  std::atomic<bool> stopping_ = false, dropping_ = false;
  mutable std::mutex mutex_;
  BusyTimes executed_;
  std::thread thread_;
};

}  // namespace pgweir
