#pragma once
// How many connections to a server may be attempted at once, and when again after a failure.
//
// A healthy server is met with attempts in parallel: their number doubles with each success, so that a pool
// grows quickly under a spike. A server that refuses is met with one attempt at a time, at growing distances
// up to `longest` (server_login_retry), so that it is not stormed while it recovers.

#include <algorithm>

#include "pool/time.h"

namespace pgweir {

class DialPolicy {
 public:
  static constexpr int first_parallel = 4;
  static constexpr int most_parallel = 32;
  static constexpr Duration first_pause = std::chrono::milliseconds(50);

  // How many attempts may be under way at `now`.
  int allowed(Instant now) const { return now < again_ ? 0 : parallel_; }
  Instant again() const { return again_; }
  // Since when every attempt has failed; `never` while the last one succeeded.
  Instant failing_since() const { return failing_since_; }

  void succeeded() {
    parallel_ = std::min(parallel_ == 1 ? first_parallel : parallel_ * 2, most_parallel);
    pause_ = first_pause;
    again_ = Instant{};
    failing_since_ = never;
  }
  void failed(Instant now, Duration longest) {
    parallel_ = 1;
    // Attempts that were under way together fail together: that is one failure.
    if (now < again_) return;
    again_ = now + pause_;
    pause_ = std::min(pause_ * 2, std::max(longest, first_pause));
    if (failing_since_ == never) failing_since_ = now;
  }

 private:
  int parallel_ = first_parallel;
  Duration pause_ = first_pause;
  Instant again_{};
  Instant failing_since_ = never;
};

}  // namespace pgweir
