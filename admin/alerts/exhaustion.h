#pragma once
// A pool on its way to timeouts: it is full and the head of its queue gets older. The speed at which it ages
// (1 s/s when nobody is served any more, less while the queue moves) says when the first request times out.

#include <deque>
#include <optional>
#include <string>

#include "admin/alerts/alert.h"
#include "pool/time.h"

namespace pgweir {

// A pool at one moment.
struct PoolState {
  int size = 0, in_use = 0, waiting = 0;
  Duration oldest_wait{};
  Duration timeout{};  // query_wait_timeout; 0: none
};

class QueueTrend {
 public:
  // About once a second.
  void add(const PoolState& state, Instant now);
  // Seconds by which the head of the queue ages in a second, over the last samples; nothing while it is
  // not known.
  std::optional<double> ageing() const;
  Instant full_since() const { return full_since_; }  // `never`: nobody waits

 private:
  static constexpr Duration window = std::chrono::seconds(15);
  static constexpr Duration least = std::chrono::seconds(3);
  struct Sample {
    Instant at;
    Duration oldest_wait;
  };
  std::deque<Sample> samples_;  // while somebody waits
  Instant full_since_ = never;
};

// `horizon`: how long before the first timeout it is an alert. Without a timeout it is one when the oldest
// request has waited for that long.
std::optional<AlertFinding> judge_exhaustion(const QueueTrend& trend, const std::string& pool,
                                             const PoolState& state, Duration horizon, Instant now,
                                             Duration wall_offset);

}  // namespace pgweir
