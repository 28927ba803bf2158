#include "pool/windows.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

MinuteWindow minute(int n, int level) {
  MinuteWindow window;
  window.start = Instant(n * 1min);
  window.duration = 1min;
  window.arrivals = window.completions = 10;
  window.held.add_time(level, 1min);
  window.virtual_demand.add_time(level, 1min);
  Histogram waits;
  waits.record(std::chrono::milliseconds(n));
  window.waits = waits.pack();
  window.pool_size = 20;
  return window;
}

WindowRef ref(MinuteWindow window) { return std::make_shared<const MinuteWindow>(std::move(window)); }

}  // namespace

TEST_CASE("windows: the ring keeps the last 15, oldest first") {
  Windows windows;
  for (int i = 0; i < 200; ++i) windows.push(ref(minute(i, 1)));
  CHECK(windows.size() == 15);
  CHECK(windows[0].start == Instant(185min));
  CHECK(windows[14].start == Instant(199min));
}

TEST_CASE("windows: a range is summed and nothing outside of it") {
  Windows windows;
  for (int i = 0; i < 10; ++i) windows.push(ref(minute(i, i)));
  const MinuteWindow all = sum(windows.all(), Instant(2min), Instant(5min));
  CHECK(all.start == Instant(2min));
  CHECK(all.duration == 3min);
  CHECK(all.completions == 30);
  CHECK(all.held.mean() == doctest::Approx(3));
  CHECK(all.waits.unpack().count() == 3);
  CHECK(all.waits.max == 4ms);
  CHECK(sum(windows.all(), Instant(1h), Instant(2h)).completions == 0);
}

TEST_CASE("windows: the busiest is the one with the highest offered load, pauses not counted") {
  Windows windows;
  CHECK(busiest(windows.all()) == nullptr);
  windows.push(ref(minute(0, 3)));
  MinuteWindow half = minute(1, 0);
  half.held = LevelTimes{};
  half.held.add_time(0, 40s);
  half.held.add_time(5, 20s);
  half.virtual_demand = half.held;
  half.idle = 40s;
  windows.push(ref(half));
  windows.push(ref(minute(2, 4)));
  CHECK(busiest(windows.all())->start == Instant(1min));
  CHECK(busiest(windows.all())->offered_load() == doctest::Approx(5));
}

TEST_CASE("windows: what was held stands in while too little of the virtual demand is known") {
  MinuteWindow window = minute(0, 2);
  window.virtual_demand = LevelTimes{};
  window.virtual_demand.add_time(7, 5s);
  CHECK_FALSE(window.covers_virtual());
  CHECK(window.offered_load() == doctest::Approx(2));
  window.virtual_demand.add_time(7, 10s);
  CHECK(window.covers_virtual());
  CHECK(window.offered_load() == doctest::Approx(7));
}

TEST_CASE("windows: virtual demand that comes late goes to the oldest window without it") {
  Windows windows;
  for (int i = 0; i < 3; ++i) {
    MinuteWindow window = minute(i, 2);
    window.virtual_final = i == 0;
    windows.push(ref(window));
  }
  const WindowRef before = windows.all()[1];
  LevelTimes late;
  late.add_time(9, 1min);
  windows.complete(late);
  CHECK(windows[0].virtual_demand.mean() == doctest::Approx(2));
  CHECK(windows[1].virtual_demand.mean() == doctest::Approx(9));
  CHECK(windows[1].virtual_final);
  CHECK_FALSE(windows[2].virtual_final);
  CHECK(before->virtual_demand.mean() == doctest::Approx(2));  // a copy taken before did not change
}

TEST_CASE("windows: two shards add up, and idle together stays idle") {
  MinuteWindow a = minute(0, 0), b = minute(0, 0);
  for (MinuteWindow* window : {&a, &b}) {
    window->held = LevelTimes{};
    window->held.add_time(0, 30s);
    window->held.add_time(4, 30s);
    window->virtual_demand = window->held;
    window->idle = 30s;
    window->highest_open = 5;
  }
  combine(a, b);
  CHECK(a.completions == 20);
  CHECK(a.idle == 30s);
  CHECK(a.duration == 1min);
  CHECK(a.held.time_at(8) == 30s);
  CHECK(a.held.time_at(0) == 30s);
  CHECK(a.offered_load() == doctest::Approx(8));
  CHECK(a.highest_open == 10);
  CHECK(a.pool_size == 20);
  CHECK(a.shards == 2);
}

TEST_CASE("windows: the trend tells clients that wait for answers from independent ones") {
  // 10 clients, each sends at 1/s when it is not at the pool: the rate is 10 - level.
  ArrivalTrend closed, open;
  for (int level = 0; level <= 8; ++level) {
    closed.add_time(level, 100s);
    open.add_time(level, 100s);
    for (int i = 0; i < 100 * (10 - level); ++i) closed.add_arrival(level);
    for (int i = 0; i < 300; ++i) open.add_arrival(level);
  }
  CHECK(closed.feedback(10) == doctest::Approx(-1));
  CHECK(open.feedback(10) == doctest::Approx(0));
  CHECK(std::isnan(ArrivalTrend{}.feedback(10)));
  ArrivalTrend flat;
  flat.add_time(3, 10s);
  flat.add_arrival(3);
  CHECK(std::isnan(flat.feedback(10)));
}
