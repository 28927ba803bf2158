#include "pool/pin_clock.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

const PinCost& cost_of(const PinCosts& costs, StateKind kind) {
  return costs[static_cast<std::size_t>(kind)];
}

StateKinds kinds(std::initializer_list<StateKind> list) {
  StateKinds all;
  for (const StateKind kind : list) all.add(kind);
  return all;
}

}  // namespace

TEST_CASE("pin clock: each kind pays from its own beginning to its own end") {
  PinCosts costs{};
  PinClock clock;
  CHECK(clock.since() == never);
  clock.hold(kinds({StateKind::listen}), Instant(1s), costs);
  clock.hold(kinds({StateKind::listen, StateKind::temp_table}), Instant(3s), costs);
  clock.hold(kinds({StateKind::listen, StateKind::temp_table}), Instant(4s), costs);
  CHECK(clock.since() == Instant(1s));
  clock.hold(kinds({StateKind::temp_table}), Instant(6s), costs);
  CHECK(clock.since() == Instant(3s));
  CHECK(cost_of(costs, StateKind::listen).pins == 1);
  CHECK(cost_of(costs, StateKind::listen).time == 5s);
  CHECK(cost_of(costs, StateKind::temp_table).pins == 1);
  CHECK(cost_of(costs, StateKind::temp_table).time == 0s);
  clock.hold({}, Instant(10s), costs);
  CHECK_FALSE(clock.kinds().any());
  CHECK(clock.since() == never);
  CHECK(cost_of(costs, StateKind::temp_table).time == 7s);
  CHECK(cost_of(costs, StateKind::advisory_lock).pins == 0);

  clock.hold(kinds({StateKind::listen}), Instant(20s), costs);
  CHECK(cost_of(costs, StateKind::listen).pins == 2);
  clock.hold({}, Instant(21s), costs);
  CHECK(cost_of(costs, StateKind::listen).time == 6s);
}

TEST_CASE("pin clock: what runs is added to a copy of the costs") {
  PinCosts costs{};
  PinClock clock;
  clock.hold(kinds({StateKind::prepared}), Instant(1s), costs);
  PinCosts shown = costs;
  clock.add_running(Instant(5s), shown);
  CHECK(cost_of(shown, StateKind::prepared).time == 4s);
  CHECK(cost_of(shown, StateKind::prepared).pins == 1);
  CHECK(cost_of(costs, StateKind::prepared).time == 0s);
}
