#pragma once
// What each PostgreSQL server allows, and what pgweir's pools may open there together. Pure; any thread.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "admin/settings.h"
#include "pool/host_limits.h"
#include "pool/snapshot.h"

namespace pgweir {

struct HostBudget {
  struct Pool {
    std::string pool;  // "database/user"
    int open = 0;      // connections now
    int may_open = 0;  // its size and its reserve, within the limits of its database and its user
  };
  std::string host;  // as SHOW DATABASES has it, with its port
  std::vector<Pool> pools;
  int open = 0;
  int may_open = 0;         // of all pools together, within the same limits
  HostLimitsKnown limits;   // not known() when the host was never asked, or refused
  std::optional<int> left;  // for pgweir: max_connections without what is reserved and what others use

  bool too_many() const { return left && may_open > *left; }
};

// By name. `pools`: of all workers together. Pools exist from their first client on, and only those are
// counted.
std::vector<HostBudget> host_budgets(std::span<const PoolSnapshot> pools, const Settings& settings,
                                     const std::map<std::string, HostLimitsKnown>& limits);

}  // namespace pgweir
