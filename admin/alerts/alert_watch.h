#pragma once
// All that is looked at for alerts, put together: pulses of the pools in every second, traces and measures in
// every minute, settings. Belongs to the control thread; time is an argument. What a second costs grows with
// the number of pools, not with their traffic.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "admin/alerts/alert_book.h"
#include "admin/alerts/exhaustion.h"
#include "admin/alerts/growth.h"
#include "admin/alerts/promise.h"
#include "admin/alerts/slow_classes.h"
#include "admin/settings.h"
#include "pool/route.h"
#include "pool/snapshot.h"
#include "pool/state.h"

namespace pgweir {

// What one server allows all its pools together.
struct ConnectionBudget {
  std::string host;
  int pool_sizes = 0;  // of all its pools, reserves included
  int allowed = 0;     // max_connections without what is reserved and what others use
};

class AlertWatch {
 public:
  static constexpr Duration period = std::chrono::seconds(1);
  // Of further pools only what needs no history is judged.
  static constexpr std::size_t most_pools = 1000;

  explicit AlertWatch(Duration wall_offset) : wall_offset_(wall_offset) {}

  // Once in a period; the snapshots hold pulses. Budgets are those that are known.
  std::vector<AlertTransition> look(std::span<const WorkerSnapshot> workers, const Settings& settings,
                                    std::span<const ConnectionBudget> budgets, Instant now);
  // About once a minute; the snapshots hold measures and queries. Their minutes are cut to the last ones.
  void add_minutes(std::vector<WorkerSnapshot>& workers, Instant now);
  // What earlier processes kept, before the first minute.
  void restore(const State& kept, Instant now);
  void add_trace(const Route& route, const TraceSegment& part, const std::vector<std::uint64_t>& classes);

  const AlertBook& book() const { return book_; }
  std::vector<PoolForecast> forecasts() const;

 private:
  struct Pool {
    PromiseHistory promise{};
    QueueTrend queue{};
    SlowClasses slow{};
    DemandDays demand{};
    std::optional<Instant> minutes_until{};              // demand knows those before
    std::deque<std::pair<Instant, PoolPulse>> pulses{};  // of the last minute
    std::map<std::uint64_t, std::string> texts{};        // of its queries
    int size = 0;
    // Made anew when the day or the size changes.
    std::int64_t forecast_day = -1;
    int forecast_size = 0;
    GrowthForecast forecast{};
    Instant seen{};
  };

  void judge_pool(const PoolSnapshot& snapshot, Pool& pool, const Settings& settings, Instant now,
                  std::vector<AlertFinding>& findings);
  std::uint64_t unreached_lately(std::span<const WorkerSnapshot> workers, Instant now);
  void add_demand(Pool& pool, const MinuteWindow& minute);
  Pool* pool_named(const std::string& name, Instant now);
  std::int64_t day_of(Instant at) const;

  const Duration wall_offset_;
  AlertBook book_;
  std::deque<std::pair<Instant, std::uint64_t>> unreached_;  // of the last minute, sums since the start
  std::map<std::string, Pool> pools_;                        // "database/user"
};

}  // namespace pgweir
