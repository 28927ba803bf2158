#include "admin/stats_history.h"

#include <doctest/doctest.h>

#include "tests/unit/admin/console_reply.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

// Two workers and two users share the database `shop`.
std::vector<WorkerSnapshot> workers_with(std::uint64_t queries, Duration query_time) {
  std::vector<WorkerSnapshot> workers(2);
  for (std::uint32_t i = 0; i < 2; ++i) {
    workers[i].worker = WorkerId{i};
    for (const char* user : {"alice", "bob"}) {
      PoolSnapshot pool;
      pool.database = "shop";
      pool.user = user;
      pool.measure.totals.query_count = queries;
      pool.measure.totals.query_time = query_time;
      workers[i].pools.push_back(std::move(pool));
    }
  }
  return workers;
}

struct Shown {
  std::string rate, time;
};
Shown averages(Instant now, std::vector<WorkerSnapshot> workers, const StatsHistory& history) {
  const Settings settings = settings_by_default();
  World world = world_of(settings, std::move(workers));
  world.now = now;
  world.history = &history;
  const ConsoleReply reply = ask("SHOW STATS", world);
  return {reply.value("database", "shop", "avg_query_count"),
          reply.value("database", "shop", "avg_query_time")};
}

}  // namespace

TEST_CASE("stats: totals are summed over users and workers") {
  const auto totals = database_totals(workers_with(5, 3ms));
  REQUIRE(totals.size() == 1);
  CHECK(totals.at("shop").query_count == 20);
  CHECK(totals.at("shop").query_time == 12ms);
}

TEST_CASE("stats: averages run from the last but one sample, and from the start before that") {
  StatsHistory history;
  CHECK(history.base() == nullptr);
  // 4 * 150 queries in 30 s; 2 ms each.
  Shown now = averages(Instant(30s), workers_with(150, 300ms), history);
  CHECK(now.rate == "20");
  CHECK(now.time == "2000");

  history.sample(Instant(60s), workers_with(300, 600ms));
  CHECK(history.base() == nullptr);
  history.sample(Instant(120s), workers_with(300, 600ms));
  REQUIRE(history.base() != nullptr);
  CHECK(history.base()->at == Instant(60s));
  // Since second 60: 4 * 90 queries in 90 s; 10 ms each.
  now = averages(Instant(150s), workers_with(390, 1500ms), history);
  CHECK(now.rate == "4");
  CHECK(now.time == "10000");

  history.sample(Instant(180s), workers_with(390, 1500ms));
  CHECK(history.base()->at == Instant(120s));
}

TEST_CASE("stats: nothing happened, or counters that went back, average to zero") {
  StatsHistory history;
  history.sample(Instant(60s), workers_with(500, 900ms));
  history.sample(Instant(120s), workers_with(500, 900ms));
  Shown now = averages(Instant(130s), workers_with(500, 900ms), history);
  CHECK(now.rate == "0");
  CHECK(now.time == "0");
  now = averages(Instant(130s), workers_with(1, 1ms), history);
  CHECK(now.rate == "0");
  CHECK(now.time == "0");
  now = averages(Instant(60s), workers_with(600, 900ms), history);  // no time since
  CHECK(now.rate == "0");
}

TEST_CASE("stats: the line for the log is over the last period and all databases") {
  StatsHistory history;
  history.sample(Instant(60s), workers_with(300, 600ms));
  CHECK(history.line(Instant(0s)) ==
        "stats: 0 xacts/s, 20 queries/s, 0 client parses/s, 0 server parses/s, 0 binds/s, "
        "in 0 B/s, out 0 B/s, xact 0 us, query 2000 us, wait 0 us");
  history.sample(Instant(120s), workers_with(900, 4200ms));
  CHECK(history.line(Instant(0s)) ==
        "stats: 0 xacts/s, 40 queries/s, 0 client parses/s, 0 server parses/s, 0 binds/s, "
        "in 0 B/s, out 0 B/s, xact 0 us, query 6000 us, wait 0 us");
}
