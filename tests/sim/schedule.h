#pragma once
// Simulated time: a heap of events, the trace of what happened, and the verdict of the run.
//
// Events that are due at the same instant run in an order that the seed picks. Time stands still while an
// event runs, and idle time is jumped over. Nothing here asks what time it really is.

#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "pool/time.h"
#include "tests/sim/seeded_random.h"

namespace pgweir::sim {

class Schedule {
 public:
  using Task = std::function<void()>;

  Schedule(std::uint64_t seed, bool verbose);

  Instant now() const { return now_; }
  void at(Instant when, Task task);
  void after(Duration delay, Task task) { at(now_ + delay, std::move(task)); }
  // Runs the next event; false when there is none.
  bool run_one();

  SeededRandom& random() { return random_; }

  // Notes what happens: the last notes are printed with a failure, and their hash tells runs apart.
  [[gnu::format(printf, 2, 3)]] void trace(const char* format, ...);
  // Ends the run. Only the first reason counts.
  void fail(const std::string& reason);
  bool failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }
  std::uint64_t hash() const { return hash_; }
  std::uint64_t events() const { return events_; }
  void print_trace(std::FILE* out) const;

 private:
  struct Event {
    Instant when;
    std::uint64_t order;  // drawn: decides among events of one instant
    std::uint64_t sequence;
    Task task;
  };
  static bool later(const Event& a, const Event& b);

  static constexpr std::size_t trace_length = 200;

  Instant now_;
  SeededRandom random_;
  std::vector<Event> heap_;
  std::uint64_t sequence_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t hash_ = 0xcbf29ce484222325;
  std::array<std::string, trace_length> trace_;
  std::uint64_t traced_ = 0;
  std::string failure_;
  bool verbose_;
};

}  // namespace pgweir::sim
