#pragma once
// What servers say of their connections, on the control thread: how many others use, whether pgweir's pools
// together may open more than is left, and a line in the log when they may. Pure, as ControlCore is.

#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "admin/alerts/alert_watch.h"
#include "admin/host_budget.h"
#include "proxy/session/control_host.h"

namespace pgweir {

class BudgetDesk {
 public:
  explicit BudgetDesk(ControlHost& host) : host_(host) {}

  void seen(const std::string& host, HostLimits limits);
  // Once a second, with counts of all pools: the budgets that are known, for alerts.
  std::vector<ConnectionBudget> look(std::span<const WorkerSnapshot> workers, const Settings& settings,
                                     Instant now);
  // Settings have changed: what is too much with them is said again, and returned.
  std::vector<std::string> reloaded(const Settings& settings);

  const std::map<std::string, HostLimitsKnown>& limits() const { return limits_; }

 private:
  static constexpr Duration remembered = std::chrono::hours(1);
  static constexpr std::size_t most_hosts = 64;

  void count_others(const std::string& host, int open, Instant now);
  void say(std::string text);

  ControlHost& host_;
  std::vector<PoolSnapshot> pools_;  // at the last look
  std::map<std::string, HostLimitsKnown> limits_;
  std::map<std::string, std::deque<std::pair<Instant, int>>> others_;  // of the last hour
  std::map<std::string, int> open_;                                    // by pgweir, at the last look
  std::set<std::string> fresh_;                                        // said since then
  std::set<std::string> warned_;  // of these the log has said that it is too much
};

}  // namespace pgweir
