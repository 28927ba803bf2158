#include "pool/size_trial.h"

#include <algorithm>

namespace pgweir {

void SizeTrial::look(bool full, int servers, Instant now) {
  if (!full) {
    most_busy_ = all;
    full_since_ = next_ = never;
    return;
  }
  if (full_since_ == never) {
    full_since_ = now;
    plan(now + full_before);
  }
  if (now < next_) return;
  if (running()) {
    most_busy_ = all;
    plan(now);
    return;
  }
  // Of one server there is no half, and where nothing was looked at for long the moment is over.
  const Instant begun = next_;
  plan(now);
  if (servers < 2 || now - begun >= length) return;
  if (done_ == 0 || now - first_ >= again) {
    first_ = now;
    done_ = 0;
  }
  ++done_;
  most_busy_ = (servers + 1) / 2;
  next_ = begun + length;
}

// The next moment of the grid.
void SizeTrial::plan(Instant earliest) {
  if (done_ >= most_in_a_row) earliest = std::max(earliest, first_ + again);
  next_ = Instant(earliest.time_since_epoch() / grid * grid + grid);
}

}  // namespace pgweir
