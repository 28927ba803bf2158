#include "admin/pool_view.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "admin/nearest.h"

namespace pgweir {
namespace {

void add(PoolCounts& counts, const PoolCounts& other) {
  counts.cl_active += other.cl_active;
  counts.cl_waiting += other.cl_waiting;
  counts.cl_active_cancel_req += other.cl_active_cancel_req;
  counts.cl_waiting_cancel_req += other.cl_waiting_cancel_req;
  counts.sv_active += other.sv_active;
  counts.sv_active_cancel += other.sv_active_cancel;
  counts.sv_being_canceled += other.sv_being_canceled;
  counts.sv_idle += other.sv_idle;
  counts.sv_used += other.sv_used;
  counts.sv_tested += other.sv_tested;
  counts.sv_login += other.sv_login;
}

void add(PoolSavings& savings, const PoolSavings& other) {
  savings.transactions_saved += other.transactions_saved;
  savings.late_begins += other.late_begins;
  savings.parses_asked += other.parses_asked;
  savings.parses_sent += other.parses_sent;
}

void add(PinCosts& costs, const PinCosts& other) {
  for (std::size_t i = 0; i < costs.size(); ++i) {
    costs[i].pins += other[i].pins;
    costs[i].time += other[i].time;
  }
}

PoolMeasure cut_measure(const PoolMeasure& measure, MeasureDepth depth) {
  switch (depth) {
    case MeasureDepth::none:
      return {};
    case MeasureDepth::sums: {
      PoolMeasure sums = measure;
      sums.windows.clear();
      sums.current = {};
      return sums;
    }
    case MeasureDepth::minutes:
      return measure;
  }
  return {};
}

PoolSnapshot without_measure(const PoolSnapshot& pool) {
  PoolSnapshot copy;
  copy.database = pool.database;
  copy.user = pool.user;
  copy.host = pool.host;
  copy.counts = pool.counts;
  copy.oldest_wait = pool.oldest_wait;
  copy.pool_size = pool.pool_size;
  copy.reserve_pool_size = pool.reserve_pool_size;
  copy.slots = pool.slots;
  copy.savings = pool.savings;
  copy.pin_costs = pool.pin_costs;
  copy.applications = pool.applications;
  copy.queries = pool.queries;
  copy.pulse = pool.pulse;
  return copy;
}

void add(PoolSnapshot& pool, const PoolSnapshot& other, MeasureDepth depth) {
  add(pool.counts, other.counts);
  pool.oldest_wait = std::max(pool.oldest_wait, other.oldest_wait);
  // Every worker knows the size of the whole pool; right after a reload one may not know the new one yet.
  pool.pool_size = std::max(pool.pool_size, other.pool_size);
  pool.reserve_pool_size = std::max(pool.reserve_pool_size, other.reserve_pool_size);
  pool.slots += other.slots;
  add(pool.savings, other.savings);
  add(pool.pin_costs, other.pin_costs);
  pool.pulse.add(other.pulse);
  pool.applications.insert(pool.applications.end(), other.applications.begin(), other.applications.end());
  pool.queries = merge_classes(std::move(pool.queries), other.queries, most_queries_listed);
  if (depth != MeasureDepth::none) merge(pool.measure, cut_measure(other.measure, depth));
}

template <class Wanted>
std::vector<PoolSnapshot> merge_some(std::span<const WorkerSnapshot> workers, MeasureDepth depth,
                                     Wanted wanted) {
  std::map<std::pair<Bytes, Bytes>, PoolSnapshot> merged;
  for (const WorkerSnapshot& worker : workers) {
    for (const PoolSnapshot& pool : worker.pools) {
      if (pool.replication || !wanted(pool)) continue;
      const auto key = std::pair<Bytes, Bytes>(pool.database, pool.user);
      if (const auto found = merged.find(key); found != merged.end()) {
        add(found->second, pool, depth);
      } else {
        PoolSnapshot& first = merged.emplace(key, without_measure(pool)).first->second;
        first.measure = cut_measure(pool.measure, depth);
      }
    }
  }
  std::vector<PoolSnapshot> pools;
  for (auto& [key, pool] : merged) pools.push_back(std::move(pool));
  return pools;
}

ConsoleError no_such_pool(const std::string& name, const World& world) {
  std::set<std::string> names;
  for (const PoolSnapshot& pool : merge_pools(world.workers, MeasureDepth::none)) {
    names.insert(pool.database);
    names.insert(pool_name(pool));
  }
  const std::vector<Bytes> candidates(names.begin(), names.end());
  const auto meant = nearest(name, candidates);
  return {sqlstate::undefined_object, "there is no pool \"" + printable(name, 80) + "\"",
          "A pool is named by its database, or by database/user. It exists from its first client on.",
          meant ? "Perhaps you meant \"" + printable(*meant, 80) + "\"." : "SHOW POOLS lists the pools."};
}

}  // namespace

std::vector<PoolSnapshot> merge_pools(std::span<const WorkerSnapshot> workers, MeasureDepth depth) {
  return merge_some(workers, depth, [](const PoolSnapshot&) { return true; });
}

tl::expected<std::vector<PoolSnapshot>, ConsoleError> pools_named(std::span<const Token> argument,
                                                                  const World& world, MeasureDepth depth) {
  if (argument.empty()) return merge_pools(world.workers, depth);
  std::string name;  // shop/alice, "shop"/alice and 'shop/alice' are the same
  for (const Token& token : argument) name += token.text;
  auto pools = merge_some(world.workers, depth, [&](const PoolSnapshot& pool) {
    return pool.database == name || pool_name(pool) == name;
  });
  if (pools.empty()) return tl::unexpected(no_such_pool(name, world));
  return pools;
}

std::string pool_name(const PoolSnapshot& pool) { return pool.database + "/" + pool.user; }

int clients_of(const PoolCounts& counts) { return counts.cl_active + counts.cl_waiting; }

int servers_of(const PoolCounts& counts) {
  return counts.sv_active + counts.sv_active_cancel + counts.sv_being_canceled + counts.sv_idle +
         counts.sv_used + counts.sv_tested + counts.sv_login;
}

}  // namespace pgweir
