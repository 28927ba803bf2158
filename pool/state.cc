#include "pool/state.h"

#include <algorithm>
#include <utility>

namespace pgweir {

void State::add(const StateEntry& entry) {
  std::visit([this](const auto& it) { put(it); }, entry);
}

void State::put(const RunEntry& entry) { runs_.add(entry.start, entry.until); }

void State::put(const MinuteEntry& entry) {
  pool(entry.route).history.add(entry.minute);
  if (pools_.size() > most_pools) drop_oldest_pool();
}

void State::put(const PeriodEntry& entry) {
  pool(entry.route).history.restore(entry.tier, entry.period);
  if (pools_.size() > most_pools) drop_oldest_pool();
}

void State::put(const TraceEntry& entry) {
  Pool& its = pool(entry.route);
  // What is kept of a minute is whole: a second one of it is the same.
  const auto minute = [](const TraceSegment& it) {
    return std::chrono::floor<std::chrono::minutes>(it.start.time_since_epoch());
  };
  const auto& segments = its.traces.segments();
  if (std::any_of(segments.begin(), segments.end(),
                  [&](const TraceRef& it) { return minute(*it) == minute(*entry.trace); }))
    return;
  its.traces.add(*entry.trace, entry.classes);
  std::size_t traced = 0;
  Pool* oldest = nullptr;
  const auto last = [](const Pool& it) { return it.traces.segments().back()->start; };
  for (auto& [route, other] : pools_) {
    if (other.traces.segments().empty()) continue;
    ++traced;
    if (oldest == nullptr || last(other) < last(*oldest)) oldest = &other;
  }
  if (traced > most_traced) oldest->traces = TraceStore{};
  if (pools_.size() > most_pools) drop_oldest_pool();
}

void State::put(const ProfileEntry& entry) {
  pool(entry.route).profile = entry.profile;
  if (pools_.size() > most_pools) drop_oldest_pool();
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
  if (advice_.size() > most_advice) advice_.pop_front();
}

std::vector<StateEntry> State::close(Instant now) {
  std::vector<StateEntry> entries;
  for (auto& [route, pool] : pools_) {
    for (auto& [tier, period] : pool.history.close(now, runs_))
      entries.emplace_back(PeriodEntry{route, tier, std::move(period)});
  }
  return entries;
}

void State::drop_traces() {
  for (auto& [route, pool] : pools_) pool.traces = TraceStore{};
}

bool State::drop_oldest_pool() {
  const auto oldest = std::min_element(pools_.begin(), pools_.end(), [](const auto& a, const auto& b) {
    return a.second.history.latest() < b.second.history.latest();
  });
  if (oldest == pools_.end()) return false;
  pools_.erase(oldest);
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
  std::vector<StatementClass> classes;
  for (const std::uint64_t id : pool.traces.classes()) {
    const auto named = std::find_if(profile.classes.begin(), profile.classes.end(),
                                    [&](const StatementClass& it) { return it.fingerprint == id; });
    classes.push_back({id, named == profile.classes.end() ? std::string() : named->name});
  }
  profile.classes = std::move(classes);
  return profile;
}

std::string name_of(const Route& route) { return route.database + "/" + route.user; }

}  // namespace pgweir
