#include "admin/trace_figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

#include "pool/time.h"

namespace pgweir {

namespace {

double mean_of(const std::vector<double>& times) {
  double total = 0, sum = 0;
  for (std::size_t n = 0; n < times.size(); ++n) {
    total += times[n];
    sum += times[n] * static_cast<double>(n);
  }
  return total > 0 ? sum / total : 0;
}

double variance_of(const std::vector<double>& times, double mean) {
  double total = 0, sum = 0;
  for (std::size_t n = 0; n < times.size(); ++n) {
    const double off = static_cast<double>(n) - mean;
    total += times[n];
    sum += times[n] * off * off;
  }
  return total > 0 ? sum / total : 0;
}

int quantile_of(const std::vector<double>& times, double q) {
  double total = 0, sum = 0;
  for (const double time : times) total += time;
  for (std::size_t n = 0; n < times.size(); ++n) {
    sum += times[n];
    if (sum >= q * total && total > 0) return static_cast<int>(n);
  }
  return 0;
}

double sorted_quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  const auto at =
      std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

// The regression of the arrival rate on the number at the pool.
void find_feedback(TraceFigures& figures, const TraceSegment& segment) {
  std::vector<std::pair<double, int>> events;
  for (const TraceRecord& it : segment.records) {
    events.emplace_back(it.arrival_us * microsecond, 1);
    if (!it.is(TraceRecord::waiting) && !it.is(TraceRecord::running))
      events.emplace_back(static_cast<double>(it.end_us()) * microsecond, -1);
  }
  std::sort(events.begin(), events.end());
  std::vector<double> times, arrivals;
  std::size_t level = 0;
  double last = 0;
  const auto pass = [&](double to) {
    if (times.size() <= level) {
      times.resize(level + 1);
      arrivals.resize(level + 1);
    }
    if (to > last) times[level] += to - last;
    last = std::max(last, to);
  };
  for (const auto& [at, change] : events) {
    if (at >= figures.length) break;
    pass(at);
    if (change > 0) {
      if (at >= 0) arrivals[level] += 1;
      ++level;
    } else if (level > 0) {
      --level;
    }
  }
  pass(figures.length);
  const double mean = figures.mean_in_system = mean_of(times);
  double total = 0, arrived = 0;
  for (std::size_t n = 0; n < times.size(); ++n) {
    total += times[n];
    arrived += arrivals[n];
  }
  const double rate = total > 0 ? arrived / total : 0;
  double square = 0, product = 0, noise = 0;
  for (std::size_t n = 0; n < times.size(); ++n) {
    const double off = static_cast<double>(n) - mean;
    square += times[n] * off * off;
    product += off * (arrivals[n] - rate * times[n]);
    noise += off * off * arrivals[n];
  }
  if (square <= 0 || rate <= 0) {
    figures.feedback = figures.feedback_error = std::numeric_limits<double>::quiet_NaN();
    return;
  }
  const double scale = std::max(1.0, static_cast<double>(figures.clients) - mean) / rate;
  figures.feedback = product / square * scale;
  figures.feedback_error = std::sqrt(noise) / square * scale;
}

void find_heaviest(TraceFigures& figures, const std::array<double, 256>& executing,
                   const std::array<std::uint64_t, 256>& counts, std::uint64_t served) {
  double total = 0;
  for (const double it : executing) total += it;
  const auto heaviest = std::max_element(executing.begin(), executing.end()) - executing.begin();
  figures.heaviest_class = static_cast<std::uint8_t>(heaviest);
  if (total <= 0 || served == 0) return;
  const auto at = static_cast<std::size_t>(heaviest);
  figures.heaviest_load_share = executing[at] / total;
  figures.heaviest_count_share = static_cast<double>(counts[at]) / static_cast<double>(served);
}

}  // namespace

std::vector<double> level_times(const std::vector<Interval>& intervals, double length) {
  std::vector<std::pair<double, int>> events;
  events.reserve(2 * intervals.size());
  for (const Interval& it : intervals) {
    const double from = std::clamp(it.from, 0.0, length), to = std::clamp(it.to, 0.0, length);
    if (to <= from) continue;
    events.emplace_back(from, 1);
    events.emplace_back(to, -1);
  }
  std::sort(events.begin(), events.end());
  std::vector<double> times(1);
  std::size_t level = 0;
  double last = 0;
  for (const auto& [at, change] : events) {
    times[level] += at - last;
    last = at;
    level = change > 0 ? level + 1 : level - 1;
    if (level >= times.size()) times.resize(level + 1);
  }
  times[level] += std::max(0.0, length - last);
  return times;
}

TraceFigures figures_of(const TraceSegment& segment) {
  TraceFigures figures;
  const double length = figures.length = in_seconds(segment.length);
  if (!(length > 0)) return figures;
  std::vector<Interval> held, demand;
  std::vector<double> waits, holdings;
  std::unordered_set<std::uint32_t> clients;
  std::array<double, 256> class_executing{};
  std::array<std::uint64_t, 256> class_counts{};
  double executing = 0, think = 0, other = 0, squares = 0, waiting = 0, opening = 0;
  double typical = 0;
  std::uint64_t served = 0, late = 0;
  for (const TraceRecord& it : segment.records) {
    if (!it.served()) continue;
    typical += static_cast<double>(it.held_us()) * microsecond;
    ++served;
  }
  if (served > 0) typical /= static_cast<double>(served);
  for (const TraceRecord& it : segment.records) {
    clients.insert(it.client);
    const double arrival = it.arrival_us * microsecond, wait = it.wait_us * microsecond;
    if (it.arrival_us >= 0) {
      ++figures.transactions;
      waits.push_back(wait);
      waiting += wait;
      if (it.is(TraceRecord::opening)) opening += wait;
      if (it.wait_us > 0) ++late;
    }
    if (it.is(TraceRecord::gave_up)) ++figures.gave_up;
    if (!it.served()) {
      demand.push_back({arrival, arrival + typical});
      continue;
    }
    const double holding = static_cast<double>(it.held_us()) * microsecond;
    held.push_back({arrival + wait, arrival + wait + holding});
    demand.push_back({arrival, arrival + holding});
    holdings.push_back(holding);
    squares += holding * holding;
    executing += it.executing_us * microsecond;
    think += it.think_us * microsecond;
    other += it.other_us() * microsecond;
    class_executing[it.statement_class] += it.executing_us * microsecond;
    ++class_counts[it.statement_class];
  }
  figures.clients = clients.size();
  figures.rate = static_cast<double>(figures.transactions) / length;
  if (!waits.empty()) figures.waited_share = static_cast<double>(late) / static_cast<double>(waits.size());
  figures.p99_wait = sorted_quantile(std::move(waits), 0.99);
  if (waiting > 0) figures.opening_share = opening / waiting;
  if (const double all = executing + think + other; all > 0) {
    figures.executing_share = executing / all;
    figures.think_share = think / all;
    figures.other_share = other / all;
  }
  find_heaviest(figures, class_executing, class_counts, served);

  const std::vector<double> held_times = level_times(held, length);
  figures.mean_held = mean_of(held_times);
  figures.p95_held = quantile_of(held_times, 0.95);
  figures.p99_held = quantile_of(held_times, 0.99);
  for (std::size_t n = 0; n < held_times.size(); ++n) {
    if (held_times[n] >= 1e-3 * length) figures.highest_held = static_cast<int>(n);
    if (segment.pool_size > 0 && n >= static_cast<std::size_t>(segment.pool_size))
      figures.full_share += held_times[n] / length;
  }

  const std::vector<double> demand_times = level_times(demand, length);
  figures.load = mean_of(demand_times);
  figures.offered.mean = figures.load;
  figures.offered.peakedness =
      figures.load > 0 ? std::max(0.3, variance_of(demand_times, figures.load) / figures.load) : 1;
  figures.offered.holding = typical;
  if (typical > 0)
    figures.offered.holding_spread =
        std::max(0.0, squares / static_cast<double>(served) / (typical * typical) - 1);

  const double slot = std::min(10.0, length);
  std::vector<double> loads(static_cast<std::size_t>(length / slot));
  for (const Interval& it : demand)
    for (std::size_t i = 0; i < loads.size(); ++i) {
      const double from = static_cast<double>(i) * slot;
      loads[i] += std::max(0.0, std::min(it.to, from + slot) - std::max(it.from, from)) / slot;
    }
  for (const double load : loads) figures.highest_10s_load = std::max(figures.highest_10s_load, load);

  std::sort(holdings.begin(), holdings.end(), std::greater<>());
  double sum = 0;
  for (const double holding : holdings) {
    if (sum >= typical * static_cast<double>(served) / 2) break;
    sum += holding;
    ++figures.slow_half;
  }
  find_feedback(figures, segment);
  return figures;
}

}  // namespace pgweir
