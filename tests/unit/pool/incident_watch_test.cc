#include "pool/incident_watch.h"

#include <doctest/doctest.h>

#include "pool/trace_store.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

struct Kind {
  std::uint8_t number;
  std::size_t count;
  std::uint32_t executing_us;
};

TraceSegment minute(Duration at, std::initializer_list<Kind> kinds, int pool_size = 6) {
  TraceSegment segment;
  segment.start = Instant(at);
  segment.length = 1min;
  segment.pool_size = pool_size;
  for (const Kind& kind : kinds) {
    for (std::size_t i = 0; i < kind.count; ++i) {
      TraceRecord record;
      record.statement_class = kind.number;
      // Around the middle, a quarter more or less.
      record.executing_us =
          kind.executing_us / 4 * 3 + kind.executing_us / 2 * static_cast<std::uint32_t>(i % 5) / 4;
      segment.records.push_back(record);
    }
  }
  return segment;
}

// Ten minutes of two kinds, from `at` on.
void usual(IncidentWatch& watch, Duration at = {}) {
  for (int i = 0; i < 10; ++i)
    CHECK_FALSE(watch.add(minute(at + i * 1min, {{1, 600, 4000}, {2, 200, 20'000}})));
}

}  // namespace

TEST_CASE("incidents: what takes far longer than usual, with no more to do") {
  IncidentWatch watch;
  usual(watch);
  CHECK(watch.is_incident(minute(10min, {{1, 600, 20'000}, {2, 200, 100'000}})));
  CHECK_FALSE(watch.is_incident(minute(10min, {{1, 600, 10'000}, {2, 200, 50'000}})));
  // Locks: only one kind waits for them, but that is most of the time now.
  CHECK(watch.is_incident(minute(10min, {{1, 600, 4000}, {2, 200, 200'000}})));
  // One kind of little weight.
  CHECK_FALSE(watch.is_incident(minute(10min, {{1, 40, 16'000}, {2, 200, 20'000}})));
}

TEST_CASE("incidents: other work, more of it, and another size are none") {
  IncidentWatch watch;
  usual(watch);
  CHECK_FALSE(watch.is_incident(minute(10min, {{1, 600, 4000}, {3, 50, 900'000}})));      // a report
  CHECK_FALSE(watch.is_incident(minute(10min, {{1, 1500, 20'000}, {2, 500, 100'000}})));  // a rush
  const std::initializer_list<Kind> slow = {{1, 600, 20'000}, {2, 200, 100'000}};
  CHECK_FALSE(watch.is_incident(minute(10min, slow, 60)));
  CHECK_FALSE(watch.add(minute(10min, slow, 60)));
  CHECK_FALSE(watch.add(minute(11min, slow, 6)));  // back again: nothing is usual yet
  IncidentWatch fresh;
  for (int i = 0; i < 4; ++i) CHECK_FALSE(fresh.add(minute(i * 1min, {{1, 600, 4000}})));
  CHECK_FALSE(fresh.add(minute(4min, {{1, 600, 40'000}})));
}

TEST_CASE("incidents: what lasts for an hour is usual") {
  IncidentWatch watch;
  usual(watch);
  const std::initializer_list<Kind> slow = {{1, 600, 20'000}, {2, 200, 100'000}};
  for (int i = 0; i < IncidentWatch::resigned - 1; ++i) CHECK(watch.add(minute((10 + i) * 1min, slow)));
  for (int i = 0; i < 10; ++i) CHECK_FALSE(watch.add(minute((80 + i) * 1min, slow)));
  CHECK(watch.is_incident(minute(90min, {{1, 600, 100'000}, {2, 200, 500'000}})));
}

TEST_CASE("incidents: short ones do not add up to a usual one") {
  IncidentWatch watch;
  usual(watch);
  for (int i = 0; i < 200; ++i) {
    const bool slow = i % 2 == 0;
    CHECK(watch.add(minute((10 + i) * 1min, {{1, 600, slow ? 20'000u : 4000u}})) == slow);
  }
}

TEST_CASE("incidents: traces are marked, remembered, and are not the busiest minutes that are kept") {
  TraceStore store;
  const std::vector<std::uint64_t> classes{0, 77, 88};
  for (int i = 0; i < 40; ++i) {
    const bool slow = i >= 20 && i < 25;
    const std::uint32_t busy = i == 11 ? 700 : 600;
    store.add(minute(i * 1min, {{1, busy, slow ? 20'000u : 4000u}}), classes);
  }
  // It may have begun in the minute before, and its queue has to be served in the one behind it.
  CHECK(store.incidents() == std::vector{Instant(19min), Instant(20min), Instant(21min), Instant(22min),
                                         Instant(23min), Instant(24min), Instant(25min)});
  bool kept = false;
  for (const TraceRef& it : store.segments()) {
    CHECK_FALSE(it->incident);
    kept = kept || it->start == Instant(11min);
  }
  CHECK(kept);

  // The minutes that have only begun.
  store.add(minute(40min, {{1, 600, 20'000}}), classes);
  store.add(minute(41min, {{1, 600, 20'000}}), classes);
  CHECK_FALSE(store.segments().back()->incident);
  TraceStore looked_at = store;
  looked_at.judge_open();
  CHECK(looked_at.segments().back()->incident);
  CHECK(looked_at.incidents().size() == 10);
  CHECK(looked_at.incidents().back() == Instant(41min));
  CHECK(store.incidents().size() == 7);
}
