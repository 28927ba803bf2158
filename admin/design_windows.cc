#include "admin/design_windows.h"

#include <algorithm>
#include <utility>

#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {

namespace {

bool is_enough(const MinuteWindow& window) {
  return window.completions >= enough_transactions && window.active() >= shortest_load;
}

OfferedLoad offered_by(const MinuteWindow& window, double headroom) {
  const LevelTimes demand = window.demand();
  const double mean = demand.mean();
  const auto n = static_cast<double>(window.completions);
  OfferedLoad load;
  load.mean = mean * (1 + headroom);
  load.peakedness = mean > 0 ? demand.variance() / mean : 1;
  load.holding = n > 0 ? window.holding_seconds / n : 0;
  if (load.holding > 0) {
    const double square = window.holding_seconds_squared / n;
    load.holding_spread = std::max(0.0, square / (load.holding * load.holding) - 1);
  }
  return load;
}

DesignWindow weigh(const MinuteWindow& window, std::string name, const AdviceInput& input) {
  DesignWindow it;
  it.window = window;
  it.name = std::move(name);
  it.load = window.offered_load();
  it.offered = offered_by(window, input.headroom);
  it.p99_wait = window.waits.unpack().quantile(0.99);
  it.size = smallest_size(it.offered, in_seconds(input.target_wait));
  return it;
}

}  // namespace

std::vector<DesignWindow> design_windows(const PoolMeasure& measure, const AdviceInput& input) {
  std::vector<DesignWindow> all;
  const auto add = [&](const MinuteWindow& window, bool closed) {
    if (!is_enough(window)) return;
    std::string name =
        closed && window.active() >= std::chrono::seconds(55) && window.duration < std::chrono::seconds(90)
            ? "minute"
            : duration_text(window.active()) + " of load";
    all.push_back(
        weigh(window, name + " (" + moment_text(window.start, measure.now, input.wall_offset) + ")", input));
  };
  for (const WindowRef& window : measure.windows) add(*window, true);
  add(measure.current, false);
  if (all.empty()) {
    MinuteWindow together = measure.current;
    if (!measure.windows.empty()) {
      together = sum(measure.windows, measure.windows.front()->start, Instant::max());
      append(together, measure.current);
    }
    if (is_enough(together))
      all.push_back(weigh(together, duration_text(together.active()) + " of load in all", input));
    return all;
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.load > b.load; });
  if (all.size() <= 4) return all;
  const auto worst = std::max_element(all.begin() + 3, all.end(),
                                      [](const auto& a, const auto& b) { return a.p99_wait < b.p99_wait; });
  std::swap(all[3], *worst);
  all.resize(4);
  return all;
}

}  // namespace pgweir
