#pragma once
// The connections that one server allows, split over the pools that share it. Pure.
//
// First each pool gets its minimum. Then one connection at a time goes to the pool whose p99 wait is largest
// against its own target, until all meet it or nothing is left: a sum of waits alone would starve small slow
// pools. What is left goes where it spares the most waiting (which falls convexly with the size, so the
// largest gain next is the largest gain of all: Weber 1980), and when that is next to nothing it stays
// unassigned.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "admin/advice.h"
#include "admin/erlang.h"
#include "pool/profile.h"

namespace pgweir {

struct BudgetPool {
  std::string pool;
  int current = 0;
  int minimum = 1;
  std::optional<int> ceiling;
  double target_wait = 0.01;  // seconds
  double weight = 1;
  int instances = 1;            // each takes the size for itself
  std::vector<WhatIf> what_if;  // by size; what is between is interpolated
};
BudgetPool budget_pool(const PoolProfile& profile, const Advice& advice);

struct BudgetShare {
  std::string pool;
  int current = 0;
  int size = 0;         // of one instance
  double p99_wait = 0;  // seconds
  bool target_met = false;
};

struct BudgetSplit {
  int connections = 0;  // to be split
  int assigned = 0, unassigned = 0;
  bool enough_for_minimums = true;
  std::vector<BudgetShare> shares;  // in the order of the pools
  double worst_p99_wait = 0;
  // What some more would do: the worst p99 wait with them.
  int more = 0;
  double worst_p99_wait_with_more = 0;
};

// Connections that pgweir may use of a server; empty when max_connections is not known.
std::optional<int> budget_of(const HostProfile& host);

BudgetSplit split_budget(int connections, std::span<const BudgetPool> pools);

// How many more connections several instances need for a load that is spread evenly over them, because they
// do not share them. `load` is that of one instance.
int fragmentation_price(const OfferedLoad& load, int instances, double target_wait);

}  // namespace pgweir
