#include "pool/level_series.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "pool/windows.h"

namespace pgweir {

namespace {

constexpr std::uint32_t coarser = 4;
// Beyond, which is more than an hour, a series says nothing.
constexpr std::int64_t longest_us = std::int64_t{1} << 31;
constexpr std::int64_t never_us = std::numeric_limits<std::int64_t>::max();

// The first point of the grid at or after `us`.
std::uint32_t on_grid(std::int64_t us, std::uint32_t grid) {
  const auto clamped = static_cast<std::uint32_t>(std::clamp<std::int64_t>(us, 0, longest_us));
  return (clamped + grid - 1) / grid * grid;
}

void put(std::vector<LevelSeries::Step>& steps, std::uint32_t at_us, int level, int arrivals) {
  if (!steps.empty() && steps.back().at_us == at_us) {
    steps.back().level = narrow(level);
    steps.back().arrivals = narrow(steps.back().arrivals + arrivals);
  } else {
    steps.push_back({at_us, narrow(level), narrow(arrivals)});
  }
}

void coarsen(LevelSeries& series, std::size_t wanted) {
  while (series.steps.size() > wanted && series.grid_us < longest_us / coarser) {
    series.grid_us *= coarser;
    std::vector<LevelSeries::Step> fewer;
    fewer.reserve(series.steps.size());
    for (const LevelSeries::Step& it : series.steps)
      put(fewer, on_grid(it.at_us, series.grid_us), it.level, it.arrivals);
    series.steps = std::move(fewer);
  }
}

}  // namespace

void LevelRecorder::begin(int level, Instant now) {
  series_ = LevelSeries{};
  series_.start = std::chrono::floor<std::chrono::microseconds>(now);
  series_.first = narrow(level);
}

void LevelRecorder::change(int level, Instant now, int arrivals) {
  if (arrivals == 0 && narrow(level) == series_.last()) return;
  put(series_.steps, on_grid(micros(now - series_.start), series_.grid_us), level, arrivals);
  if (series_.steps.size() >= LevelSeries::most_steps) coarsen(series_, LevelSeries::most_steps / 16 * 15);
}

LevelSeries LevelRecorder::take(Instant now) {
  series_.length = std::max(now - series_.start, Duration::zero());
  series_.steps.shrink_to_fit();
  LevelSeries done = std::move(series_);
  begin(done.last(), now);
  return done;
}

LevelSeries LevelRecorder::so_far(Instant now) const {
  LevelSeries copy = series_;
  copy.length = std::max(now - copy.start, Duration::zero());
  return copy;
}

LevelSeries sum(const LevelSeries& a, const LevelSeries& b) {
  LevelSeries all;
  all.start = std::min(a.start, b.start);
  all.length = std::max(a.start + a.length, b.start + b.length) - all.start;
  all.grid_us = std::max(a.grid_us, b.grid_us);
  all.first = narrow(a.first + b.first);
  all.steps.reserve(a.steps.size() + b.steps.size());
  const auto later = [&](const LevelSeries& it) { return micros(it.start - all.start); };
  const std::int64_t later_a = later(a), later_b = later(b);
  int level_a = a.first, level_b = b.first;
  for (std::size_t i = 0, k = 0; i < a.steps.size() || k < b.steps.size();) {
    const std::int64_t at_a = i < a.steps.size() ? a.steps[i].at_us + later_a : never_us;
    const std::int64_t at_b = k < b.steps.size() ? b.steps[k].at_us + later_b : never_us;
    const LevelSeries::Step& next = at_a <= at_b ? a.steps[i++] : b.steps[k++];
    (at_a <= at_b ? level_a : level_b) = next.level;
    put(all.steps, on_grid(std::min(at_a, at_b), 1), level_a + level_b, next.arrivals);
  }
  coarsen(all, LevelSeries::most_steps);
  return all;
}

LevelTimes times_of(const LevelSeries& series) {
  LevelTimes times;
  Duration from{};
  int level = series.first;
  for (const LevelSeries::Step& it : series.steps) {
    const Duration to = std::min<Duration>(std::chrono::microseconds(it.at_us), series.length);
    times.add_time(level, to - from);
    from = to;
    level = it.level;
  }
  times.add_time(level, series.length - from);
  return times;
}

Duration pauses_of(const LevelSeries& series, Duration shortest) {
  Duration pauses{}, from{};
  int level = series.first;
  const auto pass = [&](Duration to) {
    if (level == 0 && to - from >= shortest) pauses += to - from;
  };
  for (const LevelSeries::Step& it : series.steps) {
    if (it.level == level && it.arrivals == 0) continue;
    const Duration to = std::min<Duration>(std::chrono::microseconds(it.at_us), series.length);
    pass(to);
    from = to;
    level = it.level;
  }
  pass(series.length);
  return pauses;
}

ArrivalTrend trend_of(const LevelSeries& series) {
  ArrivalTrend trend;
  Duration from{};
  int level = series.first;
  for (const LevelSeries::Step& it : series.steps) {
    const Duration to = std::min<Duration>(std::chrono::microseconds(it.at_us), series.length);
    trend.add_time(level, to - from);
    // Those that came together met one another.
    for (int i = 0; i < it.arrivals; ++i) trend.add_arrival(level + i);
    from = to;
    level = it.level;
  }
  trend.add_time(level, series.length - from);
  return trend;
}

}  // namespace pgweir
