#include "pool/pool_history.h"

#include <algorithm>
#include <memory>

namespace pgweir {

namespace {

using std::chrono::minutes;

// Parts of one minute begin some milliseconds apart, and after a restart the clock may have been set: its
// middle says which minute a window is.
std::int64_t minute_of(const MinuteWindow& window) {
  return std::chrono::floor<minutes>((window.start + window.duration / 2).time_since_epoch()).count();
}

// Side by side, not one after the other.
bool overlap(const MinuteWindow& a, const MinuteWindow& b) {
  const Instant from = std::max(a.start, b.start);
  const Instant to = std::min(a.start + a.duration, b.start + b.duration);
  return to - from > std::min(a.duration, b.duration) / 2;
}

Duration p99_wait(const WindowRef& window) {
  return window ? window->waits.unpack().quantile(0.99) : Duration(-1);
}

// Put together from what several workers saw, by a PoolHistory.
bool is_whole(const MinuteWindow& window) { return window.shards > 1 && !window.estimated; }

Period period_of(const WindowRef& minute) { return {*minute, minute, minute, false}; }

void extend(Period& period, const Period& more) {
  append(period.sum, more.sum);
  const auto load = [](const WindowRef& window) { return window ? window->offered_load() : -1.0; };
  if (load(more.busiest) > load(period.busiest)) period.busiest = more.busiest;
  if (p99_wait(more.worst) > p99_wait(period.worst)) period.worst = more.worst;
  period.gap = period.gap || more.gap;
}

}  // namespace

Duration length_of(Tier tier) {
  switch (tier) {
    case Tier::ten_minutes:
      return minutes(10);
    case Tier::hours:
      return std::chrono::hours(1);
    case Tier::days:
      return std::chrono::hours(24);
  }
  return {};
}

std::size_t capacity_of(Tier tier) {
  switch (tier) {
    case Tier::ten_minutes:
      return 432;
    case Tier::hours:
      return 720;
    case Tier::days:
      return 400;
  }
  return 0;
}

void RunTimes::add(Instant start, Instant until) {
  const auto at = std::lower_bound(runs_.begin(), runs_.end(), start,
                                   [](const auto& run, Instant value) { return run.first < value; });
  if (at != runs_.end() && at->first == start) {
    at->second = std::max(at->second, until);
    return;
  }
  runs_.insert(at, {start, std::max(start, until)});
  if (runs_.size() > capacity) runs_.erase(runs_.begin());
}

bool RunTimes::covers(Instant from, Instant to) const {
  return std::any_of(runs_.begin(), runs_.end(),
                     [&](const auto& run) { return run.first <= from && run.second >= to; });
}

std::int64_t PoolHistory::place(Instant at, Tier tier) const {
  const Duration wall = at.time_since_epoch() + wall_offset_;
  const Duration length = length_of(tier);
  std::int64_t place = wall / length;
  if (wall % length < Duration::zero()) --place;
  return place;
}

void PoolHistory::add(const WindowRef& part) {
  const std::int64_t minute = minute_of(*part);
  const auto at = std::lower_bound(
      minutes_.begin(), minutes_.end(), minute,
      [](const WindowRef& window, std::int64_t value) { return minute_of(*window) < value; });
  if (at == minutes_.end() || minute_of(**at) != minute) {
    minutes_.insert(at, part);
    if (minutes_.size() > most_minutes) minutes_.erase(minutes_.begin());
    return;
  }
  if (is_whole(*part) && part->shards >= (*at)->shards) {
    *at = part;
    return;
  }
  auto both = std::make_shared<MinuteWindow>(**at);
  if (overlap(*both, *part)) {
    combine(*both, *part);
  } else {
    append(*both, *part);
    both->start = std::min(both->start, part->start);
  }
  *at = std::move(both);
  // What was put together may have another middle.
  std::sort(minutes_.begin(), minutes_.end(),
            [](const WindowRef& a, const WindowRef& b) { return minute_of(*a) < minute_of(*b); });
}

std::vector<WindowRef> PoolHistory::take_whole(Instant now) {
  std::vector<WindowRef> whole;
  for (WindowRef& minute : minutes_) {
    if (!minute->held_series || minute->start + minute->duration + lateness > now) continue;
    minute = without_series(minute);
    if (is_whole(*minute)) whole.push_back(minute);
  }
  return whole;
}

void PoolHistory::push(Tier tier, PeriodRef period) {
  std::vector<PeriodRef>& all = of(tier);
  all.push_back(std::move(period));
  if (all.size() > capacity_of(tier)) all.erase(all.begin());
}

void PoolHistory::restore(Tier tier, PeriodRef period) {
  const std::vector<PeriodRef>& all = of(tier);
  if (!all.empty() && place(all.back()->sum.start, tier) >= place(period->sum.start, tier)) return;
  push(tier, std::move(period));
}

// Puts together the parts of every period of `tier` that is over.
template <class Part, class Start, class AsPeriod>
void PoolHistory::close_parts(Tier tier, const std::vector<Part>& parts, Start start_of, AsPeriod as_period,
                              Instant now, const RunTimes& runs,
                              std::vector<std::pair<Tier, PeriodRef>>& closed) {
  for (std::size_t i = 0; i < parts.size();) {
    const std::int64_t here = place(start_of(parts[i]), tier);
    std::size_t next = i + 1;
    while (next < parts.size() && place(start_of(parts[next]), tier) == here) ++next;
    const Instant start{here * length_of(tier) - wall_offset_}, end = start + length_of(tier);
    const std::vector<PeriodRef>& all = of(tier);
    if (now >= end + lateness && (all.empty() || place(all.back()->sum.start, tier) < here)) {
      Period period = as_period(parts[i]);
      for (std::size_t more = i + 1; more < next; ++more) extend(period, as_period(parts[more]));
      period.gap = period.gap || !runs.covers(start, end);
      closed.emplace_back(tier, std::make_shared<const Period>(std::move(period)));
      push(tier, closed.back().second);
    }
    i = next;
  }
}

std::vector<std::pair<Tier, PeriodRef>> PoolHistory::close(Instant now, const RunTimes& runs) {
  std::vector<std::pair<Tier, PeriodRef>> closed;
  close_parts(
      Tier::ten_minutes, minutes_, [](const WindowRef& it) { return it->start; }, period_of, now, runs,
      closed);
  const auto start = [](const PeriodRef& it) { return it->sum.start; };
  const auto whole = [](const PeriodRef& it) -> const Period& { return *it; };
  close_parts(Tier::hours, of(Tier::ten_minutes), start, whole, now, runs, closed);
  close_parts(Tier::days, of(Tier::hours), start, whole, now, runs, closed);
  return closed;
}

Instant PoolHistory::latest() const {
  Instant latest = Instant::min();
  if (!minutes_.empty()) latest = minutes_.back()->start;
  for (const std::vector<PeriodRef>& all : periods_)
    if (!all.empty()) latest = std::max(latest, all.back()->sum.start);
  return latest;
}

}  // namespace pgweir
