#include "admin/budget.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace pgweir;

namespace {

// A pool whose waits fall by the same factor with each connection from its minimum on.
BudgetPool pool(std::string name, int minimum, double wait, double factor) {
  BudgetPool it;
  it.pool = std::move(name);
  it.minimum = minimum;
  for (int size = minimum; size <= minimum + 40; size += size < minimum + 4 ? 1 : 4) {
    WhatIf row;
    row.size = size;
    row.p99_wait = wait * std::pow(factor, size - minimum);
    row.mean_waiting = 10 * row.p99_wait;
    it.what_if.push_back(row);
  }
  return it;
}

}  // namespace

TEST_CASE("budget: nobody gets more than there is, and nobody is left without") {
  const std::vector<BudgetPool> pools{pool("a", 5, 1, 0.7), pool("b", 10, 2, 0.8), pool("c", 3, 0.1, 0.5)};
  for (int connections = 3; connections < 120; connections += 7) {
    const BudgetSplit split = split_budget(connections, pools);
    int sum = 0;
    for (const BudgetShare& share : split.shares) {
      CHECK(share.size >= 1);
      sum += share.size;
    }
    CHECK(sum == split.assigned);
    CHECK(split.assigned + split.unassigned == connections);
    CHECK(split.enough_for_minimums == (connections >= 18));
  }
}

TEST_CASE("budget: the worst wait against its target comes first, a small slow pool is not starved") {
  std::vector<BudgetPool> pools{pool("fast", 8, 0.05, 0.6), pool("reports", 2, 3, 0.6)};
  pools[0].weight = 100;
  const BudgetSplit split = split_budget(22, pools);
  CHECK(split.shares[0].p99_wait < 0.05);
  CHECK(split.shares[1].p99_wait < 0.05);
  CHECK(split.worst_p99_wait_with_more < split.worst_p99_wait);
}

TEST_CASE("budget: what helps nobody stays unassigned, and a ceiling holds") {
  std::vector<BudgetPool> pools{pool("a", 5, 1, 0.3), pool("b", 5, 1, 0.9)};
  pools[1].ceiling = 8;
  const BudgetSplit split = split_budget(200, pools);
  CHECK(split.shares[0].target_met);
  CHECK(split.shares[1].size == 8);
  CHECK_FALSE(split.shares[1].target_met);
  CHECK(split.unassigned > 150);
}

TEST_CASE("budget: more connections never make the worst wait longer") {
  const std::vector<BudgetPool> pools{pool("a", 5, 1, 0.7), pool("b", 10, 2, 0.8), pool("c", 3, 0.1, 0.5)};
  double last = 1e9;
  for (int connections = 18; connections < 80; ++connections) {
    const double worst = split_budget(connections, pools).worst_p99_wait;
    CHECK(worst <= last + 1e-9);
    last = worst;
  }
}

TEST_CASE("budget: of the server's connections those of others and the reserved ones are not ours") {
  HostProfile host;
  CHECK_FALSE(budget_of(host));
  host.max_connections = 100;
  host.reserved_connections = 3;
  host.other_connections = 20;
  CHECK(budget_of(host) == 77);
  host.other_connections = 200;
  CHECK(budget_of(host) == 0);
}

TEST_CASE("budget: instances that do not share connections cost some") {
  // 800 transactions a second of 10 ms need 12; two instances 7 each, four 5 each, eight 4 each.
  const auto load = [](int instances) { return OfferedLoad{8.0 / instances, 1, 0.01, 1}; };
  CHECK(fragmentation_price(load(1), 1, 0.01) == 0);
  CHECK(fragmentation_price(load(2), 2, 0.01) == 2);
  CHECK(fragmentation_price(load(4), 4, 0.01) == 8);
  CHECK(fragmentation_price(load(8), 8, 0.01) == 20);
}

TEST_CASE("budget: each instance takes its share of the connections") {
  BudgetPool one = pool("a", 5, 1, 0.7);
  one.instances = 3;
  const BudgetSplit split = split_budget(30, std::vector<BudgetPool>{one});
  CHECK(split.shares[0].size <= 10);
  CHECK(split.assigned == 3 * split.shares[0].size);
  CHECK(split_budget(10, std::vector<BudgetPool>{}).unassigned == 10);
}
