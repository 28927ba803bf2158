#include "admin/advise_pools.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "admin/advise.h"
#include "admin/budget.h"
#include "admin/pool_view.h"
#include "admin/profile_view.h"

namespace pgweir {
namespace {

class AllPools {
 public:
  AllPools(std::span<const PoolSnapshot> wanted, const World& world)
      : world_(world), hosts_(host_profiles(world)) {
    for (PoolProfile& profile : pool_profiles(wanted, world)) advised_.push_back(advised(std::move(profile)));
  }

  std::vector<AdvisedPool> take() {
    std::set<std::string> names;
    for (const AdvisedPool& it : advised_) names.insert(it.profile.host);
    for (const std::string& name : names) {
      if (const HostProfile& host = host_of(name); const auto budget = budget_of(host)) share(host, *budget);
    }
    return std::move(advised_);
  }

 private:
  const HostProfile& host_of(const std::string& name) const {
    static const HostProfile unknown;
    const auto host =
        std::find_if(hosts_.begin(), hosts_.end(), [&](const HostProfile& it) { return it.name == name; });
    return host == hosts_.end() ? unknown : *host;
  }

  AdvisedPool advised(PoolProfile profile) const {
    Advice advice = advise(profile, host_of(profile.host));
    return {std::move(profile), std::move(advice), {}};
  }

  // The others are only replayed when it is not enough.
  void share(const HostProfile& host, int budget) {
    std::vector<PoolSnapshot> others;
    int needed = 0;
    for (PoolSnapshot& pool : merge_pools(world_.workers, MeasureDepth::minutes)) {
      if (pool.host != host.name) continue;
      const std::string name = pool_name(pool);
      const auto its = std::find_if(advised_.begin(), advised_.end(),
                                    [&](const AdvisedPool& it) { return it.profile.pool == name; });
      if (its != advised_.end()) {
        needed += its->advice.recommended.value_or(its->profile.pool_size);
      } else {
        needed += pool.pool_size;
        others.push_back(std::move(pool));
      }
    }
    if (needed <= budget) return;
    std::vector<AdvisedPool*> mine;
    std::vector<BudgetPool> pools;
    for (AdvisedPool& it : advised_) {
      if (it.profile.host != host.name) continue;
      mine.push_back(&it);
      pools.push_back(budget_pool(it.profile, it.advice));
    }
    for (PoolProfile& profile : pool_profiles(others, world_)) {
      const AdvisedPool other = advised(std::move(profile));
      pools.push_back(budget_pool(other.profile, other.advice));
    }
    const BudgetSplit split = split_budget(budget, pools);
    for (std::size_t i = 0; i < mine.size(); ++i) {
      AdvisedPool& it = *mine[i];
      it.share = split.shares[i].size;
      if (!it.advice.recommended || *it.advice.recommended <= *it.share) continue;
      it.advice = advise(it.profile, host, it.share);
      it.advice.reasons.push_back("The server has " + std::to_string(budget) +
                                  " connections for all pools of pgweir, which is less than they need; the "
                                  "share of this one is " +
                                  std::to_string(*it.share) + " (SHOW BUDGET).");
    }
  }

  const World& world_;
  const std::vector<HostProfile> hosts_;
  std::vector<AdvisedPool> advised_;
};

}  // namespace

std::vector<AdvisedPool> advise_pools(std::span<const PoolSnapshot> wanted, const World& world) {
  return AllPools(wanted, world).take();
}

}  // namespace pgweir
