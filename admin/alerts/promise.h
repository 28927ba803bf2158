#pragma once
// How fast a pool uses up what its promise leaves: 99 of 100 transactions get a server within a given time.
// A burn of 1 uses exactly that 1 %. Judged over two windows at once, as in Google's SRE Workbook (chapter
// "Alerting on SLOs"): the long one says that it matters, the short one that it still goes on; the fastest
// pair is our own, since an exhausted pool is acute.

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "admin/alerts/alert.h"
#include "pool/pulse.h"
#include "pool/time.h"

namespace pgweir {

struct PromiseCount {
  std::uint64_t all = 0, broken = 0;
  double share() const { return all == 0 ? 0 : static_cast<double>(broken) / static_cast<double>(all); }
};

struct BurnWindow {
  Duration length{}, recent{};
  double burn = 0;
  AlertSeverity severity{};
};

inline constexpr double promised_misses = 0.01;
inline constexpr std::array burn_windows{
    BurnWindow{std::chrono::minutes(2), std::chrono::seconds(15), 50, AlertSeverity::critical},
    BurnWindow{std::chrono::hours(1), std::chrono::minutes(5), 14, AlertSeverity::critical},
    BurnWindow{std::chrono::hours(6), std::chrono::minutes(30), 6, AlertSeverity::warning},
    BurnWindow{std::chrono::hours(72), std::chrono::hours(2), 1, AlertSeverity::notice},
};

// The counts of the last three days: seconds, then minutes, then ten minutes. About 17 KB at the most.
class PromiseHistory {
 public:
  // About once a second. A pulse with smaller sums, or counted against another target, begins anew.
  void add(const PoolPulse& pulse, Instant now);
  // Counts of the last `span`, to the granularity of the ring that holds it.
  PromiseCount last(Duration span, Instant now) const;
  Instant since() const { return since_; }  // of the first count; `never`: there is none

 private:
  struct Ring {
    Duration step{};
    std::size_t most = 0;
    struct Slot {
      Instant start{};
      PromiseCount count;
    };
    std::deque<Slot> slots{};
    void add(const PromiseCount& count, Instant now);
  };
  std::array<Ring, 3> rings_{Ring{std::chrono::seconds(1), 300}, Ring{std::chrono::minutes(1), 360},
                             Ring{std::chrono::minutes(10), 432}};
  std::optional<PoolPulse> seen_;
  Instant since_ = never;
};

// Nothing while the promise is kept, and too little was seen (a quarter of the long window, 20 transactions,
// 5 of them late). `pool` is "database/user".
std::optional<AlertFinding> judge_promise(const PromiseHistory& history, const std::string& pool,
                                          const PoolPulse& pulse, Instant now);

}  // namespace pgweir
