#include "admin/budget.h"

#include <algorithm>
#include <cmath>

#include "pool/time.h"

namespace pgweir {

namespace {

constexpr double gain_that_counts = 0.001;  // clients waiting, on average
constexpr int most_sizes = 10000;

struct Point {
  double p99_wait = 0, waiting = 0;
};

// Between two sizes: waits fall about by the same factor with each connection.
double between(double low, double high, double share) {
  if (low <= 0 || high <= 0) return low + (high - low) * share;
  return std::exp(std::log(low) + (std::log(high) - std::log(low)) * share);
}

Point point_at(const BudgetPool& pool, int size) {
  const auto& rows = pool.what_if;
  if (rows.empty()) return {};
  const auto above = std::lower_bound(rows.begin(), rows.end(), size,
                                      [](const WhatIf& row, int wanted) { return row.size < wanted; });
  if (above == rows.end()) return {rows.back().p99_wait, rows.back().mean_waiting};
  if (above->size == size) return {above->p99_wait, above->mean_waiting};
  if (above == rows.begin()) {
    // Smaller than all that was replayed: worse in proportion.
    const double factor = std::pow(static_cast<double>(above->size) / std::max(1, size), 4);
    return {std::max(above->p99_wait, pool.target_wait) * factor,
            std::max(above->mean_waiting, 0.01) * factor};
  }
  const auto below = std::prev(above);
  const double share = static_cast<double>(size - below->size) / (above->size - below->size);
  return {between(below->p99_wait, above->p99_wait, share),
          between(below->mean_waiting, above->mean_waiting, share)};
}

class Split {
 public:
  Split(int connections, std::span<const BudgetPool> pools) : left_(connections), pools_(pools) {
    for (const BudgetPool& pool : pools) {
      sizes_.push_back(std::max(1, pool.minimum));
      left_ -= sizes_.back() * std::max(1, pool.instances);
    }
  }
  bool enough_for_minimums() const { return left_ >= 0; }
  int left() const { return left_; }
  const std::vector<int>& sizes() const { return sizes_; }

  // There is less than the minimums: what each gets is cut in proportion, but nobody is left without.
  void cut() {
    while (left_ < 0) {
      std::size_t largest = 0;
      for (std::size_t i = 1; i < sizes_.size(); ++i) {
        const auto share = [&](std::size_t k) {
          return static_cast<double>(sizes_[k]) / std::max(1, pools_[k].minimum);
        };
        if (sizes_[i] > 1 && (sizes_[largest] <= 1 || share(i) > share(largest))) largest = i;
      }
      if (sizes_.empty() || sizes_[largest] <= 1) return;
      --sizes_[largest];
      left_ += std::max(1, pools_[largest].instances);
    }
  }
  void meet_targets() {
    give([&](std::size_t i) {
      const Point point = point_at(pools_[i], sizes_[i]);
      if (point.p99_wait <= pools_[i].target_wait) return 0.0;
      return point.p99_wait / std::max(1e-9, pools_[i].target_wait) + 1e-6 * point.waiting;
    });
  }
  void spare_waiting() {
    give([&](std::size_t i) {
      const double gain =
          (point_at(pools_[i], sizes_[i]).waiting - point_at(pools_[i], sizes_[i] + 1).waiting) *
          pools_[i].weight;
      return gain > gain_that_counts ? gain / std::max(1, pools_[i].instances) : 0.0;
    });
  }
  double worst_wait() const {
    double worst = 0;
    for (std::size_t i = 0; i < sizes_.size(); ++i)
      worst = std::max(worst, point_at(pools_[i], sizes_[i]).p99_wait);
    return worst;
  }

 private:
  bool can_grow(std::size_t i) const {
    if (left_ < std::max(1, pools_[i].instances) || sizes_[i] >= most_sizes) return false;
    if (pools_[i].ceiling && sizes_[i] >= *pools_[i].ceiling) return false;
    return !pools_[i].what_if.empty() && sizes_[i] < pools_[i].what_if.back().size;
  }
  // To the pool with the largest `need`, until nobody has one.
  template <class Need>
  void give(Need need) {
    std::vector<double> needs(sizes_.size());
    for (std::size_t i = 0; i < needs.size(); ++i) needs[i] = need(i);
    while (true) {
      std::size_t best = needs.size();
      for (std::size_t i = 0; i < needs.size(); ++i)
        if (needs[i] > 0 && can_grow(i) && (best == needs.size() || needs[i] > needs[best])) best = i;
      if (best == needs.size()) return;
      ++sizes_[best];
      left_ -= std::max(1, pools_[best].instances);
      needs[best] = need(best);
    }
  }

  int left_;
  std::span<const BudgetPool> pools_;
  std::vector<int> sizes_;
};

Split split(int connections, std::span<const BudgetPool> pools) {
  Split it(connections, pools);
  if (!it.enough_for_minimums()) {
    it.cut();
    return it;
  }
  it.meet_targets();
  it.spare_waiting();
  return it;
}

}  // namespace

BudgetPool budget_pool(const PoolProfile& profile, const Advice& advice) {
  BudgetPool it;
  it.pool = profile.pool;
  it.current = profile.pool_size;
  it.minimum = advice.minimum.value_or(std::max(1, profile.min_pool_size));
  it.ceiling = advice.ceiling;
  it.target_wait = in_seconds(profile.target_wait);
  it.weight = profile.weight;
  it.instances = std::max(1, profile.instances);
  it.what_if = advice.what_if;
  if (!it.what_if.empty()) return it;
  // Nothing was replayed: it keeps what it has, or gets what a formula says.
  it.minimum = advice.recommended.value_or(std::max(1, profile.pool_size));
  return it;
}

std::optional<int> budget_of(const HostProfile& host) {
  if (!host.max_connections) return {};
  return std::max(0, *host.max_connections - host.reserved_connections - host.other_connections.value_or(0));
}

BudgetSplit split_budget(int connections, std::span<const BudgetPool> pools) {
  BudgetSplit result;
  result.connections = connections;
  const Split it = split(connections, pools);
  result.unassigned = std::max(0, it.left());
  result.assigned = connections - it.left();
  result.enough_for_minimums = Split(connections, pools).enough_for_minimums();
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const Point point = point_at(pools[i], it.sizes()[i]);
    result.shares.push_back({pools[i].pool, pools[i].current, it.sizes()[i], point.p99_wait,
                             point.p99_wait <= pools[i].target_wait});
  }
  result.worst_p99_wait = it.worst_wait();
  result.more = std::max(5, connections / 10);
  result.worst_p99_wait_with_more = split(connections + result.more, pools).worst_wait();
  return result;
}

int fragmentation_price(const OfferedLoad& load, int instances, double target_wait) {
  if (instances <= 1 || load.mean <= 0) return 0;
  OfferedLoad together = load;
  together.mean *= instances;
  return instances * smallest_size(load, target_wait) - smallest_size(together, target_wait);
}

}  // namespace pgweir
