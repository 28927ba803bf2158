#include "proxy/session/budget_desk.h"

#include <algorithm>
#include <utility>

#include "admin/pool_view.h"

namespace pgweir {
namespace {

std::string warning_of(const HostBudget& budget) {
  const HostLimits& last = budget.limits.last;
  return "the pools of server " + budget.host + " may open " + std::to_string(budget.may_open) +
         " connections together, it has " + std::to_string(*budget.left) + " for them: max_connections " +
         std::to_string(last.max_connections) + ", of these " +
         std::to_string(last.superuser_reserved + last.reserved) + " reserved and " +
         std::to_string(budget.limits.others.value_or(0)) + " used by others; SHOW BUDGET has the parts";
}

}  // namespace

void BudgetDesk::seen(const std::string& host, HostLimits limits) {
  if (limits_.size() >= most_hosts && !limits_.contains(host)) return;
  HostLimitsKnown& known = limits_[host];
  if (!limits.refused.empty()) {
    // What it said before still holds, as far as one knows.
    if (known.last.known()) return;
    if (known.last.refused != limits.refused)
      say("server " + host + " does not say how many connections it takes: " + limits.refused);
    known.last = std::move(limits);
    return;
  }
  known.last = std::move(limits);
  fresh_.insert(host);
}

// What pgweir has open changes between the answer and this look: of the two counts that are known the larger
// one is taken, so that its own connections are not taken for those of others.
void BudgetDesk::count_others(const std::string& host, int open, Instant now) {
  HostLimitsKnown& known = limits_[host];
  auto& others = others_[host];
  known.others_now = std::max(0, known.last.clients - std::max(open, open_[host]));
  others.emplace_back(now, known.others_now);
  while (now - others.front().first > remembered) others.pop_front();
  known.others = std::max_element(others.begin(), others.end(), [](const auto& a, const auto& b) {
                   return a.second < b.second;
                 })->second;
}

std::vector<ConnectionBudget> BudgetDesk::look(std::span<const WorkerSnapshot> workers,
                                               const Settings& settings, Instant now) {
  pools_ = merge_pools(workers, MeasureDepth::none);
  for (const HostBudget& budget : host_budgets(pools_, settings, limits_)) {
    if (fresh_.erase(budget.host) > 0) count_others(budget.host, budget.open, now);
    open_[budget.host] = budget.open;
  }
  std::vector<ConnectionBudget> budgets;
  for (const HostBudget& budget : host_budgets(pools_, settings, limits_)) {
    if (!budget.left) continue;
    budgets.push_back({budget.host, budget.may_open, *budget.left});
    if (!budget.too_many()) {
      warned_.erase(budget.host);
    } else if (warned_.insert(budget.host).second) {
      say(warning_of(budget));
    }
  }
  return budgets;
}

std::vector<std::string> BudgetDesk::reloaded(const Settings& settings) {
  warned_.clear();
  for (PoolSnapshot& pool : pools_) {
    if (pool.replication) continue;
    pool.pool_size = settings.size_of(pool.database, pool.user);
    pool.reserve_pool_size = settings.reserve_of(pool.database, pool.user);
  }
  std::vector<std::string> warnings;
  for (const HostBudget& budget : host_budgets(pools_, settings, limits_)) {
    if (!budget.too_many()) continue;
    warned_.insert(budget.host);
    warnings.push_back(warning_of(budget));
    say(warnings.back());
  }
  return warnings;
}

void BudgetDesk::say(std::string text) {
  LogLine line;
  line.level = LogLevel::warning;
  line.text = std::move(text);
  host_.log(std::move(line));
}

}  // namespace pgweir
