#pragma once
// When a pool tries to do with fewer servers, to learn whether all of them are needed.
//
// A pool that is nearly always full shows one level of concurrency, and nobody can tell from it whether more
// servers would help or whether fewer would do: with clients that wait for their answers the throughput is
// that of the server at this level, whatever it could be at another one; and by chance alone the level is
// lower just when much got done. So a pool that is full for much of the time holds half of its servers back
// for a moment, a few times. What gets done meanwhile is measured like everything (SpeedEvidence of
// pool/profile.h): fewer connections cannot overload a server, and whoever waits is served in his turn.
//
// The moments lie on a grid of the common clock, so that all workers of a pool try at once. What gets done in
// the time right before is what all servers get done. Pure; owned by a Shard, one thread.

#include <chrono>
#include <cstdint>
#include <limits>

#include "pool/time.h"

namespace pgweir {

// What the trials of a pool of the present size have shown.
struct TrialResult {
  struct Side {
    int servers = 0;
    Duration time{};
    std::uint64_t releases = 0;  // of servers by clients: transactions, in transaction mode
    double per_second() const { return static_cast<double>(releases) / in_seconds(time); }
  };
  Side all, some;  // in the times right before, and when some were held back

  bool any() const { return some.time > Duration::zero() && all.time > Duration::zero(); }
};
// Adds another shard of the same pool, which tried at the same moments.
void merge(TrialResult& result, const TrialResult& other);

class SizeTrial {
 public:
  // Full for a third of this is much. What is full for shorter is a spike, which is to be got over, and a
  // pool of the right size is full for a few percent.
  static constexpr Duration window = std::chrono::seconds(20);
  static constexpr Duration grid = std::chrono::seconds(4);
  static constexpr Duration length = std::chrono::milliseconds(500);
  // Ten of them in 40 seconds cost at most 6 % of the throughput then, and 0.07 % of that of a day.
  static constexpr int most_in_a_row = 10;
  static constexpr Duration again = std::chrono::hours(1);
  static constexpr int all = std::numeric_limits<int>::max();

  // To be told at least when next() is due, and soon after `full` changes: no server is idle. `servers`: busy
  // or idle now.
  void look(bool full, int servers, Instant now);
  // The pool has another size, or none of this is wanted any more.
  void reset() { *this = {}; }
  // A client is done with a server; `busy` are left.
  void released(int busy, Instant now) {
    if (phase_ == Phase::draining && busy <= most_busy_) {
      begin(Phase::holding, now);
    } else if (phase_ != Phase::none) {
      ++releases_;
    }
  }

  // How many servers may be busy now.
  int most_busy() const { return most_busy_; }
  bool running() const { return most_busy_ != all; }
  Instant next() const { return next_; }
  const TrialResult& result() const { return result_; }

 private:
  enum class Phase : std::uint8_t {
    none,
    before,    // all servers are counted
    draining,  // more are busy than may be
    holding,
  };

  void measure(bool full, Instant now);
  void plan(Instant earliest);
  void begin(Phase phase, Instant now);
  void hold(int servers);
  void end(Instant now);

  Phase phase_ = Phase::none;
  Instant phase_start_{};
  std::uint64_t releases_ = 0;    // in this phase
  TrialResult::Side all_before_;  // of the trial that runs
  TrialResult result_;
  int most_busy_ = all;
  bool was_full_ = false;
  bool often_full_ = false;  // in the window before
  Instant looked_{}, window_start_{};
  Duration full_time_{};
  int done_ = 0;            // trials in a row
  Instant first_{};         // of these
  Instant moment_ = never;  // of the next one
  Instant next_ = never;    // when a phase begins or ends
};

}  // namespace pgweir
