// What pgweir measures, against what a scripted server and its clients measured of the same run.
//
// No assertion depends on how fast the machine is: of each transaction the server's time lies within
// pgweir's, and pgweir's within the client's. So of every duration and every level the three have an order,
// and the distance of the outer two is the error of the comparison.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "bench/load/load.h"
#include "tests/integration/servers.h"
#include "tests/support/mock_server.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

// Whole milliseconds are shown of each level.
constexpr auto rounding = 1ms;

struct Behind {
  Behind(MockServer& server, int pool_size, int workers = 0) : mock(server) {
    PgweirSetup setup(server.port());
    if (workers > 0) setup.workers = workers;
    setup.pool = "default_pool_size = " + std::to_string(pool_size) + "\n";
    pgweir = std::make_unique<PgweirProcess>(setup);
  }

  load::Result play(load::Plan plan) {
    plan.port = pgweir->port();
    load::Result result = load::run(plan);
    REQUIRE(result.error == "");
    REQUIRE(result.unfinished == 0);
    for (const load::JobTimes& job : result.jobs) clients.add(job.sent, job.done);
    jobs.insert(jobs.end(), result.jobs.begin(), result.jobs.end());
    return result;
  }

  // How long at least `level` of `what` there were, by SHOW CONCURRENCY.
  std::chrono::milliseconds shown_from(const PgResult& shown, const std::string& what, int level) const {
    std::chrono::milliseconds time{};
    for (int row = 0; row < shown.rows(); ++row) {
      if (shown.value(row, "what") != what) continue;
      REQUIRE(shown.value(row, "level") == shown.value(row, "level_to"));
      if (std::stoi(shown.value(row, "level")) >= level)
        time += std::chrono::milliseconds(std::stol(shown.value(row, "time_ms")));
    }
    return time;
  }
  // How many of `what` took at least so many microseconds, by SHOW HISTOGRAMS.
  std::size_t shown_count(const PgResult& shown, const std::string& what, long from_us) const {
    std::size_t count = 0;
    for (int row = 0; row < shown.rows(); ++row) {
      if (shown.value(row, "what") == what && std::stol(shown.value(row, "from_us")) >= from_us)
        count += std::stoul(shown.value(row, "count"));
    }
    return count;
  }

  void check_levels(int highest) const {
    const PgResult shown = pgweir->console_exec("SHOW CONCURRENCY");
    const BusyTimes executed = mock.executed();
    for (int level = 1; level <= highest; ++level) {
      CAPTURE(level);
      const auto executing = shown_from(shown, "executing", level), held = shown_from(shown, "in use", level);
      CHECK(executed.time_from(level) <= executing + rounding * (highest + 1));
      CHECK(executing <= held + rounding * (highest + 1));
      CHECK(held <= clients.time_from(level));
    }
    CHECK(executed.time_from(1) > 0ms);

    // Little's law on pgweir's own counters: servers in use, summed over time by the levels, and by each
    // transaction's duration.
    std::chrono::milliseconds by_levels{};
    for (int level = 1; level <= highest; ++level) by_levels += shown_from(shown, "in use", level);
    const PgResult stats = pgweir->console_exec("SHOW STATS");
    std::chrono::microseconds by_transactions{};
    for (int row = 0; row < stats.rows(); ++row) {
      if (stats.value(row, "database") == "postgres")
        by_transactions = std::chrono::microseconds(std::stol(stats.value(row, "total_xact_time")));
    }
    CHECK(by_transactions > 0ms);
    CHECK(by_levels <= by_transactions * 101 / 100);
    CHECK(by_levels + rounding * (highest * (highest + 1) / 2) >= by_transactions * 99 / 100);
  }

  void check_durations() const {
    const PgResult shown = pgweir->console_exec("SHOW HISTOGRAMS");
    const BusyTimes executed = mock.executed();
    CHECK(shown_count(shown, "server held", 0) == jobs.size());
    CHECK(shown_count(shown, "transaction", 0) == jobs.size());
    for (long us = 1; us < 10'000'000; us *= 2) {
      CAPTURE(us);
      const auto length = std::chrono::microseconds(us);
      CHECK(executed.count_from(length) <= shown_count(shown, "server held", us));
      CHECK(shown_count(shown, "server held", us) <= clients.count_from(length));
      CHECK(shown_count(shown, "transaction", us) <= clients.count_from(length));
    }
  }

  MockServer& mock;
  std::unique_ptr<PgweirProcess> pgweir;
  BusyTimes clients;
  std::vector<load::JobTimes> jobs;
};

load::Plan closed(int clients, std::chrono::nanoseconds length, std::chrono::nanoseconds pause = 0ns) {
  load::Plan plan;
  plan.open_loop = false;
  plan.connections = clients;
  plan.length = length;
  plan.jobs = {{pause, {{"select work", 0ns}}}};
  return plan;
}

load::Plan poisson(double rate, std::chrono::nanoseconds length, std::uint64_t seed) {
  load::Plan plan;
  plan.connections = 60;
  std::mt19937_64 bits(seed);
  for (double at = 0;;) {
    at -= std::log(1 - static_cast<double>(bits() >> 11) * 0x1p-53) / rate;
    const auto when = std::chrono::nanoseconds(std::llround(at * 1e9));
    if (when > length) return plan;
    plan.jobs.push_back({when, {{"select work", 0ns}}});
  }
}

// The wait that 99 % do not exceed, first in, first out on `size` servers. What each transaction held its
// server for is what it took without waiting, so this needs a run in which (nearly) none waited.
std::chrono::nanoseconds p99_wait(std::vector<load::JobTimes> jobs, int size) {
  using Time = load::Clock::time_point;
  std::sort(jobs.begin(), jobs.end(), [](const auto& a, const auto& b) { return a.sent < b.sent; });
  std::priority_queue<Time, std::vector<Time>, std::greater<>> free;
  for (int i = 0; i < size; ++i) free.push(Time{});
  std::vector<std::chrono::nanoseconds> waits;
  for (const auto& job : jobs) {
    const Time start = std::max(free.top(), job.sent);
    free.pop();
    free.push(start + (job.done - job.sent));
    waits.push_back(start - job.sent);
  }
  std::sort(waits.begin(), waits.end());
  return waits[waits.size() * 99 / 100];
}

struct Shown {
  int advice;
  std::string verdict, decided_by, in_short;
};
Shown advice(const PgweirProcess& pgweir) {
  const PgResult shown = pgweir.console_exec("SHOW RECOMMENDATIONS");
  REQUIRE(shown.rows() == 1);
  CAPTURE(shown.value(0, "missing"));
  REQUIRE(shown.value(0, "advice") != "");
  return {std::stoi(shown.value(0, "advice")), shown.value(0, "verdict"), shown.value(0, "decided_by"),
          shown.value(0, "in_short")};
}

}  // namespace

TEST_CASE("levels and durations are those of the server: fixed service times") {
  MockServer mock(fixed_work(4ms));
  Behind behind(mock, 8);
  behind.play(closed(12, 2s));
  behind.check_levels(8);
  behind.check_durations();
  CHECK(mock.executed().highest() == 8);
}

TEST_CASE("levels and durations are those of the server: exponential, open loop") {
  MockServer mock(exponential_work(5ms, 1));
  Behind behind(mock, 5);
  const load::Plan plan = poisson(600, 3s, 2);
  CHECK(behind.play(plan).jobs.size() == plan.jobs.size());
  behind.check_levels(5);
  behind.check_durations();
}

TEST_CASE("levels and durations are those of the server: a few slow ones") {
  MockServer mock(bimodal_work(2ms, 200ms, 0.02, 3));
  Behind behind(mock, 6);
  behind.play(closed(10, 3s, 3ms));
  behind.check_levels(6);
  behind.check_durations();
}

TEST_CASE("levels and durations are those of the server: cores are shared") {
  MockServer mock(exponential_work(2ms, 4), cores(3));
  Behind behind(mock, 10);
  behind.play(closed(14, 3s));
  behind.check_levels(10);
  behind.check_durations();
}

TEST_CASE("idle in transaction is neither executing nor free") {
  MockServer mock(work_in_text());
  Behind behind(mock, 6);
  load::Plan plan = closed(6, 2s);
  plan.jobs = {
      {1ms, {{"begin", 0ns}, {"select work 2000", 10ms}, {"select work 1000", 0ns}, {"commit", 0ns}}}};
  const std::size_t jobs = behind.play(plan).jobs.size();
  behind.check_levels(6);
  const PgResult shown = behind.pgweir->console_exec("SHOW CONCURRENCY");
  std::chrono::milliseconds idle{}, held{}, executing{};
  for (int level = 1; level <= 6; ++level) {
    idle += behind.shown_from(shown, "idle in transaction", level);
    held += behind.shown_from(shown, "in use", level);
    executing += behind.shown_from(shown, "executing", level);
  }
  // Each thinks for 10 ms at least. Each level's sum is rounded down once.
  CHECK(idle + rounding * 21 >= 10ms * jobs);
  CHECK(idle + executing <= held + rounding * 21);
}

TEST_CASE("errors, cancels and servers that die are the client's and the next server's matter") {
  MockServer mock(work_in_text());
  const Behind behind(mock, 1);
  PgConnection client = behind.pgweir->connect();
  CHECK(client.value("select work 1") == "1");
  CHECK(client.exec_params("select work 1", {}).value(0, 0) == "1");
  CHECK(client.failure("select fail 40001") == "40001");

  client.must("begin; select work 1");
  CHECK(client.failure("select fail 23505") == "23505");
  CHECK(client.failure("select work 1") == "25P02");
  CHECK(client.must("commit").tag() == "ROLLBACK");

  client.send("select work 60000000");
  REQUIRE(eventually([&] { return behind.pgweir->pool("sv_active") == 1; }));
  client.cancel();
  CHECK(client.finish().sqlstate() == "57014");
  CHECK(mock.cancels() == 1);
  CHECK(mock.logins() == 1);

  CHECK_FALSE(client.exec("select die").ok());
  PgConnection other = behind.pgweir->connect();
  CHECK(other.value("select work 1") == "1");
  CHECK(mock.logins() == 2);

  mock.drop_all();
  CHECK(eventually([&] { return behind.pgweir->pool("sv_idle") == 0; }));
  CHECK(other.value("select work 1") == "1");
  CHECK(mock.logins() == 3);
}

// Advice is judged only where the machine let the run be what it was meant to be; else it is run again. Not
// under a sanitizer, which is too slow for it.
constexpr int most_runs = 3;
const std::string not_judged =
    "the machine was too busy for the run to be what it was meant to be: not judged";

TEST_CASE("advice before a server that nothing slows: what the waits need") {
  for (std::uint64_t run = 1; run <= most_runs && !sanitized(); ++run) {
    MockServer mock(exponential_work(10ms, run));
    Behind behind(mock, 40);
    const load::Plan plan = poisson(200, 12s, run);
    const load::Result result = behind.play(plan);
    if (result.on_time * 100 < plan.jobs.size() * 99) continue;
    const Shown shown = advice(*behind.pgweir);
    CAPTURE(shown.advice);
    CAPTURE(shown.in_short);
    CHECK(shown.verdict == "shrink");
    CHECK(shown.decided_by == "pool");
    // The target is 10 ms, with 20 % more traffic. Waits of a replay move by milliseconds from one size to
    // the next.
    CHECK(p99_wait(behind.jobs, shown.advice) <= 12ms);
    CHECK(p99_wait(behind.jobs, std::max(1, shown.advice / 2)) > 10ms);
    return;
  }
  MESSAGE(not_judged);
}

// One worker: of several, each takes its own level times their number for the host's (pool/host_meter.h),
// and the curve that follows from that is not this one.
TEST_CASE("advice before four cores: more connections than that do not make it faster") {
  for (std::uint64_t run = 1; run <= most_runs && !sanitized(); ++run) {
    MockServer mock(exponential_work(4ms, run), cores(4));
    Behind behind(mock, 20, 1);
    // A quiet time shows how fast it is alone.
    behind.play(closed(2, 4s));
    const std::size_t quiet = behind.jobs.size();
    behind.play(closed(30, 10s));
    const std::size_t busy = behind.jobs.size() - quiet;
    // 2 clients of 4 ms each for 4 s are 2,000, 4 cores of 4 ms each for 10 s 10,000.
    if (quiet < 1700 || busy < 8500) continue;
    const Shown shown = advice(*behind.pgweir);
    // The run went over the turn of a minute, and so is recorded in two parts, each too short to replay.
    if (shown.verdict == "keep") continue;
    CAPTURE(shown.advice);
    CAPTURE(shown.in_short);
    CHECK((shown.verdict == "shrink" || shown.verdict == "probe"));
    CHECK(shown.decided_by == "server");
    CHECK(shown.advice >= 3);
    CHECK(shown.advice <= 8);
    return;
  }
  MESSAGE(not_judged);
}
