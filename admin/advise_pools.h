#pragma once
// Advice for pools that may share servers: where all that is advised is more than a server has left, each
// gets what the split of the budget leaves it (budget.h). Pure; takes seconds for long traces.

#include <optional>
#include <span>
#include <vector>

#include "admin/advice.h"
#include "admin/world.h"
#include "pool/profile.h"
#include "pool/snapshot.h"

namespace pgweir {

struct AdvisedPool {
  PoolProfile profile;
  Advice advice;
  // Of what its server has for pgweir; empty: there is enough for all, or how much there is is not known.
  std::optional<int> share;
};

// Of the pools that are wanted, as pools_named() gives them with minutes; the others count for the budgets.
std::vector<AdvisedPool> advise_pools(std::span<const PoolSnapshot> wanted, const World& world);

}  // namespace pgweir
