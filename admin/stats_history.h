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

struct Averages {
  // Per second.
  std::uint64_t server_assignment_count = 0, xact_count = 0, query_count = 0;
  std::uint64_t received = 0, sent = 0;
  std::uint64_t client_parse_count = 0, server_parse_count = 0, bind_count = 0;
  // Per transaction, query and server assignment.
  std::int64_t xact_time = 0, query_time = 0, wait_time = 0;
};

Averages averages_of(const PoolTotals& now, const PoolTotals& before, Duration span);

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
  // After a sample: the averages of the period that ended with the last sample, over all databases, as PgBouncer logs them.
  std::string line(Instant started) const;

 private:
  std::optional<Sample> older_, newer_;
};

}  // namespace pgweir
