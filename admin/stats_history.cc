#include "admin/stats_history.h"

#include <utility>

namespace pgweir {

DatabaseTotals database_totals(std::span<const WorkerSnapshot> workers) {
  DatabaseTotals totals;
  for (const WorkerSnapshot& worker : workers) {
    for (const PoolSnapshot& pool : worker.pools) totals[pool.database].add(pool.measure.totals);
  }
  return totals;
}

void StatsHistory::sample(Instant now, std::span<const WorkerSnapshot> workers) {
  older_ = std::exchange(newer_, Sample{now, database_totals(workers)});
}

}  // namespace pgweir
