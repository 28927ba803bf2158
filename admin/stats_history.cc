#include "admin/stats_history.h"

#include <algorithm>
#include <utility>

#include "pool/time.h"

namespace pgweir {
namespace {

std::uint64_t minus(std::uint64_t now, std::uint64_t before) { return now > before ? now - before : 0; }

std::int64_t each(Duration now, Duration before, std::uint64_t count) {
  const std::int64_t us = micros(std::max(now - before, Duration::zero()));
  return count > 0 ? us / static_cast<std::int64_t>(count) : 0;
}

PoolTotals sum_of(const DatabaseTotals& databases) {
  PoolTotals sum;
  for (const auto& [name, totals] : databases) sum.add(totals);
  return sum;
}

}  // namespace

Averages averages_of(const PoolTotals& now, const PoolTotals& before, Duration span) {
  const double seconds = in_seconds(span);
  const auto rate = [&](std::uint64_t a, std::uint64_t b) {
    return seconds > 0 ? static_cast<std::uint64_t>(static_cast<double>(minus(a, b)) / seconds) : 0;
  };
  Averages averages;
  averages.server_assignment_count = rate(now.server_assignment_count, before.server_assignment_count);
  averages.xact_count = rate(now.xact_count, before.xact_count);
  averages.query_count = rate(now.query_count, before.query_count);
  averages.received = rate(now.received, before.received);
  averages.sent = rate(now.sent, before.sent);
  averages.client_parse_count = rate(now.client_parse_count, before.client_parse_count);
  averages.server_parse_count = rate(now.server_parse_count, before.server_parse_count);
  averages.bind_count = rate(now.bind_count, before.bind_count);
  averages.xact_time = each(now.xact_time, before.xact_time, minus(now.xact_count, before.xact_count));
  averages.query_time = each(now.query_time, before.query_time, minus(now.query_count, before.query_count));
  averages.wait_time = each(now.wait_time, before.wait_time,
                            minus(now.server_assignment_count, before.server_assignment_count));
  return averages;
}

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

std::string StatsHistory::line(Instant started) const {
  const Sample& now = *newer_;
  const PoolTotals before = older_ ? sum_of(older_->totals) : PoolTotals{};
  const Averages it = averages_of(sum_of(now.totals), before, now.at - (older_ ? older_->at : started));
  return "stats: " + std::to_string(it.xact_count) + " xacts/s, " + std::to_string(it.query_count) +
         " queries/s, " + std::to_string(it.client_parse_count) + " client parses/s, " +
         std::to_string(it.server_parse_count) + " server parses/s, " + std::to_string(it.bind_count) +
         " binds/s, in " + std::to_string(it.received) + " B/s, out " + std::to_string(it.sent) +
         " B/s, xact " + std::to_string(it.xact_time) + " us, query " + std::to_string(it.query_time) +
         " us, wait " + std::to_string(it.wait_time) + " us";
}

}  // namespace pgweir
