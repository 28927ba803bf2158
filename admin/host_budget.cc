#include "admin/host_budget.h"

#include <algorithm>
#include <utility>

#include "admin/pool_view.h"

namespace pgweir {
namespace {

// 0: no limit.
int within(int count, int limit) { return limit > 0 ? std::min(count, limit) : count; }

// HostSums by the name of a database or user, each within its limit.
class LimitedSum {
 public:
  void add(const std::string& name, int count, int limit) {
    auto& [sum, most] = sums_[name];
    sum += count;
    most = limit;
  }
  int total() const {
    int total = 0;
    for (const auto& [name, it] : sums_) total += within(it.first, it.second);
    return total;
  }

 private:
  std::map<std::string, std::pair<int, int>> sums_;
};

struct HostSums {
  HostBudget budget;
  LimitedSum by_database, by_user;
};

}  // namespace

std::vector<HostBudget> host_budgets(std::span<const PoolSnapshot> pools, const Settings& settings,
                                     const std::map<std::string, HostLimitsKnown>& limits) {
  std::map<std::string, HostSums> hosts;
  for (const PoolSnapshot& pool : pools) {
    int of_database = settings.pool.max_db_connections, of_user = settings.pool.max_user_connections;
    if (const DatabaseSettings* const database = settings.find_database(pool.database))
      of_database = database->max_db_connections.value_or(of_database);
    if (const UserSettings* const user = settings.find_user(pool.user))
      of_user = user->max_user_connections.value_or(of_user);
    const int size = pool.pool_size + pool.reserve_pool_size;
    HostSums& its = hosts[pool.host];
    its.budget.pools.push_back(
        {pool_name(pool), servers_of(pool.counts), within(within(size, of_database), of_user)});
    its.budget.open += servers_of(pool.counts);
    its.by_database.add(pool.database, size, of_database);
    its.by_user.add(pool.user, size, of_user);
  }
  std::vector<HostBudget> budgets;
  for (auto& [name, sums] : hosts) {
    HostBudget& budget = sums.budget;
    budget.host = name;
    budget.may_open = std::min(sums.by_database.total(), sums.by_user.total());
    if (const auto known = limits.find(name); known != limits.end()) budget.limits = known->second;
    if (const HostLimits& last = budget.limits.last; last.known())
      budget.left = std::max(0, last.max_connections - last.superuser_reserved - last.reserved -
                                    budget.limits.others.value_or(0));
    budgets.push_back(std::move(budget));
  }
  return budgets;
}

}  // namespace pgweir
