#include "pool/meter.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/queue_world.h"

using namespace pgweir;
using namespace pgweir::testing;
using namespace std::chrono_literals;

namespace {

const Instant start(120s);  // a whole minute

// One transaction of one query that holds a server from `served` to `end`.
void transact(Meter& meter, Instant arrived, Instant served, Instant end) {
  Use use;
  meter.arrived(use, arrived);
  if (served > arrived) meter.queued(use, arrived);
  meter.served(use, WaitReason::pool_full, served);
  meter.linked(use, served);
  meter.query_started(use, served);
  meter.query_finished(use, false, end);
  meter.released(use, end);
}

}  // namespace

TEST_CASE("meter: a transaction's times go where they belong") {
  Meter meter(start);
  Use use;
  meter.arrived(use, start + 1s);
  meter.queued(use, start + 1s);
  meter.served(use, WaitReason::opening, start + 3s);  // waited 2 s
  meter.linked(use, start + 4s);                       // link 1 s
  meter.query_started(use, start + 4s);
  meter.query_finished(use, true, start + 9s);    // query 5 s
  meter.query_started(use, start + 12s);          // 3 s idle in transaction
  meter.query_finished(use, false, start + 19s);  // query 7 s
  meter.released(use, start + 20s);               // 1 s to clean up
  const PoolMeasure measure = meter.measure(start + 30s);

  CHECK(measure.waits.sum() == 2s);
  CHECK(measure.links.sum() == 1s);
  CHECK(measure.queries.count() == 2);
  CHECK(measure.queries.sum() == 12s);
  CHECK(measure.transactions.count() == 1);
  CHECK(measure.transactions.sum() == 15s);
  CHECK(measure.holdings.sum() == 17s);
  CHECK(measure.held.level_time() == 17s);
  CHECK(measure.executing.level_time() == 12s);
  CHECK(measure.idle_in_transaction.level_time() == 3s);
  CHECK(measure.waiting.level_time() == 2s);
  CHECK(measure.totals.xact_count == 1);
  CHECK(measure.totals.query_count == 2);
  CHECK(measure.totals.server_assignment_count == 1);
  CHECK(measure.totals.xact_time == 15s);
  CHECK(measure.totals.query_time == 12s);
  CHECK(measure.totals.wait_time == 2s);
  const auto& opening = measure.waits_by_reason[static_cast<std::size_t>(WaitReason::opening)];
  CHECK(opening.count == 1);
  CHECK(opening.time == 2s);
  CHECK(measure.current.executing == 12s);
  CHECK(measure.current.idle_in_transaction == 3s);
  CHECK(use.state == Use::State::none);
}

TEST_CASE("meter: clients that do not wait are recorded as waits of zero") {
  Meter meter(start);
  transact(meter, start, start, start + 5ms);
  const PoolMeasure measure = meter.measure(start + 1s);
  CHECK(measure.waits.count() == 1);
  CHECK(measure.waits.count_in(0) == 1);
  CHECK(measure.waits_by_reason[0].count == 1);
}

TEST_CASE("meter: in a pipeline the times of queries add up to the time executing") {
  Meter meter(start);
  Use use;
  meter.arrived(use, start);
  meter.served(use, WaitReason::none, start);
  meter.linked(use, start);
  for (int i = 0; i < 3; ++i) meter.query_started(use, start);
  for (int i = 1; i <= 3; ++i) meter.query_finished(use, false, start + i * 10ms);
  meter.released(use, start + 30ms);
  const PoolMeasure measure = meter.measure(start + 30ms);
  CHECK(measure.totals.query_count == 3);
  CHECK(measure.totals.xact_count == 3);
  CHECK(measure.totals.query_time == 30ms);
  CHECK(measure.totals.xact_time == 30ms);
  CHECK(measure.executing.level_time() == 30ms);
}

TEST_CASE("meter: a client that keeps its server between transactions is not idle in a transaction") {
  Meter meter(start);
  Use use;
  meter.arrived(use, start);
  meter.served(use, WaitReason::none, start);
  meter.linked(use, start);
  meter.query_started(use, start);
  meter.query_finished(use, false, start + 1s);
  meter.query_started(use, start + 5s);
  meter.query_finished(use, false, start + 6s);
  meter.released(use, start + 6s);
  const PoolMeasure measure = meter.measure(start + 6s);
  CHECK(measure.idle_in_transaction.level_time() == 0s);
  CHECK(measure.transactions.sum() == 2s);
  CHECK(measure.held.level_time() == 6s);
}

TEST_CASE("meter: a use that breaks off in the middle leaves no gauge behind") {
  Meter meter(start);
  Use in_query, in_transaction, linking;
  for (Use* use : {&in_query, &in_transaction, &linking}) {
    meter.arrived(*use, start);
    meter.served(*use, WaitReason::none, start);
  }
  for (Use* use : {&in_query, &in_transaction}) {
    meter.linked(*use, start);
    meter.query_started(*use, start);
  }
  meter.query_finished(in_transaction, true, start + 1s);
  for (Use* use : {&in_query, &in_transaction, &linking}) meter.released(*use, start + 2s);
  const PoolMeasure measure = meter.measure(start + 10s);
  CHECK(measure.held.level_time() == 6s);
  CHECK(measure.executing.level_time() == 3s);
  CHECK(measure.idle_in_transaction.level_time() == 1s);
  CHECK(measure.completions == 3);
  CHECK(measure.totals.xact_count == 0);
  CHECK(measure.totals.query_count == 1);
  CHECK(measure.little.by_level == measure.little.by_holding);
}

TEST_CASE("meter: calls out of place change nothing") {
  Meter meter(start);
  Use use;
  meter.released(use, start);
  meter.query_finished(use, false, start);
  meter.query_started(use, start);
  meter.linked(use, start);
  meter.served(use, WaitReason::pool_full, start);
  meter.abandoned(use, GaveUp::gone, start);
  meter.queued(use, start);
  const PoolMeasure measure = meter.measure(start + 1s);
  CHECK(measure.arrivals == 0);
  CHECK(measure.waits.count() == 0);
  CHECK(measure.held.level_time() == 0s);
  CHECK(measure.waiting.level_time() == 0s);
}

TEST_CASE("meter: clients that give up are counted apart") {
  Meter meter(start);
  Use waits, refused;
  meter.arrived(waits, start);
  meter.queued(waits, start);
  meter.arrived(refused, start + 1s);
  meter.abandoned(refused, GaveUp::refused, start + 1s);
  meter.abandoned(waits, GaveUp::timed_out, start + 4s);
  const PoolMeasure measure = meter.measure(start + 5s);
  CHECK(measure.waits.count() == 0);
  CHECK(measure.abandoned_waits.count() == 2);
  CHECK(measure.abandoned_waits.max() == 4s);
  CHECK(measure.gave_up[static_cast<std::size_t>(GaveUp::timed_out)] == 1);
  CHECK(measure.gave_up[static_cast<std::size_t>(GaveUp::refused)] == 1);
  CHECK(measure.waiting.level_time() == 4s);
  CHECK(measure.current.abandoned() == 2);
}

TEST_CASE("meter: windows end on whole minutes, and add up to the whole") {
  Meter meter(start + 10s);
  CHECK(meter.cut_due() == start + 60s);
  transact(meter, start + 20s, start + 20s, start + 21s);
  meter.cut(start + 60s);
  CHECK(meter.cut_due() == start + 120s);
  transact(meter, start + 70s, start + 70s, start + 73s);
  transact(meter, start + 80s, start + 80s, start + 82s);
  meter.cut(start + 120s);
  const PoolMeasure measure = meter.measure(start + 130s);
  REQUIRE(measure.windows.size() == 2);
  CHECK(measure.windows[0]->start == start + 10s);
  CHECK(measure.windows[0]->duration == 50s);
  CHECK(measure.windows[0]->completions == 1);
  CHECK(measure.windows[0]->held.level_time() == 1s);
  CHECK(measure.windows[0]->idle == 49s);
  CHECK(measure.windows[1]->completions == 2);
  CHECK(measure.windows[1]->held.level_time() == 5s);
  CHECK(measure.windows[1]->virtual_final);
  CHECK(measure.current.duration == 10s);
  CHECK(measure.current.idle == 10s);
  CHECK(measure.completions == 3);
  CHECK(measure.waits.count() == 3);
  CHECK(measure.held.total() == 120s);
  CHECK(measure.held.level_time() == 6s);
}

TEST_CASE("meter: open servers, size and clients stand in the window") {
  Meter meter(start);
  meter.pool_size_changed(7);
  meter.clients_changed(50);
  meter.clients_changed(3);
  meter.open_changed(4, start);
  meter.open_changed(1, start + 1s);
  meter.cut(start + 60s);
  const PoolMeasure measure = meter.measure(start + 70s);
  CHECK(measure.windows[0]->highest_open == 4);
  CHECK(measure.windows[0]->pool_size == 7);
  CHECK(measure.windows[0]->clients == 50);
  CHECK(measure.current.clients == 3);
  CHECK(measure.open.time_at(4) == 1s);
}

TEST_CASE("meter: virtual demand is what is held while nobody waits") {
  Meter meter(start);
  Random random(1);
  QueueWorld world(meter, 1000, start);
  poisson_load(world, random, 500, 20ms, start, start + 90s);
  world.run(start + 100s);
  const PoolMeasure measure = meter.measure(start + 100s);
  const MinuteWindow& window = *measure.windows[0];
  CHECK(window.virtual_demand.total() == 60s);
  for (int level = 0; level <= window.held.highest(); ++level)
    CHECK(window.virtual_demand.time_at(level) == window.held.time_at(level));
  CHECK(measure.current.virtual_demand.level_time() == measure.current.held.level_time());
}

TEST_CASE("meter: virtual demand shows what a full pool hides") {
  Meter meter(start);
  // Ten clients come at once to a pool of two; each needs a server for one second.
  for (int round = 0; round < 2; ++round) {
    std::vector<Use> uses(10);
    const Instant at = start + round * 20s + 500us;
    for (Use& use : uses) {
      meter.arrived(use, at);
      meter.queued(use, at);
    }
    for (std::size_t i = 0; i < uses.size(); i += 2) {
      const Instant now = at + (i / 2) * 1s;
      for (std::size_t k = i; k < i + 2; ++k) {
        if (i > 0) meter.released(uses[k - 2], now);
        meter.served(uses[k], WaitReason::pool_full, now);
        meter.linked(uses[k], now);
      }
    }
    meter.released(uses[8], at + 5s);
    meter.released(uses[9], at + 5s);
  }
  meter.cut(start + 60s);
  const MinuteWindow window = *meter.measure(start + 60s).windows[0];
  CHECK(window.virtual_final);
  CHECK(window.held.highest() == 2);
  CHECK(window.held.time_at(2) == 10s);
  CHECK(window.virtual_demand.highest() == 10);
  const Duration at_ten = window.virtual_demand.time_at(10);
  CHECK(at_ten >= 1998ms);
  CHECK(at_ten <= 2002ms);
  CHECK(window.virtual_demand.total() == 60s);
}

TEST_CASE("meter: virtual demand of a busy pool has the right mean and spread") {
  // Independent arrivals to a pool that is too small: without waiting the number in use is Poisson.
  Meter meter(start);
  Random random(3);
  QueueWorld world(meter, 9, start);
  poisson_load(world, random, 800, 10ms, start, start + 300s);
  world.run(start + 300s);
  const PoolMeasure measure = meter.measure(start + 300s);
  const MinuteWindow all = sum(measure.windows, start, start + 300s);
  CHECK(all.held.highest() == 9);
  CHECK(all.virtual_demand.mean() == doctest::Approx(all.held.mean()).epsilon(0.02));
  CHECK(all.virtual_demand.mean() == doctest::Approx(8).epsilon(0.05));
  CHECK(all.virtual_demand.variance() / all.virtual_demand.mean() == doctest::Approx(1).epsilon(0.1));
  CHECK(all.virtual_demand.quantile(0.99) >= 14);
  CHECK(all.virtual_demand.quantile(0.99) <= 16);
}

TEST_CASE("meter: virtual demand of a window comes when its last cells are final") {
  Meter meter(start);
  Use blocker, waiter;
  meter.arrived(blocker, start);
  meter.served(blocker, WaitReason::none, start);
  meter.arrived(waiter, start + 30s);
  meter.queued(waiter, start + 30s);
  meter.cut(start + 60s);
  CHECK_FALSE(meter.measure(start + 60s).windows[0]->virtual_final);
  meter.released(blocker, start + 70s);
  meter.served(waiter, WaitReason::pool_full, start + 70s);  // waited 40 s
  meter.released(waiter, start + 80s);                       // held for 10: virtually from 30 to 40
  meter.cut(start + 120s);
  const PoolMeasure measure = meter.measure(start + 120s);
  CHECK(measure.windows[0]->virtual_final);
  CHECK(measure.windows[0]->virtual_demand.total() == 60s);
  CHECK(measure.windows[0]->virtual_demand.time_at(2) == 10s);
  CHECK(measure.windows[1]->virtual_demand.time_at(1) == 10s);
  CHECK(measure.windows[1]->virtual_demand.time_at(0) == 50s);
}

TEST_CASE("meter: a client that gave up counts in the virtual demand as a typical transaction") {
  Meter meter(start);
  transact(meter, start, start, start + 2s);
  Use gone;
  meter.arrived(gone, start + 10s);
  meter.queued(gone, start + 10s);
  meter.abandoned(gone, GaveUp::timed_out, start + 11s);
  meter.cut(start + 60s);
  const PoolMeasure measure = meter.measure(start + 60s);
  const LevelTimes& demand = measure.windows[0]->virtual_demand;
  CHECK(measure.windows[0]->virtual_final);
  CHECK(demand.total() == 60s);
  CHECK(demand.time_at(1) == 4s);
}

TEST_CASE("meter: very long stretches without a call keep the virtual demand whole") {
  Meter meter(start);
  Use blocker, waiter;
  meter.arrived(blocker, start);
  meter.served(blocker, WaitReason::none, start);
  meter.arrived(waiter, start);
  meter.queued(waiter, start);
  meter.released(blocker, start + 24h);
  meter.served(waiter, WaitReason::pool_full, start + 24h);
  meter.released(waiter, start + 24h + 1s);
  meter.cut(start + 25h);
  const PoolMeasure measure = meter.measure(start + 25h);
  CHECK(measure.windows[0]->virtual_demand.total() == 25h);
  CHECK(measure.windows[0]->virtual_demand.highest() <= 2);
  CHECK(measure.windows[0]->virtual_demand.level_time() >= 24h);
}

TEST_CASE("meter: Little's law holds, with transactions still running too") {
  Meter meter(start);
  Random random(11);
  QueueWorld world(meter, 10, start);
  poisson_load(world, random, 800, 10ms, start, start + 130s);
  world.run(start + 130s);
  const LittleCheck little = meter.little(start + 130s);
  CHECK(little.holds_within(0.0001));
  const double by_world = world.holding_seconds;
  CHECK(std::chrono::duration<double>(little.by_level).count() == doctest::Approx(by_world).epsilon(0.01));
  // Arrival rate times mean holding time is the mean in use.
  const PoolMeasure measure = meter.measure(start + 130s);
  const double rate = static_cast<double>(measure.arrivals) / 130;
  CHECK(measure.held.mean() ==
        doctest::Approx(rate * std::chrono::duration<double>(measure.holdings.mean()).count()).epsilon(0.01));
  CHECK_FALSE(LittleCheck{100s, 98s}.holds_within(0.01));
}

TEST_CASE("meter: waits agree with the world's own list") {
  Meter meter(start);
  Random random(5);
  QueueWorld world(meter, 10, start);
  poisson_load(world, random, 850, 10ms, start, start + 60s);
  world.run(start + 70s);
  std::vector<double> waits = world.waits;
  std::sort(waits.begin(), waits.end());
  const double p99 = waits[waits.size() * 99 / 100];
  const PoolMeasure measure = meter.measure(start + 70s);
  CHECK(measure.waits.count() == waits.size());
  CHECK(std::chrono::duration<double>(measure.waits.quantile(0.99)).count() ==
        doctest::Approx(p99).epsilon(0.07));
}

TEST_CASE("meter: shards of one pool merge") {
  Meter a(start), b(start);
  transact(a, start, start, start + 6s);
  transact(b, start + 1s, start + 2s, start + 5s);
  a.cut(start + 60s);
  b.cut(start + 60s + 3ms);
  a.cut(start + 120s);
  PoolMeasure measure = a.measure(start + 121s);
  merge(measure, b.measure(start + 121s));
  CHECK(measure.shards == 2);
  CHECK(measure.completions == 2);
  CHECK(measure.totals.xact_count == 2);
  CHECK(measure.waits.count() == 2);
  CHECK(measure.waits.sum() == 1s);
  REQUIRE(measure.windows.size() == 2);
  CHECK(measure.windows[0]->completions == 2);
  CHECK(measure.windows[0]->shards == 2);
  CHECK(measure.windows[1]->shards == 1);
  CHECK(measure.held.level_time() >= 8999ms);
  CHECK(measure.held.level_time() <= 9001ms);
  CHECK(measure.little.by_holding == 9s);
}

TEST_CASE("meter: a measure of nothing is empty") {
  const PoolMeasure measure = Meter(start).measure(start);
  CHECK(measure.current.duration == 0s);
  CHECK(measure.current.offered_load() == 0);
  CHECK(measure.held.mean() == 0);
  CHECK(measure.little.holds_within(0));
}
