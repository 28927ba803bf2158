// The autopilot: when it changes a size, by how much, and when it holds.

#include "admin/autopilot.h"

#include <doctest/doctest.h>

#include <map>

#include "admin/autopilot_brake.h"
#include "admin/autopilot_notes.h"
#include "tests/support/steady_minute.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

using Kind = AdviceEntry::Kind;
using Effect = AdviceEntry::Effect;

constexpr Duration wall_offset = 24h * 20'000;
const Route shop{"shop", "alice"};

// A pool of 20 that was measured for two days, always with the same load but for a busy hour and a slightly
// higher load at 16:00 each day; it is 6:00.
struct Flight {
  Instant now = Instant(54h);
  RunTimes runs;
  PoolHistory history{wall_offset};
  AutopilotPool pool{.route = shop,
                     .mode = AutopilotMode::automatic,
                     .least = 2,
                     .most = 60,
                     .trial = 24h,
                     .blocked = {},
                     .history = &history,
                     .runs = &runs,
                     .entries = {}};
  Advice advice;

  explicit Flight(double in_use = 4, int busy_hour = -1, double busy_in_use = 0) {
    runs.add(Instant(), now);
    std::map<double, WindowRef> kinds;
    for (int n = 0; n < 54 * 60; ++n) {
      const double usual = n / 60 % 24 == 16 ? in_use + 0.1 : in_use;
      const double level = n / 60 == busy_hour ? busy_in_use : usual;
      WindowRef& kind = kinds[level];
      if (!kind) kind = steady_minute(Instant(), level, 20);
      auto minute = std::make_shared<MinuteWindow>(*kind);
      minute->start = Instant(n * 1min);
      history.add(minute);
      history.close(Instant((n + 5) * 1min), runs);
    }
    advice.current = 20;
    advice.confidence = Confidence::high;
    advice.decided_by = DecidedBy::pool;
  }
  AutopilotPlan advised(int size) {
    advice.recommended = size;
    advice.verdict = size > advice.current   ? Verdict::grow
                     : size < advice.current ? Verdict::shrink
                                             : Verdict::keep;
    return plan_size(pool, advice, now);
  }
  void entry(Kind kind, Duration before, int from, int to, Effect effect = Effect::none,
             bool by_autopilot = true) {
    pool.entries.push_back({shop, now - before, kind, from, to, "reason", 20, effect, by_autopilot});
  }
};

}  // namespace

TEST_CASE("autopilot: grows by half, within its bounds, because transactions wait") {
  Flight flight;
  CHECK(flight.advised(50).to == 30);
  CHECK(flight.advised(24).to == 24);
  CHECK(flight.advised(50).acts);
  flight.pool.most = 26;
  CHECK(flight.advised(50).to == 26);
  flight.pool.most = 20;
  CHECK_FALSE(flight.advised(50).to);
  CHECK(flight.advised(50).why.find("autopilot_max_size") != std::string::npos);
  flight.pool.most = 60;
  flight.advice.decided_by = DecidedBy::clients;
  CHECK_FALSE(flight.advised(50).to);
  flight.advice.decided_by = DecidedBy::incident;
  CHECK_FALSE(flight.advised(50).to);
  flight.advice.decided_by = DecidedBy::pool;
  flight.advice.confidence = Confidence::low;
  CHECK_FALSE(flight.advised(50).to);
  CHECK_FALSE(flight.advised(20).to);
  flight.advice.current = 1;
  flight.advice.confidence = Confidence::medium;
  CHECK(flight.advised(9).to == 2);
}

TEST_CASE("autopilot: ten minutes between two steps up, an hour and a known effect before a step down") {
  Flight flight;
  flight.entry(Kind::set, 9min, 14, 20);
  CHECK_FALSE(flight.advised(50).to);
  CHECK_FALSE(flight.advised(10).to);
  flight.pool.entries.back().at = flight.now - 10min;
  CHECK(flight.advised(50).to == 30);
  CHECK_FALSE(flight.advised(10).to);
  flight.pool.entries.back().at = flight.now - 61min;
  CHECK_FALSE(flight.advised(10).to);
  flight.entry(Kind::followed, 40min, 14, 20, Effect::same);
  CHECK(flight.advised(10).to == 16);
}

TEST_CASE("autopilot: shrinks by a fifth, not below what the last day needed") {
  Flight flight;
  CHECK(flight.advised(10).to == 16);
  CHECK(flight.advised(18).to == 18);
  flight.pool.least = 17;
  CHECK(flight.advised(10).to == 17);
  flight.pool.least = 20;
  CHECK_FALSE(flight.advised(10).to);
  // 20:00 the evening before, 12 in use on average.
  Flight busy(4, 44, 12);
  const auto kept = busy.advised(10).to;
  CHECK((!kept || *kept > 16));
  // The same two days ago does not count.
  CHECK(Flight(4, 20, 12).advised(10).to == 16);
}

TEST_CASE("autopilot: does not shrink in the hour before the busiest one of the day before, nor over a gap") {
  // 6:30 and 7:30 of the day before, by the minute that is made the busiest.
  CHECK_FALSE(Flight(4, 30, 5).advised(10).to);
  CHECK(Flight(4, 31, 5).advised(10).to);
  Flight flight;
  flight.runs = {};
  flight.runs.add(Instant(40h), flight.now);
  CHECK_FALSE(flight.advised(10).to);
  CHECK(flight.advised(50).to == 30);
}

TEST_CASE("autopilot: takes back what made things worse, once, and holds for a day") {
  Flight flight;
  flight.entry(Kind::set, 60min, 25, 20);
  flight.entry(Kind::followed, 44min, 25, 20, Effect::worse);
  CHECK(flight.advised(16).to == 25);
  CHECK(flight.advised(16).why.starts_with("takes back its change from 25 to 20"));
  flight.advice.current = 25;
  flight.entry(Kind::set, 30min, 20, 25);
  CHECK_FALSE(flight.advised(50).to);
  // Also when that is followed by something worse.
  flight.entry(Kind::followed, 14min, 20, 25, Effect::worse);
  CHECK_FALSE(flight.advised(50).to);
  flight.now += 24h;
  flight.runs.add(Instant(), flight.now);
  CHECK(flight.advised(50).to == 37);
  CHECK(flight.advised(50).acts);
}

TEST_CASE("autopilot: what an operator changed is not taken back") {
  Flight flight;
  flight.entry(Kind::set, 60min, 25, 20, Effect::none, false);
  flight.entry(Kind::followed, 44min, 25, 20, Effect::worse, false);
  CHECK(flight.advised(50).to == 30);
}

TEST_CASE("autopilot: after two changes taken back in a week it only notes, until a size is set by hand") {
  Flight flight;
  for (const Duration before : {120h, 50h}) {
    flight.entry(Kind::set, before, 25, 20);
    flight.entry(Kind::followed, before - 20min, 25, 20, Effect::worse);
    flight.entry(Kind::set, before - 30min, 20, 25);
    flight.entry(Kind::followed, before - 50min, 20, 25, Effect::better);
  }
  CHECK_FALSE(flight.advised(50).acts);
  CHECK(flight.advised(50).to == 30);
  CHECK(flight.advised(50).note.starts_with("it has taken back 2"));
  flight.entry(Kind::set, 30h, 25, 20, Effect::none, false);
  CHECK(flight.advised(50).acts);
}

TEST_CASE("autopilot: only notes during its trial, without trust in its notes, and when it is not to act") {
  Flight flight;
  flight.pool.trial = 14 * 24h;
  CHECK_FALSE(flight.advised(50).acts);
  CHECK(flight.advised(50).note.starts_with("autopilot_trial: "));
  flight.pool.trial = {};
  CHECK(flight.advised(50).acts);
  for (int i = 0; i < 3; ++i) flight.entry(Kind::checked, 5h, 20, 16, Effect::worse);
  CHECK_FALSE(flight.advised(50).acts);
  for (int i = 0; i < 8; ++i) flight.entry(Kind::checked, 4h, 20, 16, Effect::better);
  CHECK(flight.advised(50).acts);
  for (const AutopilotMode mode : {AutopilotMode::shadow, AutopilotMode::confirm}) {
    flight.pool.mode = mode;
    CHECK_FALSE(flight.advised(50).acts);
    CHECK(flight.advised(50).to == 30);
  }
  flight.pool.mode = AutopilotMode::automatic;
  flight.pool.blocked = "the database is paused";
  CHECK_FALSE(flight.advised(50).to);
  CHECK(flight.advised(50).why == "the database is paused");
}

TEST_CASE("brake: throughput that falls while more execute, three minutes in a row") {
  const auto minutes = [](std::initializer_list<std::pair<int, double>> last) {
    std::vector<WindowRef> made;
    int n = 0;
    for (const auto& [transactions, executing] : last) {
      auto minute = std::make_shared<MinuteWindow>(*steady_minute(Instant(n++ * 1min), executing, 40));
      minute->completions = static_cast<std::uint64_t>(transactions);
      minute->executing = Duration(static_cast<std::int64_t>(executing * 60e9));
      made.push_back(minute);
    }
    return made;
  };
  const Instant now(6min);
  const auto collapse = minutes({{6000, 8}, {6000, 10}, {5500, 13}, {5000, 20}, {4000, 35}});
  const auto brake = pull_brake(collapse, 40, now);
  REQUIRE(brake);
  CHECK(brake->size == 20);  // half, where 10 would be the knee
  CHECK(pull_brake(collapse, 16, now)->size == 10);
  CHECK_FALSE(pull_brake(collapse, 10, now));
  CHECK_FALSE(pull_brake(collapse, 40, now + 5min));  // long ago
  // Less is done because less is asked for; more is done with more; noise; a pool that hardly works.
  CHECK_FALSE(pull_brake(minutes({{6000, 20}, {5500, 18}, {5000, 15}, {4000, 10}}), 40, now));
  CHECK_FALSE(pull_brake(minutes({{4000, 10}, {5000, 13}, {5500, 20}, {6000, 35}}), 40, now));
  CHECK_FALSE(pull_brake(minutes({{6000, 10}, {5800, 10.5}, {5500, 11}, {5300, 12}}), 40, now));
  CHECK_FALSE(pull_brake(minutes({{90, 10}, {80, 13}, {70, 20}, {50, 35}}), 40, now));
  CHECK_FALSE(pull_brake(minutes({{5000, 13}, {4000, 35}}), 40, now));
}

TEST_CASE("autopilot: brakes without advice, not below its bound") {
  Flight flight;
  PoolHistory& history = flight.history;
  const std::pair<int, double> last[] = {{6000, 10}, {5500, 13}, {5000, 16}, {4000, 20}};
  int n = 0;
  for (const auto& [transactions, executing] : last) {
    auto minute = std::make_shared<MinuteWindow>(*steady_minute(flight.now + n++ * 1min, executing, 20));
    minute->completions = static_cast<std::uint64_t>(transactions);
    minute->executing = Duration(static_cast<std::int64_t>(executing * 60e9));
    history.add(minute);
  }
  flight.now += 4min;
  flight.advice.verdict = Verdict::collecting;
  const AutopilotPlan plan = plan_size(flight.pool, flight.advice, flight.now);
  CHECK(plan.to == 10);
  CHECK(plan.why.starts_with("throughput fell from 100"));
  flight.pool.least = 12;
  CHECK_FALSE(plan_size(flight.pool, flight.advice, flight.now).to);
}

TEST_CASE("autopilot notes: checked once, by the hour that followed") {
  const auto check = [](int from, int to, double in_use, Duration wait, bool changed = false) {
    State state(wall_offset);
    const Instant at(10h);
    for (int n = 0; n < 60; ++n) state.add(MinuteEntry{shop, steady_minute(at + n * 1min, in_use, 20, wait)});
    state.add(AdviceEntry{shop, at, Kind::advised, from, to, "reason", 20, Effect::none, true});
    if (changed)
      state.add(AdviceEntry{shop, at + 5min, Kind::set, from, to, "reason", 20, Effect::none, false});
    CHECK(notes_due(state, at + 62min, 10ms).empty());
    const auto due = notes_due(state, at + 65min, 10ms);
    REQUIRE(due.size() == 1);
    CHECK(due.front().kind == Kind::checked);
    CHECK(due.front().by_autopilot);
    state.add(due.front());
    CHECK(notes_due(state, at + 70min, 10ms).empty());
    return due.front().effect;
  };
  CHECK(check(20, 30, 4, 15ms) == Effect::better);
  CHECK(check(20, 30, 4, 5ms) == Effect::same);
  CHECK(check(20, 12, 4, {}) == Effect::better);
  CHECK(check(20, 6, 4, {}) == Effect::worse);
  CHECK(check(20, 12, 0.0001, {}) == Effect::unclear);
  CHECK(check(20, 12, 4, {}, true) == Effect::unclear);
}
