#include "pool/pool_history.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

WindowRef minute(int n, int level, Duration wait = 1ms) {
  auto window = std::make_shared<MinuteWindow>();
  window->start = Instant(n * 1min + 2ms);
  window->duration = 1min;
  window->completions = 10;
  window->held.add_time(level, 1min);
  window->virtual_demand.add_time(level, 1min);
  Histogram waits;
  waits.record(wait);
  window->waits = waits.pack();
  window->highest_needing = level;
  return window;
}

RunTimes always() {
  RunTimes runs;
  runs.add(Instant(-1000h), Instant(100'000h));
  return runs;
}

}  // namespace

TEST_CASE("history: parts of a minute are put together in whatever order they come") {
  PoolHistory history(0s);
  history.add(minute(5, 2));
  history.add(minute(4, 1));
  history.add(minute(5, 3));
  REQUIRE(history.minutes().size() == 2);
  CHECK(history.minutes()[1]->shards == 2);
  CHECK(history.minutes()[1]->held.mean() == doctest::Approx(5));

  // Two processes, one after the other, in the same minute.
  auto first = std::make_shared<MinuteWindow>(*minute(7, 4));
  first->duration = 20s;
  auto second = std::make_shared<MinuteWindow>(*first);
  second->start = first->start + 25s;
  history.add(second);
  history.add(first);
  REQUIRE(history.minutes().size() == 3);
  CHECK(history.minutes()[2]->duration == 40s);
  CHECK(history.minutes()[2]->shards == 1);
  CHECK(history.minutes()[2]->start == first->start);
}

TEST_CASE("history: ten minutes, hours and days keep their busiest and worst minute") {
  // The wall clock is 3 minutes ahead: periods begin on its round times.
  PoolHistory history(3min);
  const RunTimes runs = always();
  std::size_t closed = 0;
  for (int n = -3; n < 26 * 60; ++n) {
    const int level = n == 130 ? 40 : 1 + n % 3;
    history.add(minute(n, level, n == 200 ? 2s : 1ms));
    closed += history.close(Instant((n + 1) * 1min), runs).size();
  }
  const auto& tens = history.periods(Tier::ten_minutes);
  const auto& hours = history.periods(Tier::hours);
  const auto& days = history.periods(Tier::days);
  CHECK(closed == tens.size() + hours.size() + days.size());
  CHECK(tens.size() == 155);  // until four minutes ago
  CHECK(hours.size() == 25);
  REQUIRE(days.size() == 1);
  CHECK(history.minutes().size() == 180);
  CHECK(tens[0]->sum.start == Instant(-3min + 2ms));
  CHECK(tens[0]->sum.completions == 100);
  CHECK(days[0]->sum.completions == 24 * 600);
  CHECK(days[0]->sum.duration == 24h);
  CHECK(days[0]->busiest->start == Instant(130min + 2ms));
  CHECK(days[0]->worst->start == Instant(200min + 2ms));
  CHECK(hours[2]->busiest->start == Instant(130min + 2ms));
  CHECK_FALSE(days[0]->gap);
}

TEST_CASE("history: a period in which pgweir did not run all the time says so; an empty one is not there") {
  PoolHistory history(0s);
  RunTimes runs;
  runs.add(Instant(0s), Instant(12min));
  runs.add(Instant(13min), Instant(13min));
  runs.add(Instant(13min), Instant(59min));
  for (const int n : {1, 2, 11, 15, 45}) history.add(minute(n, 1));
  history.close(Instant(59min), runs);
  const auto& tens = history.periods(Tier::ten_minutes);
  REQUIRE(tens.size() == 3);
  CHECK_FALSE(tens[0]->gap);
  CHECK(tens[1]->gap);
  CHECK(tens[2]->sum.start == Instant(45min + 2ms));
  CHECK_FALSE(tens[2]->gap);
  CHECK(history.close(Instant(59min), runs).empty());
  history.close(Instant(2h), runs);
  CHECK(history.periods(Tier::hours).at(0)->gap);
}

TEST_CASE("history: an earlier process's periods and minutes go on") {
  PoolHistory before(0s), after(0s);
  const RunTimes runs = always();
  for (int n = 0; n < 25; ++n) before.add(minute(n, n == 5 ? 30 : 2));
  before.close(Instant(25min), runs);
  for (const PeriodRef& period : before.periods(Tier::ten_minutes)) after.restore(Tier::ten_minutes, period);
  for (const WindowRef& window : before.minutes()) after.add(window);
  for (int n = 25; n < 60; ++n) after.add(minute(n, 2));
  after.close(Instant(2h), runs);
  CHECK(after.periods(Tier::ten_minutes).size() == 6);
  REQUIRE(after.periods(Tier::hours).size() == 1);
  CHECK(after.periods(Tier::hours)[0]->sum.completions == 600);
  CHECK(after.periods(Tier::hours)[0]->busiest->start == Instant(5min + 2ms));
}

TEST_CASE("history: every tier is bounded") {
  PoolHistory history(0s);
  const RunTimes runs = always();
  for (int n = 0; n < 60 * 24 * 5; n += 9) {
    history.add(minute(n, 1));
    history.close(Instant(n * 1min), runs);
  }
  CHECK(history.periods(Tier::ten_minutes).size() == 432);
  for (int n = 0; n < 900; ++n) {
    history.restore(Tier::days,
                    std::make_shared<const Period>(Period{*minute(n * 1440, 1), nullptr, nullptr, false}));
  }
  CHECK(history.periods(Tier::days).size() == 400);
}
