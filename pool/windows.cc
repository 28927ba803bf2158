#include "pool/windows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "pool/time.h"

namespace pgweir {

namespace {

// What adds up both over time and over shards.
void add_counts(MinuteWindow& to, const MinuteWindow& from) {
  to.arrivals += from.arrivals;
  to.completions += from.completions;
  for (std::size_t i = 0; i < wait_reasons; ++i) {
    to.waits_by_reason[i].count += from.waits_by_reason[i].count;
    to.waits_by_reason[i].time = saturated_sum(to.waits_by_reason[i].time, from.waits_by_reason[i].time);
  }
  for (std::size_t i = 0; i < give_ups; ++i) to.gave_up[i] += from.gave_up[i];
  Histogram waits = to.waits.unpack();
  waits.add(from.waits);
  to.waits = waits.pack();
  to.virtual_final = to.virtual_final && from.virtual_final;
  to.executing = saturated_sum(to.executing, from.executing);
  to.idle_in_transaction = saturated_sum(to.idle_in_transaction, from.idle_in_transaction);
  to.holding_seconds += from.holding_seconds;
  to.holding_seconds_squared += from.holding_seconds_squared;
}

// Levels of two shards: the time in which both were idle stays idle, the rest is taken as independent.
LevelTimes combine_active(LevelTimes a, LevelTimes b, Duration common_idle) {
  a.remove_idle(common_idle);
  b.remove_idle(common_idle);
  LevelTimes sum = LevelTimes::combine(a, b);
  sum.add_time(0, common_idle);
  return sum;
}

}  // namespace

void ArrivalTrend::add_time(int level, Duration span) {
  const double seconds = in_seconds(span);
  time += seconds;
  level_time += level * seconds;
  level_squared_time += static_cast<double>(level) * level * seconds;
}

double ArrivalTrend::feedback(double clients) const {
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  if (time <= 0 || arrivals <= 0) return unknown;
  const double mean = mean_level();
  const double spread = level_squared_time - mean * level_time;
  if (spread < 1e-3 * time || clients <= mean) return unknown;
  const double slope = (arrival_levels - mean * arrivals) / spread;
  return slope * (clients - mean) / (arrivals / time);
}

std::uint64_t MinuteWindow::abandoned() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : gave_up) sum += count;
  return sum;
}

bool MinuteWindow::covers_virtual() const {
  const Duration enough = std::min<Duration>(active() / 2, std::chrono::seconds(10));
  return virtual_demand.total() - idle >= enough;
}

LevelTimes MinuteWindow::demand() const {
  LevelTimes times = covers_virtual() ? virtual_demand : held;
  times.remove_idle(idle);
  return times;
}

double MinuteWindow::offered_load() const { return demand().mean(); }

void append(MinuteWindow& window, const MinuteWindow& later) {
  add_counts(window, later);
  window.duration = saturated_sum(window.duration, later.duration);
  window.idle = saturated_sum(window.idle, later.idle);
  window.held.merge(later.held);
  window.virtual_demand.merge(later.virtual_demand);
  window.trend.time += later.trend.time;
  window.trend.level_time += later.trend.level_time;
  window.trend.level_squared_time += later.trend.level_squared_time;
  window.trend.arrivals += later.trend.arrivals;
  window.trend.arrival_levels += later.trend.arrival_levels;
  window.highest_open = std::max(window.highest_open, later.highest_open);
  window.highest_waiting = std::max(window.highest_waiting, later.highest_waiting);
  window.highest_needing = std::max(window.highest_needing, later.highest_needing);
  window.clients = std::max(window.clients, later.clients);
  window.pool_size = later.pool_size;
  window.shards = std::max(window.shards, later.shards);
  window.estimated = window.estimated || later.estimated;
  window.held_series.reset();
  window.demand_series.reset();
  window.needing_series.reset();
}

void combine(MinuteWindow& window, const MinuteWindow& other) {
  Duration common_idle = std::min(window.idle, other.idle);
  add_counts(window, other);
  if (window.needing_series && other.needing_series) {
    window.needing_series =
        std::make_shared<const LevelSeries>(sum(*window.needing_series, *other.needing_series));
    window.trend = trend_of(*window.needing_series);
    window.highest_needing = times_of(*window.needing_series).highest();
    common_idle = pauses_of(*window.needing_series, shortest_idle);
  } else {
    window.needing_series.reset();
    window.trend = ArrivalTrend{};
    window.highest_needing += other.highest_needing;
  }
  window.estimated = window.estimated || other.estimated;
  const auto put_together = [&](LevelTimes& levels, LevelSeriesRef& series, const LevelTimes& other_levels,
                                const LevelSeriesRef& other_series) {
    if (series && other_series) {
      series = std::make_shared<const LevelSeries>(sum(*series, *other_series));
      levels = times_of(*series);
    } else {
      series.reset();
      levels = combine_active(std::move(levels), other_levels, common_idle);
      window.estimated = true;
    }
  };
  put_together(window.held, window.held_series, other.held, other.held_series);
  put_together(window.virtual_demand, window.demand_series, other.virtual_demand, other.demand_series);
  window.start = std::min(window.start, other.start);
  window.duration = std::max(window.duration, other.duration);
  window.idle = common_idle;
  window.highest_open += other.highest_open;
  window.highest_waiting += other.highest_waiting;
  window.clients += other.clients;
  window.pool_size = std::max(window.pool_size, other.pool_size);
  window.shards += other.shards;
}

void Windows::push(WindowRef window) {
  if (windows_.size() == capacity) windows_.erase(windows_.begin());
  windows_.push_back(std::move(window));
  if (windows_.size() > with_series) {
    WindowRef& old = windows_[windows_.size() - 1 - with_series];
    if (old->held_series) old = without_series(old);
  }
}

void Windows::complete(const LevelTimes& virtual_demand, LevelSeriesRef series) {
  for (WindowRef& window : windows_) {
    if (window->virtual_final) continue;
    auto done = std::make_shared<MinuteWindow>(*window);
    done->virtual_demand = virtual_demand;
    done->demand_series = std::move(series);
    done->virtual_final = true;
    window = std::move(done);
    return;
  }
}

WindowRef without_series(const WindowRef& window) {
  auto bare = std::make_shared<MinuteWindow>(*window);
  bare->held_series.reset();
  bare->demand_series.reset();
  bare->needing_series.reset();
  return bare;
}

MinuteWindow sum(const std::vector<WindowRef>& windows, Instant from, Instant to) {
  MinuteWindow all;
  bool first = true;
  for (const WindowRef& window : windows) {
    if (window->start < from || window->start >= to) continue;
    if (std::exchange(first, false))
      all = *window;
    else
      append(all, *window);
  }
  return all;
}

WindowRef busiest(const std::vector<WindowRef>& windows) {
  WindowRef best;
  double load = -1;
  for (const WindowRef& window : windows) {
    const double offered = window->offered_load();
    if (offered <= load) continue;
    best = window;
    load = offered;
  }
  return best;
}

}  // namespace pgweir
