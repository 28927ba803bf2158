#pragma once
// A level over time, so that the levels of several workers can be added up moment by moment: what
// LevelTimes, which only says how long, cannot do. Values; the recorder belongs to one thread.
//
// Steps lie on a grid of the common clock, at first of a microsecond. When they become too many the grid gets
// four times as coarse, as often as it takes; then a step says how the level stood at a point of the grid, so
// that shares of the time stay true on average, whatever happens between two points.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "pool/levels.h"
#include "pool/time.h"

namespace pgweir {

// A level as it is stored: what is beyond counts as the highest.
constexpr std::uint16_t narrow(int level) {
  return static_cast<std::uint16_t>(std::clamp<int>(level, 0, std::numeric_limits<std::uint16_t>::max()));
}

struct ArrivalTrend;

struct LevelSeries {
  static constexpr std::size_t most_steps = std::size_t{1} << 16;  // 512 KiB

  struct Step {
    std::uint32_t at_us = 0;     // after the start, rounded down to the grid
    std::uint16_t level = 0;     // from there on
    std::uint16_t arrivals = 0;  // with this step
  };
  Instant start{};
  Duration length{};
  std::uint32_t grid_us = 1;
  int first = 0;            // level at the start
  std::vector<Step> steps;  // ascending

  int last() const { return steps.empty() ? first : steps.back().level; }
};
using LevelSeriesRef = std::shared_ptr<const LevelSeries>;

// Of two workers, for about the same time: where one has begun later, or ended earlier, its level is taken to
// have stood before and to stay after.
LevelSeries sum(const LevelSeries& a, const LevelSeries& b);
LevelTimes times_of(const LevelSeries& series);
// Stretches of level 0 that last `shortest` or longer, taken together.
Duration pauses_of(const LevelSeries& series, Duration shortest);
// The level is that of clients at the pool.
ArrivalTrend trend_of(const LevelSeries& series);

class LevelRecorder {
 public:
  // `level` stands at `now`.
  LevelRecorder(int level, Instant now) { begin(level, now); }
  // It is `level` from `now` on; `now` never goes back.
  void change(int level, Instant now, int arrivals = 0);
  // Up to now; a new one begins.
  LevelSeries take(Instant now);
  // The same, without an end to it.
  LevelSeries so_far(Instant now) const;

 private:
  void begin(int level, Instant now);

  LevelSeries series_;
};

}  // namespace pgweir
