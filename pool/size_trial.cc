#include "pool/size_trial.h"

#include <algorithm>
#include <utility>

namespace pgweir {

void merge(TrialResult& result, const TrialResult& other) {
  for (const auto side : {&TrialResult::all, &TrialResult::some}) {
    (result.*side).servers += (other.*side).servers;
    (result.*side).time = std::max((result.*side).time, (other.*side).time);
    (result.*side).releases += (other.*side).releases;
  }
}

void SizeTrial::look(bool full, int servers, Instant now) {
  measure(full, now);
  if (now < next_) return;
  switch (phase_) {
    case Phase::none:
      begin(Phase::before, now);
      next_ = moment_;
      return;
    case Phase::before:
      all_before_ = {servers, now - phase_start_, releases_};
      // Of one server there is no half, and where nothing was looked at for long the moment is over.
      if (full && servers >= 2 && now - moment_ < length && all_before_.time > Duration::zero()) {
        hold(servers);
        begin(Phase::draining, now);
      } else {
        plan(now);
      }
      return;
    case Phase::draining:
    case Phase::holding:
      return end(now);
  }
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
  if (phase_ == Phase::none) plan(now);
}

// The next moment of the grid, with time before it to count in.
void SizeTrial::plan(Instant earliest) {
  phase_ = Phase::none;
  if (done_ >= most_in_a_row) earliest = std::max(earliest, first_ + again);
  moment_ = Instant((earliest + length).time_since_epoch() / grid * grid + grid);
  next_ = often_full_ ? moment_ - length : never;
}

void SizeTrial::begin(Phase phase, Instant now) {
  phase_ = phase;
  phase_start_ = now;
  releases_ = 0;
}

void SizeTrial::hold(int servers) {
  if (done_ == 0 || moment_ - first_ >= again) {
    first_ = moment_;
    done_ = 0;
  }
  ++done_;
  most_busy_ = (servers + 1) / 2;
  next_ = moment_ + length;
}

// It counts if there was a time when as many were held back as should be.
void SizeTrial::end(Instant now) {
  const auto add = [](TrialResult::Side& sum, const TrialResult::Side& side) {
    sum.servers = side.servers;
    sum.time += side.time;
    sum.releases += side.releases;
  };
  const int some = std::exchange(most_busy_, all);
  if (phase_ == Phase::holding) {
    add(result_.all, all_before_);
    add(result_.some, {some, now - phase_start_, releases_});
  }
  plan(now);
}

}  // namespace pgweir
