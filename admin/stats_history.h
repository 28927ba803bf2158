#pragma once
// What the averages of SHOW STATS are taken over: as in PgBouncer, from the last but one tick of a period of
// 60 s until now, so over one to two periods, and from the start while there were fewer ticks. A plain value;
// the control thread owns it, and gives it a sample once in a period.

#include <map>
#include <optional>
#include <span>
#include <string>

#include "pool/meter.h"
#include "pool/snapshot.h"
#include "pool/time.h"

namespace pgweir {

using DatabaseTotals = std::map<std::string, PoolTotals>;  // by database, over users and workers

// The snapshots must hold the measures.
DatabaseTotals database_totals(std::span<const WorkerSnapshot> workers);

class StatsHistory {
 public:
  static constexpr Duration period = std::chrono::seconds(60);

  struct Sample {
    Instant at{};
    DatabaseTotals totals;
  };

  // Once in a period.
  void sample(Instant now, std::span<const WorkerSnapshot> workers);
  // Where the averages begin; null: at the start of the process, where all is zero.
  const Sample* base() const { return older_ ? &*older_ : nullptr; }

 private:
  std::optional<Sample> older_, newer_;
};

}  // namespace pgweir
