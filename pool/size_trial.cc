#include "pool/size_trial.h"

#include <algorithm>

namespace pgweir {

void SizeTrial::look(bool full, int servers, Instant now) {
  measure(full, now);
  if (now < next_) return;
  if (running()) {
    most_busy_ = all;
    return plan(now);
  }
  // Of one server there is no half, and where nothing was looked at for long the moment is over.
  const Instant begun = next_;
  plan(now);
  if (!full || servers < 2 || now - begun >= length) return;
  if (done_ == 0 || now - first_ >= again) {
    first_ = now;
    done_ = 0;
  }
  ++done_;
  most_busy_ = (servers + 1) / 2;
  next_ = begun + length;
}

// How much of a window the pool was full, trials included.
void SizeTrial::measure(bool full, Instant now) {
  if (window_start_ == Instant{}) window_start_ = looked_ = now;
  if (was_full_) full_time_ += now - looked_;
  was_full_ = full || running();
  looked_ = now;
  if (now - window_start_ < window) return;
  often_full_ = 3 * full_time_ >= now - window_start_;
  full_time_ = {};
  window_start_ = now;
  if (!running()) plan(now);
}

// The next moment of the grid.
void SizeTrial::plan(Instant earliest) {
  if (done_ >= most_in_a_row) earliest = std::max(earliest, first_ + again);
  next_ = often_full_ ? Instant(earliest.time_since_epoch() / grid * grid + grid) : never;
}

}  // namespace pgweir
