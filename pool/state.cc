#include "pool/state.h"

#include <algorithm>
#include <utility>

namespace pgweir {

namespace {

// A pool that has been in use since then is in use.
constexpr Duration lately = std::chrono::hours(1);

}  // namespace

void State::add(const StateEntry& entry) {
  std::visit([this](const auto& it) { put(it); }, entry);
}

void State::put(const RunEntry& entry) { runs_.add(entry.start, entry.until); }

State::Pool* State::pool(const Route& route, Instant at) {
  const auto found = pools_.find(route);
  if (found != pools_.end()) return &found->second;
  if (pools_.size() >= most_pools) {
    const auto oldest = oldest_pool();
    if (oldest->second.history.latest() > at - lately) return nullptr;
    pools_.erase(oldest);
  }
  return &pools_.try_emplace(route, wall_offset_).first->second;
}

void State::put(const MinuteEntry& entry) {
  if (Pool* const its = pool(entry.route, entry.minute->start)) its->history.add(entry.minute);
}

void State::put(const PeriodEntry& entry) {
  if (Pool* const its = pool(entry.route, entry.period->sum.start))
    its->history.restore(entry.tier, entry.period);
}

void State::put(const TraceEntry& entry) {
  Pool* const its = pool(entry.route, entry.trace->start);
  if (its == nullptr) return;
  // What is kept of a minute is whole: a second one of it is the same.
  const auto minute = [](const TraceSegment& it) {
    return std::chrono::floor<std::chrono::minutes>(it.start.time_since_epoch());
  };
  const auto& segments = its->traces.segments();
  if (std::any_of(segments.begin(), segments.end(),
                  [&](const TraceRef& it) { return minute(*it) == minute(*entry.trace); }))
    return;
  its->traces.add(*entry.trace, entry.classes);
  bound_traces();
}

void State::add_trace(const Route& route, TraceSegment part, const std::vector<std::uint64_t>& classes) {
  Pool* const its = pool(route, part.start);
  if (its == nullptr) return;
  its->traces.add(std::move(part), classes);
  bound_traces();
}

void State::bound_traces() {
  std::vector<Pool*> traced;
  for (auto& [route, pool] : pools_)
    if (!pool.traces.segments().empty()) traced.push_back(&pool);
  if (traced.size() <= most_traced) return;
  const auto last = [](const Pool* it) -> const TraceSegment& { return *it->traces.segments().back(); };
  // One that has not been in use lately goes before the quietest.
  Pool* const oldest = *std::min_element(traced.begin(), traced.end(), [&](const Pool* a, const Pool* b) {
    return last(a).start < last(b).start;
  });
  Pool* const newest = *std::max_element(traced.begin(), traced.end(), [&](const Pool* a, const Pool* b) {
    return last(a).start < last(b).start;
  });
  if (last(oldest).start < last(newest).start - lately) {
    oldest->traces = TraceStore{};
    return;
  }
  Pool* const quietest = *std::min_element(traced.begin(), traced.end(), [&](const Pool* a, const Pool* b) {
    return load_of(last(a)) < load_of(last(b));
  });
  quietest->traces = TraceStore{};
}

void State::put(const ProfileEntry& entry) {
  if (Pool* const its = pool(entry.route, entry.profile->now)) its->profile = entry.profile;
}

void State::put(const HostEntry& entry) {
  if (hosts_.size() >= most_hosts && !hosts_.contains(entry.host.name)) return;
  HostProfile& host = hosts_[entry.host.name];
  std::vector<SpeedEvidence> evidence = std::exchange(host, entry.host).evidence;
  for (const SpeedEvidence& more : entry.host.evidence) {
    const auto same = std::find_if(evidence.begin(), evidence.end(),
                                   [&](const SpeedEvidence& it) { return it.start == more.start; });
    if (same != evidence.end()) {
      *same = more;
    } else {
      evidence.push_back(more);
    }
  }
  std::sort(evidence.begin(), evidence.end(),
            [](const SpeedEvidence& a, const SpeedEvidence& b) { return a.start < b.start; });
  if (evidence.size() > most_evidence)
    evidence.erase(evidence.begin(), evidence.end() - static_cast<std::ptrdiff_t>(most_evidence));
  host.evidence = std::move(evidence);
}

void State::put(const AdviceEntry& entry) {
  advice_.push_back(entry);
  if (advice_.size() <= most_advice) return;
  const auto changes = [](const AdviceEntry& it) {
    return it.kind == AdviceEntry::Kind::set || it.kind == AdviceEntry::Kind::reset;
  };
  const auto counts = [&](std::deque<AdviceEntry>::iterator it) {
    return it->kind == AdviceEntry::Kind::set &&
           std::none_of(std::next(it), advice_.end(),
                        [&](const AdviceEntry& later) { return changes(later) && later.route == it->route; });
  };
  auto oldest = advice_.begin();
  while (oldest != advice_.end() && counts(oldest)) ++oldest;
  advice_.erase(oldest == advice_.end() ? advice_.begin() : oldest);
}

std::vector<StateEntry> State::close(Instant now) {
  std::vector<StateEntry> entries;
  for (auto& [route, pool] : pools_) {
    for (WindowRef& minute : pool.history.take_whole(now))
      entries.emplace_back(MinuteEntry{route, std::move(minute)});
    for (auto& [tier, period] : pool.history.close(now, runs_))
      entries.emplace_back(PeriodEntry{route, tier, std::move(period)});
  }
  return entries;
}

void State::drop_traces() {
  for (auto& [route, pool] : pools_) pool.traces = TraceStore{};
}

std::map<Route, State::Pool>::iterator State::oldest_pool() {
  return std::min_element(pools_.begin(), pools_.end(), [](const auto& a, const auto& b) {
    return a.second.history.latest() < b.second.history.latest();
  });
}

bool State::drop_oldest_pool() {
  if (pools_.empty()) return false;
  pools_.erase(oldest_pool());
  return true;
}

PoolProfile State::profile(const Route& route) const {
  PoolProfile profile;
  profile.pool = name_of(route);
  const auto found = pools_.find(route);
  if (found == pools_.end()) return profile;
  const Pool& pool = found->second;
  if (pool.profile) profile = *pool.profile;
  profile.pool = name_of(route);
  profile.wall_offset = wall_offset_;
  profile.measure.windows = pool.history.minutes();
  profile.ten_minutes = pool.history.periods(Tier::ten_minutes);
  profile.hours = pool.history.periods(Tier::hours);
  profile.days = pool.history.periods(Tier::days);
  profile.traces = pool.traces.segments();
  profile.incidents = incidents_of(pool.traces, pool.profile.get());
  std::vector<StatementClass> classes;
  for (const std::uint64_t id : pool.traces.classes()) {
    const auto named = std::find_if(profile.classes.begin(), profile.classes.end(),
                                    [&](const StatementClass& it) { return it.fingerprint == id; });
    classes.push_back({id, named == profile.classes.end() ? std::string() : named->name});
  }
  profile.classes = std::move(classes);
  return profile;
}

std::vector<Instant> incidents_of(const TraceStore& traces, const PoolProfile* earlier) {
  std::vector<Instant> all = traces.incidents();
  if (earlier != nullptr) all.insert(all.end(), earlier->incidents.begin(), earlier->incidents.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  constexpr std::size_t most = 5000;
  if (all.size() > most) all.erase(all.begin(), all.end() - most);
  return all;
}

std::string name_of(const Route& route) { return route.database + "/" + route.user; }

}  // namespace pgweir
