// SHOW RECOMMENDATION, SHOW BUDGET and SHOW LEVELS.

#include <doctest/doctest.h>

#include <set>

#include "admin/settings_table.h"
#include "tests/unit/admin/console_reply.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

// So many transactions a second of 40 ms, evenly, for 20 s.
TraceSegment steady_trace(int rate) {
  TraceSegment trace;
  trace.length = 20s;
  trace.pool_size = 5;
  for (int i = 0; i < 20 * rate; ++i) {
    TraceRecord record;
    record.client = static_cast<std::uint32_t>(i % 50);
    record.arrival_us = i * (1'000'000 / rate);
    record.executing_us = 40000;
    trace.records.push_back(record);
  }
  return trace;
}

// Two pools of 5 on one server: one needs some 10, the other some 20.
struct TwoPools {
  Settings settings = settings_by_default();
  std::vector<WorkerSnapshot> workers{1};

  TwoPools() {
    settings.databases["*"] = database_by_default("*");
    for (const auto& [user, rate] : {std::pair("alice", 200), std::pair("bob", 400)}) {
      PoolSnapshot pool;
      pool.database = "shop";
      pool.user = user;
      pool.host = "db:5432";
      pool.pool_size = 5;
      pool.reserve_pool_size = 1;
      pool.counts.sv_idle = 4;
      pool.trace = steady_trace(rate);
      workers[0].pools.push_back(std::move(pool));
    }
    workers[0].hosts.push_back({.name = "db:5432", .evidence = {}, .part = {}});
  }

  // `left`: for pgweir.
  ConsoleReply ask_with(std::optional<int> left, Bytes query) const {
    World world = world_of(settings, workers);
    if (left) {
      HostLimitsKnown known;
      known.last.at = world.now - 12s;
      known.last.max_connections = *left + 10;
      known.last.superuser_reserved = 3;
      known.last.reserved = 2;
      known.others = 5;
      known.others_now = 4;
      world.limits["db:5432"] = known;
    }
    return ask(query, world);
  }
};

// Of the row with these two values in its first columns after the pool's or host's.
std::string cell(const ConsoleReply& reply, const std::string& column, const std::string& what,
                 const std::string& pool = {}) {
  for (const auto& row : reply.only().rows) {
    if (row[reply.index("what")] != what || row[reply.index("pool")] != pool) continue;
    return row[reply.index(column)].value_or("NULL");
  }
  return "none";
}

std::string fact(const ConsoleReply& reply, const std::string& topic, const std::string& name,
                 const std::string& column) {
  for (const auto& row : reply.only().rows)
    if (row[reply.index("topic")] == topic && row[reply.index("name")] == name)
      return row[reply.index(column)].value_or("NULL");
  return "none";
}

}  // namespace

TEST_CASE("SHOW BUDGET adds up, and splits what there is") {
  const TwoPools world;
  const ConsoleReply reply = world.ask_with(20, "SHOW BUDGET");
  CHECK(cell(reply, "connections", "max_connections") == "30");
  CHECK(cell(reply, "note", "max_connections") == "asked 12 s ago");
  CHECK(cell(reply, "connections", "superuser_reserved_connections") == "3");
  CHECK(cell(reply, "connections", "reserved_connections") == "2");
  CHECK(cell(reply, "connections", "other_connections") == "5");
  CHECK(cell(reply, "connections", "left_for_pgweir") == "20");
  CHECK(cell(reply, "connections", "pools_may_open") == "12");
  CHECK(cell(reply, "connections", "open_now") == "8");
  CHECK(cell(reply, "connections", "spare") == "8");
  CHECK(cell(reply, "connections", "pool_may_open", "shop/bob") == "6");
  const int alice = std::stoi(cell(reply, "connections", "pool_share", "shop/alice"));
  const int bob = std::stoi(cell(reply, "connections", "pool_share", "shop/bob"));
  CHECK(alice + bob <= 20);
  CHECK(alice >= 5);
  CHECK(bob > alice);
  CHECK(cell(reply, "note", "pool_share", "shop/bob").starts_with("99 % of the transactions would wait"));
}

TEST_CASE("SHOW BUDGET says what is not known, and why") {
  TwoPools world;
  const ConsoleReply unknown = world.ask_with({}, "SHOW BUDGET");
  CHECK(cell(unknown, "connections", "max_connections") == "NULL");
  CHECK(cell(unknown, "note", "max_connections").starts_with("not known: "));
  CHECK(cell(unknown, "connections", "pools_may_open") == "12");
  CHECK(cell(unknown, "connections", "spare") == "NULL");
  CHECK(cell(unknown, "connections", "pool_share", "shop/bob") == "none");
  CHECK(cell(world.ask_with(7, "SHOW BUDGET"), "note", "spare").starts_with("too many: "));
  // A limit of the database bounds both.
  world.settings.pool.max_db_connections = 8;
  CHECK(cell(world.ask_with(7, "SHOW BUDGET"), "connections", "pools_may_open") == "8");
}

TEST_CASE("advice stays within what the server has for all pools together") {
  const TwoPools world;
  const auto advised = [&](std::optional<int> left, const char* pool) {
    return std::stoi(world.ask_with(left, "SHOW RECOMMENDATIONS").value("pool", pool, "advice"));
  };
  const int alice = advised({}, "shop/alice"), bob = advised({}, "shop/bob");
  CHECK(alice + bob > 20);
  CHECK(advised(100, "shop/alice") == alice);
  CHECK(advised(20, "shop/alice") + advised(20, "shop/bob") <= 20);
  const ConsoleReply bounded = world.ask_with(20, "SHOW RECOMMENDATIONS shop/bob");
  CHECK(bounded.value("pool", "shop/bob", "decided_by") == "limit");
  CHECK(bounded.value("pool", "shop/bob", "evidence").find("BUDGET).") != std::string::npos);
}

TEST_CASE("SHOW RECOMMENDATION has the figures of SHOW RECOMMENDATIONS and SHOW WHATIF, in lines that fit") {
  const TwoPools world;
  const ConsoleReply in_short = world.ask_with({}, "SHOW RECOMMENDATIONS shop/bob");
  const ConsoleReply reply = world.ask_with({}, "SHOW RECOMMENDATION shop/bob");
  const auto same = [&](const char* topic, const char* name, const char* column) {
    CHECK(fact(reply, topic, name, "value") == in_short.value("pool", "shop/bob", column));
  };
  same("advice", "verdict", "verdict");
  same("advice", "decided by", "decided_by");
  same("advice", "confidence", "confidence");
  same("size", "advised", "advice");
  same("size", "minimum", "minimum");
  same("size", "ceiling", "ceiling");
  same("size", "warm", "warm");
  CHECK(fact(reply, "advice", "verdict", "text")
            .starts_with(fact(reply, "advice", "verdict", "value") == "step"
                             ? "grow"
                             : fact(reply, "advice", "verdict", "value")));
  CHECK(fact(reply, "measured", "transactions", "value") == "8000");
  const ConsoleReply what_if = world.ask_with({}, "SHOW WHATIF shop/bob");
  for (const auto& row : what_if.only().rows) {
    const std::string size = *row[what_if.index("size")];
    CHECK(fact(reply, "what if", size, "value") == what_if.value("size", size, "p99_wait_us"));
  }
  for (const auto& row : reply.only().rows) {
    const std::string text = *row[reply.index("text")];
    CHECK_FALSE(text.empty());
    // What is not known says so.
    if (row[reply.index("topic")] == "size" && !row[reply.index("value")])
      CHECK(text.starts_with("? not known"));
  }
}

TEST_CASE("SHOW LEVELS: the last hour, its busiest minute, and the present one") {
  TwoPools world;
  world.workers[0].pools.resize(1);
  PoolMeasure& measure = world.workers[0].pools[0].measure;
  for (int minute = 1; minute <= 2; ++minute) {
    auto window = std::make_shared<MinuteWindow>();
    window->start = Instant(1h) - minute * 1min;
    window->duration = 60s;
    window->held.add_time(0, 30s);
    window->held.add_time(5, 30s);
    window->held.add_counts(0, 10, 0);
    window->held.add_counts(5, 20, 60);
    window->virtual_demand.add_time(0, 30s);
    window->virtual_demand.add_time(minute == 1 ? 5 : 9, 30s);
    window->pool_size = 5;
    measure.windows.insert(measure.windows.begin(), window);
  }
  measure.current.held.add_time(1, 10s);
  measure.current.shards = 2;
  measure.current.estimated = true;
  const ConsoleReply reply = world.ask_with({}, "SHOW LEVELS shop");
  const auto at = [&](const std::string& window, const std::string& level, const char* column) {
    for (const auto& row : reply.only().rows)
      if (row[reply.index("window")] == window && row[reply.index("level")] == level)
        return row[reply.index(column)].value_or("NULL");
    return std::string("none");
  };
  CHECK(at("last hour", "0", "time_ms") == "60000");
  CHECK(at("last hour", "5", "percent") == "50.000");
  CHECK(at("last hour", "9", "demand_percent") == "25.000");
  CHECK(at("last hour", "5", "arrivals") == "40");
  CHECK(at("last hour", "5", "transactions_per_second") == "2.0");
  CHECK(at("last hour", "3", "transactions_per_second") == "NULL");
  CHECK(at("last hour", "5", "picture").find("<- pool size 5") != std::string::npos);
  CHECK(at("busiest minute", "9", "demand_percent") == "50.000");
  CHECK(at("busiest minute", "9", "picture").find("waited") != std::string::npos);
  CHECK(at("this minute (estimated)", "1", "time_ms") == "10000");
  CHECK(at("this minute (estimated)", "1", "arrivals") == "NULL");
}
