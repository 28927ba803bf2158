// Promise, exhaustion and thresholds: each fires, holds, and ends.

#include <doctest/doctest.h>

#include "admin/alerts/exhaustion.h"
#include "admin/alerts/promise.h"
#include "admin/alerts/thresholds.h"
#include "tests/unit/admin/alerts/alert_samples.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

// A pool with so many transactions a second, of which so many are late.
struct Traffic {
  PromiseHistory history{};
  PoolPulse pulse{.target = 10ms};
  Instant now = at(0s);

  std::optional<AlertFinding> run(Duration span, std::uint64_t rate, std::uint64_t late) {
    for (const Instant end = now + span; now < end;) {
      now += 1s;
      pulse.served += rate;
      pulse.late += late;
      history.add(pulse, now);
    }
    return judge_promise(history, "shop/alice", pulse, now);
  }
};

PoolState full(Duration oldest, int waiting = 5) {
  return {.size = 10, .in_use = 10, .waiting = waiting, .oldest_wait = oldest, .timeout = 120s};
}

bool fires(const std::optional<AlertFinding>& finding) { return finding && !finding->holds; }

bool says(const AlertFinding& finding, const char* words) {
  return finding.reason.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("promise: a pool that is exhausted breaks it within a minute, and keeps it again soon after") {
  Traffic traffic;
  CHECK_FALSE(traffic.run(60s, 100, 1));
  const auto broken = traffic.run(60s, 100, 100);
  REQUIRE(broken);
  CHECK(broken->severity == AlertSeverity::critical);
  CHECK_FALSE(broken->holds);
  CHECK(broken->key == AlertKey{AlertKind::wait_promise, "shop/alice"});
  CHECK(says(*broken, " transactions in the last"));
  CHECK(says(*broken, "waited more than 10 ms"));
  CHECK(says(*broken, "in the last 15 s it was 100 %"));
  // The short window ends it: twenty good seconds are enough, the bad minute still being in the long one.
  CHECK_FALSE(traffic.run(20s, 100, 0));
}

TEST_CASE("promise: between half of a threshold and the threshold it only holds") {
  Traffic traffic;
  const auto half = traffic.run(120s, 100, 40);
  REQUIRE(half);
  CHECK(half->holds);
  CHECK_FALSE(traffic.run(240s, 100, 10));
}

TEST_CASE("promise: slow burns are found by the long windows, the milder the later") {
  Traffic traffic;
  const auto hour = traffic.run(20min, 100, 20);  // 20 times what is promised
  REQUIRE(hour);
  CHECK(hour->severity == AlertSeverity::critical);
  Traffic slower;
  CHECK_FALSE(fires(slower.run(80min, 100, 8)));
  const auto hours = slower.run(20min, 100, 8);  // 8 times, a quarter of 6 h seen
  REQUIRE(hours);
  CHECK(hours->severity == AlertSeverity::warning);
  Traffic slowest;
  CHECK_FALSE(fires(slowest.run(17h, 50, 1)));
  const auto days = slowest.run(2h, 50, 1);  // twice, over days
  REQUIRE(days);
  CHECK(days->severity == AlertSeverity::notice);
}

TEST_CASE("promise: a few transactions, the exact promise, and no traffic at all say nothing") {
  Traffic few;
  CHECK_FALSE(few.run(10s, 1, 1));
  CHECK_FALSE(few.run(120s, 0, 0));
  Traffic kept;
  CHECK_FALSE(fires(kept.run(19h, 1000, 9)));
  CHECK_FALSE(kept.run(73h, 1000, 4));
}

TEST_CASE("promise: clients that give up count, another target and lost counts begin anew") {
  Traffic traffic;
  traffic.run(60s, 10, 0);
  for (int i = 0; i < 60; ++i) {
    traffic.pulse.gave_up += 20;
    traffic.run(1s, 1, 0);
  }
  CHECK(judge_promise(traffic.history, "p", traffic.pulse, traffic.now));
  traffic.pulse.target = 1s;
  CHECK_FALSE(traffic.run(1s, 10, 0));
  CHECK(traffic.history.since() == traffic.now);
  traffic.run(60s, 10, 10);
  traffic.pulse.served = traffic.pulse.late = 0;
  CHECK_FALSE(traffic.run(1s, 10, 10));
}

TEST_CASE("exhaustion: a queue whose head ages tells when requests will time out") {
  QueueTrend trend;
  std::optional<AlertFinding> found;
  Duration first{};
  for (int second = 0; second <= 110 && !(found && !found->holds); ++second) {
    const Duration wait = std::chrono::seconds(second);
    trend.add(full(wait), at(wait));
    found = judge_exhaustion(trend, "shop/alice", full(wait), 60s, at(wait), Duration{});
    first = wait;
  }
  REQUIRE(found);
  CHECK(first == 60s);  // 60 s before the timeout of 120 s
  CHECK(found->severity == AlertSeverity::critical);
  CHECK(found->value == doctest::Approx(60));
  CHECK(says(*found, "10 of 10 servers in use, 5 clients wait"));
  CHECK(says(*found, "time out in about 60 s (query_wait_timeout is 2 min)"));
  trend.add(full(0s, 0), at(61s));
  CHECK_FALSE(judge_exhaustion(trend, "shop/alice", full(0s, 0), 60s, at(61s), Duration{}));
}

TEST_CASE("exhaustion: half as fast, twice the time; a queue that moves is none") {
  QueueTrend half, moving;
  for (int second = 0; second <= 40; ++second) {
    half.add(full(std::chrono::milliseconds(50'000 + 500 * second)), at(std::chrono::seconds(second)));
    moving.add(full(100ms), at(std::chrono::seconds(second)));
  }
  const auto found = judge_exhaustion(half, "p", full(70s), 60s, at(40s), Duration{});
  REQUIRE(found);
  CHECK(found->value == doctest::Approx(100));  // 50 s left at half a second a second
  CHECK(found->holds);
  CHECK(judge_exhaustion(half, "p", full(70s), 100s, at(40s), Duration{})->holds == false);
  CHECK_FALSE(judge_exhaustion(moving, "p", full(100ms), 60s, at(40s), Duration{}));
}

TEST_CASE("exhaustion: without a timeout it is the wait that counts") {
  QueueTrend trend;
  PoolState state = full(0s);
  state.timeout = 0s;
  for (int second = 0; second <= 60; ++second) {
    state.oldest_wait = std::chrono::seconds(second);
    trend.add(state, at(state.oldest_wait));
    const auto found = judge_exhaustion(trend, "p", state, 60s, at(state.oldest_wait), Duration{});
    CHECK(found.has_value() == (second >= 30));
    if (found) CHECK(found->holds == (second < 60));
  }
}

TEST_CASE("thresholds: servers and clients in use") {
  CHECK_FALSE(judge_pool_utilisation("p", 1.0, 10, 0));
  CHECK_FALSE(judge_pool_utilisation("p", 0.7, 10, 80));
  CHECK(judge_pool_utilisation("p", 0.78, 10, 80)->holds);
  const auto busy = judge_pool_utilisation("p", 0.93, 10, 80);
  CHECK_FALSE(busy->holds);
  CHECK(says(*busy, "93 % of 10 servers"));

  CHECK_FALSE(judge_client_utilisation(1000, 1000, 0));
  CHECK_FALSE(judge_client_utilisation(84, 100, 90));
  CHECK(judge_client_utilisation(90, 100, 90)->holds);
  CHECK(judge_client_utilisation(91, 100, 90)->severity == AlertSeverity::warning);
  CHECK(judge_client_utilisation(100, 100, 90)->severity == AlertSeverity::critical);
}

TEST_CASE("thresholds: a server that cannot be reached") {
  PoolSnapshot pool;
  CHECK_FALSE(judge_server(pool, "p", true, at(0s)));
  pool.pulse.failing_since = at(0s);
  pool.pulse.failure = "could not connect: Connection\nrefused";
  pool.counts.cl_waiting = 3;
  CHECK_FALSE(judge_server(pool, "p", false, at(10s)));
  const auto down = judge_server(pool, "p", true, at(10s));
  REQUIRE(down);
  CHECK(down->severity == AlertSeverity::critical);
  CHECK(says(*down, "for 10 s; none is open, 3 clients wait"));
  CHECK(says(*down, "could not connect: Connection refused"));
  pool.counts.sv_idle = 1;
  CHECK(judge_server(pool, "p", true, at(10s))->severity == AlertSeverity::warning);
}

TEST_CASE("thresholds: clients that were refused because there is no server") {
  CHECK_FALSE(judge_refusals(0));
  CHECK(says(*judge_refusals(1), "1 client was refused in the last minute"));
}

TEST_CASE("thresholds: a full queue, and more pool sizes than connections") {
  CHECK_FALSE(judge_queue("p", 0, 10, 10));
  CHECK_FALSE(judge_queue("p", 5, 10, 0));
  CHECK(says(*judge_queue("p", 5, 10, 10), "5 requests failed in the last minute"));
  CHECK_FALSE(judge_budget("db:5432", 97, 97));
  const auto over = judge_budget("db:5432", 120, 97);
  REQUIRE(over);
  CHECK(says(*over, "may open 120 connections together, it has 97"));
}
