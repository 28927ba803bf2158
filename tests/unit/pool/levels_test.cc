#include "pool/levels.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

const Instant start(100s);

}  // namespace

TEST_CASE("levels: time at each level is exact") {
  LevelGauge gauge(start);
  gauge.set(1, start + 10ms);
  gauge.set(3, start + 15ms);
  gauge.set(2, start + 15ms);  // 3 lasted for no time
  gauge.set(0, start + 40ms);
  const LevelTimes times = gauge.times(start + 50ms);
  CHECK(times.time_at(0) == 20ms);
  CHECK(times.time_at(1) == 5ms);
  CHECK(times.time_at(2) == 25ms);
  CHECK(times.time_at(3) == 0ms);
  CHECK(times.total() == 50ms);
  CHECK(times.level_time() == 55ms);
  CHECK(times.mean() == doctest::Approx(1.1));
  CHECK(times.variance() == doctest::Approx((5 * 1 + 25 * 4) / 50.0 - 1.1 * 1.1));
  CHECK(times.highest() == 2);
  CHECK(times.share_at_or_above(1) == doctest::Approx(0.6));
  CHECK(times.share_at_or_above(2) == doctest::Approx(0.5));
  CHECK(times.share_at_or_above(9) == 0);
}

TEST_CASE("levels: quantiles are weighted by time, not by changes") {
  LevelGauge gauge(start);
  for (int i = 0; i < 100; ++i) {
    gauge.set(5, start + i * 10ms);
    gauge.set(0, start + i * 10ms + 100us);
  }
  const LevelTimes times = gauge.times(start + 1s);
  CHECK(times.quantile(0.5) == 0);
  CHECK(times.quantile(0.985) == 0);
  CHECK(times.quantile(0.995) == 5);
  CHECK(times.quantile(1) == 5);
}

TEST_CASE("levels: arrivals and completions are counted at the level that they met") {
  LevelGauge gauge(start);
  gauge.arrival();
  gauge.add(1, start);
  gauge.arrival();
  gauge.add(1, start + 1ms);
  gauge.completion();
  gauge.add(-1, start + 2ms);
  const LevelTimes times = gauge.times(start + 2ms);
  CHECK(times.arrivals_at(0) == 1);
  CHECK(times.arrivals_at(1) == 1);
  CHECK(times.arrivals_at(7) == 0);
  CHECK(times.completions_at(2) == 1);
}

TEST_CASE("levels: taking starts a new record at the present level") {
  LevelGauge gauge(start);
  gauge.set(4, start);
  CHECK(gauge.take(start + 3s).time_at(4) == 3s);
  const LevelTimes second = gauge.take(start + 4s);
  CHECK(second.time_at(4) == 1s);
  CHECK(second.total() == 1s);
}

TEST_CASE("levels: time that stands still or goes back adds nothing") {
  LevelGauge gauge(start);
  gauge.set(2, start + 1s);
  gauge.set(3, start);
  gauge.set(0, start + 2s);
  const LevelTimes times = gauge.times(start + 2s);
  CHECK(times.total() == 2s);
  CHECK(times.time_at(3) == 1s);
}

TEST_CASE("levels: high levels share slots of at most 1.6 %") {
  CHECK(LevelTimes::slot_of(-3) == 0);
  CHECK(LevelTimes::slot_of(1023) == 1023);
  CHECK(LevelTimes::slot_of(1024) == 1024);
  CHECK(LevelTimes::slot_of(1 << 30) == LevelTimes::max_slots - 1);
  for (int level = 1; level < 1 << 20; level += 1 + level / 100) {
    const int shown = LevelTimes::level_of(LevelTimes::slot_of(level));
    CHECK(std::abs(shown - level) <= level / 64);
    CHECK(LevelTimes::slot_of(shown) == LevelTimes::slot_of(level));
  }
  LevelTimes times;
  times.add_time(5000, 1s);
  CHECK(times.mean() == doctest::Approx(5000).epsilon(0.008));
}

TEST_CASE("levels: merging adds times, removing idle time takes level 0") {
  LevelTimes a, b;
  a.add_time(0, 3s);
  a.add_time(2, 1s);
  b.add_time(2, 4s);
  b.add_completion(2);
  a.merge(b);
  CHECK(a.time_at(2) == 5s);
  CHECK(a.completions_at(2) == 1);
  a.remove_idle(2s);
  CHECK(a.time_at(0) == 1s);
  a.remove_idle(1h);
  CHECK(a.time_at(0) == 0s);
  CHECK(a.total() == 5s);
}

TEST_CASE("levels: two gauges side by side combine as independent ones") {
  LevelTimes a, b;
  a.add_time(0, 1s);
  a.add_time(2, 1s);
  b.add_time(1, 1s);
  b.add_time(3, 1s);
  const LevelTimes both = LevelTimes::combine(a, b);
  CHECK(both.total() == 2s);
  CHECK(both.time_at(1) == 500ms);
  CHECK(both.time_at(3) == 1s);
  CHECK(both.time_at(5) == 500ms);
  CHECK(both.mean() == doctest::Approx(a.mean() + b.mean()));
  CHECK(both.variance() == doctest::Approx(a.variance() + b.variance()));
  CHECK(LevelTimes::combine(a, LevelTimes{}).mean() == doctest::Approx(a.mean()));
}

TEST_CASE("levels: an empty record answers zero") {
  const LevelTimes empty;
  CHECK(empty.mean() == 0);
  CHECK(empty.variance() == 0);
  CHECK(empty.quantile(0.99) == 0);
  CHECK(empty.highest() == 0);
  CHECK(empty.share_at_or_above(1) == 0);
  CHECK(empty.total() == 0s);
}
