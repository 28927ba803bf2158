// The autopilot on the control thread: what it sets, what it notes, what the console says.

#include "tests/unit/proxy/control_desk.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

// Two hours of a pool of 20 in which throughput falls at the end while more and more execute.
struct Collapsing {
  std::unique_ptr<ControlDesk> desk;

  explicit Collapsing(AutopilotMode mode, Duration trial = {}) {
    auto settings = ControlDesk::settings(20);
    settings->databases["shop"].autopilot = mode;
    settings->pool.autopilot_trial = trial;
    desk = std::make_unique<ControlDesk>(settings, Instant(10h));
    desk->pool.database = desk_route.database;
    desk->pool.user = desk_route.user;
    for (int n = 0; n < 20; ++n) minute(6000, 10);
    const std::pair<int, double> last[] = {{6000, 10}, {5500, 13}, {5000, 16}, {4000, 20}};
    for (const auto& [transactions, executing] : last) minute(transactions, executing);
  }
  void minute(int transactions, double executing) {
    auto made = std::make_shared<MinuteWindow>(*steady_minute(desk->now(), executing, size()));
    made->completions = static_cast<std::uint64_t>(transactions);
    made->executing = Duration(static_cast<std::int64_t>(executing * 60e9));
    desk->pass(1min);
    desk->tell({made});
  }
  int size() const { return desk->told().size_of("shop", "alice"); }
};

}  // namespace

TEST_CASE("autopilot = auto brakes a pool by itself, and says so") {
  Collapsing world(AutopilotMode::automatic);
  world.desk->pass(2min);
  CHECK(world.size() == 10);
  const ConsoleReply history = world.desk->ask("SHOW ADVICE_HISTORY");
  REQUIRE(history.only().rows.size() == 1);
  CHECK(history.value("event", "set", "by") == "autopilot");
  CHECK(history.value("event", "set", "reason").starts_with("autopilot: throughput fell"));
  const ConsoleReply plan = world.desk->ask("SHOW AUTOPILOT");
  CHECK(plan.value("pool", "shop/alice", "acts") == "yes");
  CHECK(plan.value("pool", "shop/alice", "size") == "10");
  CHECK(plan.value("pool", "shop/alice", "reason").find("was changed") != std::string::npos);
  // One step, not one each time that it looks.
  world.desk->pass(6min);
  CHECK(world.size() == 10);
}

TEST_CASE("autopilot = confirm, and auto during its trial, only note what they would do, once") {
  for (const bool trial : {false, true}) {
    CAPTURE(trial);
    Collapsing world(trial ? AutopilotMode::automatic : AutopilotMode::confirm, trial ? 24h : 0h);
    world.desk->pass(4min);
    CHECK(world.size() == 20);
    const ConsoleReply history = world.desk->ask("SHOW ADVICE_HISTORY");
    REQUIRE(history.only().rows.size() == 1);
    CHECK(history.value("event", "advised", "size_after") == "10");
    CHECK(history.value("event", "advised", "reason").ends_with("to do it: APPLY RECOMMENDATION shop/alice"));
  }
}

TEST_CASE("autopilot = off does and says nothing") {
  Collapsing world(AutopilotMode::off);
  world.desk->pass(6min);
  CHECK(world.size() == 20);
  CHECK(world.desk->ask("SHOW ADVICE_HISTORY").only().rows.empty());
  CHECK(world.desk->ask("SHOW AUTOPILOT").only().rows.empty());
}
