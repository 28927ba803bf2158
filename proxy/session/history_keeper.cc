#include "proxy/session/history_keeper.h"

#include <memory>
#include <utility>

#include "admin/pool_view.h"
#include "admin/profile_view.h"

namespace pgweir {

void HistoryKeeper::restore(State state) {
  state_ = std::move(state);
  for (const auto& [route, pool] : state_.pools())
    if (!pool.traces.segments().empty()) traced_[route] = pool.traces.segments().back()->start;
}

void HistoryKeeper::add(MinutePassed& mail) {
  if (!mail.segment.records.empty()) state_.add_trace(mail.route, std::move(mail.segment), mail.classes);
  for (WindowRef& minute : mail.minutes) keep(MinuteEntry{mail.route, std::move(minute)});
}

void HistoryKeeper::begin_turn(Instant now) {
  if (now < next_run_) return;
  next_run_ = now + run_period;
  keep(RunEntry{started_, now});
  for (StateEntry& entry : state_.close(now)) host_.keep(std::move(entry));
  keep_traces(now - PoolHistory::lateness);
}

bool HistoryKeeper::profiles_due(Instant now) {
  if (now < next_profile_) return false;
  next_profile_ = now + profile_period;
  return true;
}

void HistoryKeeper::finish(Instant now) {
  keep(RunEntry{started_, now});
  keep_traces(never);
}

void HistoryKeeper::keep(StateEntry entry) {
  state_.add(entry);
  host_.keep(std::move(entry));
}

// Those of hours that were over before `now`: which minutes of an hour stay is known by then.
void HistoryKeeper::keep_traces(Instant now) {
  const auto hour = [](Instant at) { return std::chrono::floor<std::chrono::hours>(at.time_since_epoch()); };
  for (const auto& [route, pool] : state_.pools()) {
    if (pool.traces.segments().empty()) continue;
    const auto [last, fresh] = traced_.try_emplace(route, Instant::min());
    for (const TraceRef& trace : pool.traces.segments()) {
      if (trace->start <= last->second || hour(trace->start) >= hour(now)) continue;
      host_.keep(TraceEntry{route, trace, pool.traces.classes()});
      last->second = trace->start;
    }
  }
  std::erase_if(traced_, [this](const auto& it) { return !state_.pools().contains(it.first); });
}

void HistoryKeeper::keep_profiles(std::vector<WorkerSnapshot> snapshots, const Settings& settings,
                                  const std::map<std::string, HostLimitsKnown>& limits, Instant now) {
  // Without the history, whose minutes, periods and traces have entries of their own.
  const World world{.settings = settings,
                    .workers = std::move(snapshots),
                    .now = now,
                    .wall_offset = state_.wall_offset(),
                    .started = started_,
                    .hosts = &hosts_.evidence(),
                    .limits = limits};
  for (HostProfile& host : host_profiles(world)) keep(HostEntry{std::move(host)});
  const std::vector<PoolSnapshot> pools = merge_pools(world.workers, MeasureDepth::sums);
  std::vector<PoolProfile> profiles = pool_profiles(pools, world);
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    profiles[i].measure.windows.clear();
    profiles[i].traces.clear();
    keep(ProfileEntry{{pools[i].database, pools[i].user},
                      std::make_shared<const PoolProfile>(std::move(profiles[i]))});
  }
}

}  // namespace pgweir
