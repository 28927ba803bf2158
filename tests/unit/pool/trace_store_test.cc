#include "pool/trace_store.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

TraceSegment minute(Duration at, std::uint32_t executing_us, std::size_t records = 10,
                    std::uint32_t wait_us = 0) {
  TraceSegment segment;
  segment.start = Instant(at);
  segment.length = 1min;
  segment.pool_size = 5;
  segment.clients = 3;
  for (std::size_t i = 0; i < records; ++i) {
    TraceRecord record;
    record.executing_us = executing_us;
    record.wait_us = wait_us;
    record.statement_class = 1;
    segment.records.push_back(record);
  }
  return segment;
}

bool holds(const TraceStore& store, Duration at) {
  for (const TraceRef& segment : store.segments())
    if (segment->start == Instant(at)) return true;
  return false;
}

}  // namespace

TEST_CASE("trace store: the parts of workers are one minute") {
  TraceStore store;
  TraceSegment here = minute(0s, 6'000'000), there = minute(2ms, 3'000'000);
  here.host_executing = {1, 2};
  there.host_executing = {3, 4, 5};
  there.length = 40s;
  there.records[0].arrival_us = 50'000'000;  // it was not there any more
  store.add(here, {0, 77});
  store.add(there, {0, 88});
  REQUIRE(store.segments().size() == 1);
  const TraceSegment& both = *store.segments()[0];
  CHECK(both.records.size() == 19);
  CHECK(both.clients == 6);
  CHECK(both.host_executing == std::vector<std::uint16_t>{4, 6, 5});
  CHECK(both.length >= 39s);
  CHECK(both.length <= 41s);
  REQUIRE(store.classes().size() == 3);
  int of_77 = 0;
  for (const TraceRecord& record : both.records) of_77 += store.classes()[record.statement_class] == 77;
  CHECK(of_77 == 10);
}

TEST_CASE("trace store: the last minutes stay, and the busiest and the worst of each hour") {
  TraceStore store;
  for (int i = 0; i < 120; ++i) {
    const std::uint32_t executing = i == 17 || i == 90 ? 9'000'000 : 1'000'000;
    store.add(minute(std::chrono::minutes(i), executing, 10, i == 40 ? 500'000 : 0), {0, 1});
  }
  CHECK(holds(store, 17min));
  CHECK(holds(store, 40min));
  CHECK(holds(store, 90min));
  for (int i = 117; i < 120; ++i) CHECK(holds(store, std::chrono::minutes(i)));
  CHECK(store.segments().size() <= TraceStore::last_minutes + 4);

  // Days later only the busiest of each day is left of them.
  store.add(minute(24h * 3, 1), {0, 1});
  for (int i = 1; i < 5; ++i) store.add(minute(24h * 3 + std::chrono::minutes(i), 1), {0, 1});
  CHECK(holds(store, 17min));
  CHECK_FALSE(holds(store, 40min));
  for (int i = 0; i < 5; ++i) store.add(minute(24h * 8 + std::chrono::minutes(i), 1), {0, 1});
  CHECK_FALSE(holds(store, 17min));
}

TEST_CASE("trace store: where there is not room for all, the busiest stay") {
  TraceStore store;
  const std::size_t many = TraceStore::most_records / 8;
  for (int hour = 0; hour < 20; ++hour)
    store.add(
        minute(std::chrono::hours(hour), hour == 3 ? 2000 : 1000 - static_cast<std::uint32_t>(hour), many),
        {0, 1});
  std::size_t records = 0;
  for (const TraceRef& segment : store.segments()) records += segment->records.size();
  CHECK(records <= TraceStore::most_records);
  CHECK(holds(store, 3h));
}
