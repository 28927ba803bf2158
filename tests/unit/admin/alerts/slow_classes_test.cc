#include "admin/alerts/slow_classes.h"

#include <doctest/doctest.h>

#include "tests/unit/admin/alerts/alert_samples.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

// A pool whose queries 7 and 8 execute 4 and 1 ms, give or take, so many times a minute each.
struct Load {
  SlowClasses slow{};
  int minute = 0;
  std::uint32_t random = 3;

  double spread() {
    random = random * 1664525 + 1013904223;
    return 0.7 + 0.6 * (random >> 8) / double(1 << 24);
  }
  void run(int minutes, double factor = 1, int rate = 200) {
    for (int i = 0; i < minutes; ++i, ++minute) {
      TraceSegment part;
      part.start = Instant(std::chrono::minutes(1000 + minute));
      part.length = 60s;
      for (int n = 0; n < rate; ++n) {
        TraceRecord record;
        record.statement_class = 1;
        record.executing_us = static_cast<std::uint32_t>(4000 * factor * spread());
        part.records.push_back(record);
        record.statement_class = 2;
        record.executing_us = static_cast<std::uint32_t>(1000 * spread());
        part.records.push_back(record);
      }
      slow.add(part, {0, 7, 8});
      slow.settle(now());
    }
  }
  Instant now() const { return Instant(std::chrono::minutes(1000 + minute + 1)) + 15s; }
  std::vector<AlertFinding> judge() {
    return slow.judge(
        "shop/alice", [](std::uint64_t id) { return "query " + std::to_string(id); }, now());
  }
};

}  // namespace

TEST_CASE("slower: a query that takes longer than it ever does is found, its neighbour is not") {
  Load load;
  load.run(150);
  CHECK(load.judge().empty());
  load.run(12, 1.6);
  const auto found = load.judge();
  REQUIRE(found.size() == 1);
  CHECK_FALSE(found[0].holds);
  CHECK(found[0].key == AlertKey{AlertKind::slower, "shop/alice", "7"});
  CHECK(found[0].value == doctest::Approx(1.6).epsilon(0.1));
  CHECK(found[0].reason.find("query 7 takes 1.") == 0);
  CHECK(found[0].action.find("Other queries are as usual") == 0);
  load.run(12);
  CHECK(load.judge().empty());
}

TEST_CASE("slower: a slow tail of one run in seven is found as well") {
  Load load;
  load.run(150);
  for (int i = 0; i < 12; ++i) {
    load.run(1, 1, 170);
    --load.minute;
    load.run(1, 10, 30);
  }
  const auto found = load.judge();
  REQUIRE(found.size() == 1);
  CHECK(found[0].key.detail == "7");
}

TEST_CASE("slower: one bad minute, or less than two usual hours, say nothing") {
  Load load;
  load.run(150);
  load.run(1, 20);
  CHECK(load.judge().empty());
  load.run(5);
  CHECK(load.judge().empty());
  Load young;
  young.run(100);
  young.run(15, 3);
  CHECK(young.judge().empty());
}

TEST_CASE("slower: only usual times with at least as much load are compared with") {
  Load load;
  load.run(150, 1, 50);
  load.run(15, 1.6, 200);  // slower because busier
  CHECK(load.judge().empty());
  Load quiet;
  quiet.run(150, 1.6, 200);
  quiet.run(15, 1.6, 50);  // as slow as when it was busier
  CHECK(quiet.judge().empty());
}

TEST_CASE("slower: what stays slower for a day is usual then") {
  Load load;
  load.run(150);
  load.run(23 * 60, 1.6);
  CHECK(load.judge().size() == 1);
  load.run(4 * 60, 1.6);
  CHECK(load.judge().empty());
}
