// What the control thread keeps of the pools' past, and what is there of it after a restart.

#include "proxy/session/history_keeper.h"

#include <algorithm>

#include "admin/profile_view.h"
#include "tests/unit/proxy/control_desk.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

template <class Entry>
std::size_t kept(const ControlDesk& desk) {
  return static_cast<std::size_t>(std::count_if(desk.kept.begin(), desk.kept.end(), [](const StateEntry& it) {
    return std::holds_alternative<Entry>(it);
  }));
}

TraceSegment trace_at(Instant start, int transactions) {
  TraceSegment segment;
  segment.start = start;
  segment.length = 1min;
  for (int i = 0; i < transactions; ++i) {
    TraceRecord record;
    record.client = static_cast<std::uint32_t>(i);
    record.arrival_us = i * 100;
    record.executing_us = 1000;
    segment.records.push_back(record);
  }
  segment.pool_size = 20;
  return segment;
}

void add_pool(ControlDesk& desk) {
  desk.pool.database = desk_route.database;
  desk.pool.user = desk_route.user;
}

}  // namespace

TEST_CASE("what is kept: each worker's part of a minute is written once, and both are one minute") {
  ControlDesk desk(ControlDesk::settings(20));
  const Instant start = desk.now();
  desk.tell({steady_minute(start, 3, 20)}, trace_at(start, 10));
  desk.tell({steady_minute(start, 4, 20)}, trace_at(start + 3ms, 5));
  desk.tell({steady_minute(start + 1min, 3, 20)});
  desk.pass(3min);
  CHECK(kept<MinuteEntry>(desk) == 3);
  CHECK(kept<TraceEntry>(desk) == 0);
  desk.control().finish(desk.now());
  CHECK(kept<TraceEntry>(desk) == 1);

  // On another timeline: an Instant there is an hour less.
  const State state = desk.on_disk(ControlDesk::wall_offset + 1h);
  const State::Pool& pool = state.pools().at(desk_route);
  REQUIRE(pool.history.minutes().size() == 2);
  CHECK(pool.history.minutes()[0]->start == start - 1h);
  CHECK(pool.history.minutes()[0]->shards == 2);
  CHECK(pool.history.minutes()[0]->completions == 42000);
  REQUIRE(pool.traces.segments().size() == 1);
  CHECK(pool.traces.segments()[0]->records.size() == 15);
}

TEST_CASE("what is kept: traces are written when their hour is over, each once, also over a restart") {
  auto desk = std::make_unique<ControlDesk>(ControlDesk::settings(20));
  for (int n = 0; n < 50; ++n) {
    desk->tell({}, trace_at(desk->now(), n == 20 ? 100 : 10));
    desk->pass(1min);
  }
  CHECK(kept<TraceEntry>(*desk) == 0);
  desk->pass(20min);
  const std::size_t written = kept<TraceEntry>(*desk);
  CHECK(written > 0);
  desk->pass(1h);
  desk->control().finish(desk->now());
  CHECK(kept<TraceEntry>(*desk) == written);

  const State state = desk->on_disk();
  const auto& segments = state.pools().at(desk_route).traces.segments();
  CHECK(segments.size() == written);
  CHECK(std::any_of(segments.begin(), segments.end(),
                    [](const TraceRef& it) { return it->records.size() == 100; }));
  ControlDesk next(ControlDesk::settings(20), desk->now() + 1h);
  next.control().restore(desk->on_disk());
  next.pass(2h);
  next.control().finish(next.now());
  CHECK(kept<TraceEntry>(next) == 0);
}

TEST_CASE("what is kept: advice after a restart is made from the windows that were kept") {
  auto desk = std::make_unique<ControlDesk>(ControlDesk::settings(40));
  add_pool(*desk);
  for (int n = 0; n < 90; ++n) {
    desk->tell({steady_minute(desk->now(), n == 30 ? 8 : 4, 40)});
    desk->pass(1min);
  }
  const ConsoleReply before = desk->ask("SHOW RECOMMENDATIONS shop");
  CHECK(before.value("pool", "shop/alice", "verdict") == "shrink");
  const int advised = std::stoi(before.value("pool", "shop/alice", "advice"));
  CHECK(advised > 8);
  CHECK(advised < 30);

  // Killed: there is no finish(). Four hours later, with another clock; a client has come, and no more.
  const Instant later = desk->now() + 4h;
  ControlDesk next(ControlDesk::settings(40), later);
  next.disk = desk->disk;
  add_pool(next);
  CHECK(next.ask("SHOW RECOMMENDATIONS shop").value("pool", "shop/alice", "verdict") == "collecting");
  next.control().restore(desk->on_disk());
  const ConsoleReply after = next.ask("SHOW RECOMMENDATIONS shop");
  for (const char* const column : {"size", "advice", "verdict", "decided_by", "window", "confidence"}) {
    CAPTURE(column);
    CHECK(after.value("pool", "shop/alice", column) == before.value("pool", "shop/alice", column));
  }

  // The time between is a gap and not a quiet hour.
  next.tell({steady_minute(next.now(), 4, 40)});
  next.pass(2h);
  const State state = next.on_disk();
  const std::vector<PeriodRef>& hours = state.pools().at(desk_route).history.periods(Tier::hours);
  REQUIRE(hours.size() == 3);
  CHECK_FALSE(hours[0]->gap);
  CHECK(hours[1]->gap);  // it was killed in this one
  CHECK(hours[2]->gap);  // and came back in this one
  CHECK(hours[2]->sum.start == later);
  CHECK(state.runs().all().size() == 2);
  CHECK_FALSE(state.runs().covers(desk->now(), later));
}

TEST_CASE("what is kept: what a worker still has of a minute is part of the advice, and counted once") {
  ControlDesk desk(ControlDesk::settings(20));
  add_pool(desk);
  const Instant start = desk.now();
  const WindowRef open = [&] {
    auto minute = std::make_shared<MinuteWindow>(*steady_minute(start + 1min, 6, 20));
    minute->virtual_final = false;
    return minute;
  }();
  desk.tell({steady_minute(start, 5, 20)});
  desk.pool.measure.windows = {steady_minute(start, 5, 20), open};
  desk.pass(2min);
  desk.tell({});
  std::vector<PoolSnapshot> pools{desk.pool};
  State state = desk.on_disk();
  const World world{.settings = desk.told(), .now = desk.now(), .state = &state};
  const PoolProfile profile = pool_profiles(pools, world).at(0);
  REQUIRE(profile.measure.windows.size() == 2);
  CHECK(profile.measure.windows[0]->shards == 1);
  CHECK(profile.measure.windows[0]->completions == 30000);
  CHECK(profile.measure.windows[1] == open);
}

TEST_CASE("what is kept: settings and sums, a minute after the start and every ten minutes") {
  ControlDesk desk(ControlDesk::settings(20));
  add_pool(desk);
  desk.pool.measure.completions = 77;
  desk.pass(15min);
  CHECK(kept<ProfileEntry>(desk) == 2);
  CHECK(kept<RunEntry>(desk) == 15);
  const State state = desk.on_disk();
  CHECK(state.profile(desk_route).measure.completions == 77);
  CHECK(state.profile(desk_route).pool_size == 20);
}

TEST_CASE("what is kept: growth is foretold from the days before the restart") {
  ControlDesk desk(ControlDesk::settings(40), Instant(24h * 30));
  add_pool(desk);
  desk.pass(1min);
  CHECK(desk.ask("SHOW FORECAST").value("pool", "shop/alice", "days") == "0");

  State state(ControlDesk::wall_offset);
  for (int day = 0; day < 25; ++day) {
    const WindowRef minute = steady_minute(Instant(24h * (day + 3) + 9h), 5 + day * 0.5, 40);
    state.add(PeriodEntry{desk_route, Tier::days,
                          std::make_shared<const Period>(Period{*minute, minute, minute, false})});
  }
  ControlDesk next(ControlDesk::settings(40), Instant(24h * 30));
  add_pool(next);
  next.control().restore(std::move(state));
  next.pass(1min);
  const ConsoleReply forecast = next.ask("SHOW FORECAST");
  CHECK(forecast.value("pool", "shop/alice", "days") == "24");
  CHECK(std::stod(forecast.value("pool", "shop/alice", "per_week")) > 3);
}
