#include "admin/recommend.h"

#include <doctest/doctest.h>

#include <cmath>

#include "admin/erlang.h"
#include "tests/support/queue_world.h"

using namespace pgweir;
using namespace pgweir::testing;
using namespace std::chrono_literals;

namespace {

const Instant start(120s);

AdviceInput at_size(int size) {
  AdviceInput input;
  input.pool_size = size;
  return input;
}

struct Scene {
  int size = 10;
  double rate = 800;
  Duration work = 10ms;
  Duration length = 180s;
  std::uint64_t seed = 42;
};

PoolMeasure poisson(const Scene& scene) {
  Meter meter(start);
  Random random(scene.seed);
  QueueWorld world(meter, scene.size, start);
  poisson_load(world, random, scene.rate, scene.work, start, start + scene.length);
  world.run(start + scene.length);
  return meter.measure(start + scene.length);
}

bool close_to(int size, int right) { return std::abs(size - right) <= std::max(1.0, 0.15 * right); }

bool mentions(const std::vector<std::string>& sentences, const std::string& words) {
  for (const std::string& sentence : sentences)
    if (sentence.find(words) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("erlang: known values, and smooth between whole servers") {
  // Tables: B(5, 3) = 0.1101, C(10, 8) = 0.4092.
  CHECK(erlang_b(5, 3) == doctest::Approx(0.11005).epsilon(0.001));
  CHECK(erlang_c(10, 8) == doctest::Approx(0.4092).epsilon(0.001));
  CHECK(erlang_c(1, 0.5) == doctest::Approx(0.5));
  CHECK(erlang_c(3, 3) == 1);
  CHECK(erlang_c(3, 0) == 0);
  double last = 1;
  for (double servers = 8.05; servers < 30; servers += 0.05) {
    const double share = erlang_c(servers, 8);
    CHECK(share < last);
    CHECK(share > 0);
    last = share;
  }
  CHECK(erlang_c(5000, 4900) > 0);
  CHECK(erlang_c(5000, 4900) < 1);
}

TEST_CASE("erlang: more servers never wait longer, more load never needs fewer") {
  OfferedLoad load{8, 1, 0.01, 1};
  for (int size = 9; size < 40; ++size) CHECK(p99_wait(load, size + 1) <= p99_wait(load, size));
  int last = 0;
  for (double mean = 0; mean < 60; mean += 0.5) {
    load.mean = mean;
    CHECK(smallest_size(load, 0.01) >= last);
    last = smallest_size(load, 0.01);
  }
  CHECK(std::isinf(p99_wait(load, 5)));
  CHECK(share_waiting_longer(load, 5, 1) == 1);
}

TEST_CASE("recommend: about the right size, from a pool that is too small and from one that is too large" *
          doctest::test_suite("worlds")) {
  // 800/s of exponential 10 ms: 12 is the smallest size with 99 % of waits up to 10 ms; 13 with 20 % more
  // traffic.
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    for (const int size : {10, 30}) {
      const Advice advice = recommend(poisson({.size = size, .seed = seed}), at_size(size));
      CAPTURE(size);
      CAPTURE(advice.in_short);
      REQUIRE(advice.recommended);
      CHECK(close_to(*advice.model, 13));
      CHECK(close_to(*advice.recommended, 12));
      CHECK(advice.verdict == (size == 10 ? Verdict::grow : Verdict::shrink));
      CHECK(*advice.minimum >= 9);
      CHECK(*advice.minimum <= 10);
      CHECK(advice.figures.peakedness == doctest::Approx(1).epsilon(0.2));
      CHECK_FALSE(advice.reasons.empty());
    }
  }
}

TEST_CASE("recommend: the size it advised is advised again on the same data" *
          doctest::test_suite("worlds")) {
  const PoolMeasure measure = poisson({.size = 10});
  const Advice first = recommend(measure, at_size(10));
  const Advice second = recommend(measure, at_size(*first.recommended));
  CHECK(second.recommended == first.recommended);
  CHECK(second.verdict == Verdict::keep);
}

TEST_CASE("recommend: a size that does is kept") {
  const Advice advice = recommend(poisson({.size = 13}), at_size(13));
  CHECK(advice.verdict == Verdict::keep);
  CHECK(advice.recommended == 13);
  CHECK(advice.in_short.substr(0, 7) == "keep 13");
}

TEST_CASE("recommend: too little data is said, with what is missing") {
  const Advice few = recommend(poisson({.rate = 10, .length = 50s}), at_size(10));
  CHECK(few.verdict == Verdict::collecting);
  CHECK_FALSE(few.recommended);
  CHECK(few.confidence == Confidence::none);
  CHECK(mentions(few.missing, "transactions are needed"));
  const Advice brief = recommend(poisson({.length = 5s}), at_size(10));
  CHECK(brief.verdict == Verdict::collecting);
  CHECK(mentions(brief.missing, "of load are needed"));
}

TEST_CASE("recommend: nothing at all gives no figure that is not a number") {
  Meter meter(start);
  for (const PoolMeasure& measure : {PoolMeasure{}, meter.measure(start), meter.measure(start + 1h)}) {
    const Advice advice = recommend(measure, at_size(0));
    CHECK(advice.verdict == Verdict::collecting);
    CHECK_FALSE(std::isnan(advice.figures.peakedness));
    CHECK_FALSE(std::isnan(advice.figures.mean_demand));
  }
  // Only clients that give up.
  for (int i = 0; i < 2000; ++i) {
    Use use;
    const Instant at = start + i * 10ms;
    meter.arrived(use, at);
    meter.queued(use, at);
    meter.abandoned(use, GaveUp::timed_out, at + 5ms);
  }
  const Advice advice = recommend(meter.measure(start + 20s), at_size(10));
  CHECK(advice.verdict == Verdict::collecting);
}

TEST_CASE("recommend: twenty seconds of load are enough for a first answer of low confidence") {
  const Advice advice = recommend(poisson({.size = 10, .length = 20s}), at_size(10));
  REQUIRE(advice.recommended);
  CHECK(close_to(*advice.recommended, 12));
  CHECK(advice.confidence == Confidence::low);
  CHECK(mentions(advice.missing, "less than a minute"));
}

TEST_CASE("recommend: load that begins or ends within a minute is not thinned by the pause") {
  Meter meter(start);
  Random random(8);
  QueueWorld world(meter, 30, start);
  poisson_load(world, random, 800, 10ms, start + 45s, start + 75s);
  world.run(start + 600s);
  const Advice advice = recommend(meter.measure(start + 600s), at_size(30));
  REQUIRE(advice.recommended);
  CHECK(close_to(*advice.recommended, 13));
  CHECK(advice.confidence == Confidence::low);
}

TEST_CASE("recommend: all times ten times as long, the target too, leave the size as it is") {
  AdviceInput input = at_size(10);
  Meter meter(start);
  Random random(42);
  QueueWorld world(meter, 10, start);
  poisson_load(world, random, 80, 100ms, start, start + 600s);
  world.run(start + 600s);
  // One window of ten minutes stands against one of a minute.
  PoolMeasure measure = meter.measure(start + 600s);
  const MinuteWindow together = sum(measure.windows, start, start + 600s);
  measure.windows = {std::make_shared<const MinuteWindow>(together)};
  input.target_wait = 100ms;
  const Advice long_times = recommend(measure, input);
  const Advice short_times = recommend(poisson({.size = 10, .length = 60s}), at_size(10));
  CHECK(long_times.model == short_times.model);
}

TEST_CASE("recommend: more traffic never lowers the size" * doctest::test_suite("worlds")) {
  int last = 0;
  for (double rate = 200; rate < 2600; rate *= 1.2) {
    const Advice advice = recommend(poisson({.size = 60, .rate = rate, .length = 60s}), at_size(60));
    REQUIRE(advice.model);
    CHECK(*advice.model >= last);
    last = *advice.model;
  }
  const PoolMeasure measure = poisson({.size = 30});
  AdviceInput input = at_size(30);
  input.headroom = 0;
  last = 0;
  for (; input.headroom < 2; input.headroom += 0.2) {
    const Advice advice = recommend(measure, input);
    CHECK(*advice.model >= last);
    last = *advice.model;
  }
}

TEST_CASE("recommend: bursts need more than their mean") {
  // 25 at once each half second on top of a steady trickle.
  Meter meter(start);
  Random random(4);
  QueueWorld world(meter, 60, start);
  poisson_load(world, random, 200, 10ms, start, start + 120s);
  for (Instant at = start + 100ms; at < start + 120s; at += 500ms)
    for (int i = 0; i < 25; ++i) world.arrive(at, {exponential(random, 10ms), {}});
  world.run(start + 120s);
  const Advice advice = recommend(meter.measure(start + 120s), at_size(60));
  REQUIRE(advice.model);
  CHECK(advice.figures.peakedness > 2);
  CHECK(*advice.model > 2 * advice.figures.mean_demand);
}

TEST_CASE("recommend: never more than one step beyond what was seen in use") {
  const Advice advice = recommend(poisson({.size = 4, .length = 60s}), at_size(4));
  REQUIRE(advice.recommended);
  CHECK(*advice.recommended == 6);
  CHECK(*advice.model > 6);
  CHECK(advice.verdict == Verdict::step);
  CHECK(advice.in_short.find("grow one step to 6, then ask again") == 0);
  CHECK(mentions(advice.reasons, "Never more than 4 connections were seen in use"));
  CHECK(advice.confidence == Confidence::low);
}

TEST_CASE("recommend: clients that wait for their answers hide demand, and that is said") {
  Meter meter(start);
  Random random(6);
  QueueWorld world(meter, 5, start);
  closed_load(world, random, 100, 100us, 5ms, start);
  world.run(start + 20s);
  AdviceInput input = at_size(5);
  input.connected_clients = 0;  // they have gone
  const Advice advice = recommend(meter.measure(start + 20s), input);
  CHECK(advice.verdict == Verdict::step);
  CHECK(advice.model_is_lower_bound);
  CHECK(advice.recommended == 8);
  CHECK(advice.confidence == Confidence::low);
  CHECK(mentions(advice.missing, "hid part of the demand"));
}

TEST_CASE("recommend: a full pool whose clients slow down by themselves is kept when it meets the target" *
          doctest::test_suite("worlds")) {
  Meter meter(start);
  Random random(6);
  QueueWorld world(meter, 40, start);
  closed_load(world, random, 100, 100us, 2ms, start);
  world.run(start + 60s);
  const Advice advice = recommend(meter.measure(start + 60s), at_size(40));
  CHECK(advice.verdict == Verdict::keep);
  CHECK(advice.recommended == 40);
  CHECK_FALSE(advice.minimum);
  CHECK(mentions(advice.reasons, "the target is met"));
}

TEST_CASE("recommend: never more connections than clients") {
  Meter meter(start);
  Random random(6);
  QueueWorld world(meter, 5, start);
  meter.clients_changed(6);
  closed_load(world, random, 6, 100us, 5ms, start);
  world.run(start + 120s);
  const Advice advice = recommend(meter.measure(start + 120s), at_size(5));
  REQUIRE(advice.recommended);
  CHECK(*advice.recommended <= 6);
  CHECK(mentions(advice.reasons, "never more than 6 clients"));
}

TEST_CASE("recommend: idle time in transactions is told apart from work") {
  Meter meter(start);
  Random random(9);
  QueueWorld world(meter, 14, start);
  for (Instant at = start; at < start + 120s; at += exponential(random, 2ms))
    world.arrive(at, {exponential(random, 3ms), exponential(random, 12ms)});
  world.run(start + 120s);
  const Advice advice = recommend(meter.measure(start + 120s), at_size(14));
  CHECK(advice.decided_by == DecidedBy::idle_in_transaction);
  CHECK(advice.figures.idle_in_transaction_share == doctest::Approx(0.8).epsilon(0.05));
  REQUIRE(advice.without_idle);
  CHECK(*advice.without_idle >= 3);
  CHECK(*advice.without_idle <= 6);
  CHECK(mentions(advice.reasons, "idle in a transaction"));
}

TEST_CASE("recommend: slow pools are judged by all their minutes together") {
  const Advice advice =
      recommend(poisson({.size = 20, .rate = 5, .work = 400ms, .length = 600s}), at_size(20));
  REQUIRE(advice.recommended);
  CHECK(advice.window.find("in all") != std::string::npos);
}

TEST_CASE("recommend: the window is named by day and time when they are known") {
  AdviceInput input = at_size(10);
  // 1970-01-06 was a Tuesday; the busiest minute begins at 10:04.
  input.wall_offset = 5 * 24h + 10h + 2min;
  const PoolMeasure measure = poisson({.size = 10, .length = 60s});
  CHECK(recommend(measure, input).window == "minute (Tue 10:04 UTC)");
}
