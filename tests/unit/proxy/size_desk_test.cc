// APPLY RECOMMENDATION: who gets the size, what of it outlives the process and a reload, what is refused.

#include "proxy/session/size_desk.h"

#include "tests/unit/proxy/control_desk.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

// Has measured a day in which its 40 servers were far too many.
struct Measured {
  std::unique_ptr<ControlDesk> desk = fresh(40, Instant(26h));
  int advised = 0;

  Measured() {
    desk->control().restore(day());
    const ConsoleReply advice = desk->ask("SHOW RECOMMENDATIONS");
    REQUIRE(advice.value("pool", "shop/alice", "verdict") == "shrink");
    advised = std::stoi(advice.value("pool", "shop/alice", "advice"));
  }
  static std::unique_ptr<ControlDesk> fresh(int size, Instant now) {
    auto desk = std::make_unique<ControlDesk>(ControlDesk::settings(size), now);
    desk->pool.database = desk_route.database;
    desk->pool.user = desk_route.user;
    return desk;
  }
  State day() const {
    State state(ControlDesk::wall_offset);
    for (int n = 0; n < 90; ++n)
      state.add(MinuteEntry{desk_route, steady_minute(Instant(24h + n * 1min), n == 30 ? 8 : 4, 40)});
    return state;
  }
  int size() const { return desk->told().size_of("shop", "alice"); }
};

}  // namespace

TEST_CASE("APPLY RECOMMENDATION: the workers get the size, and the console says where it is from") {
  Measured world;
  ControlDesk& desk = *world.desk;
  const ConsoleReply reply = desk.ask("APPLY RECOMMENDATION shop/alice FORCE");
  REQUIRE_FALSE(reply.failed);
  CHECK(reply.only().tag == "APPLY RECOMMENDATION");
  CHECK(reply.message.find("size 40 -> " + std::to_string(world.advised)) != std::string::npos);
  CHECK(reply.detail.find("no state_file") != std::string::npos);
  CHECK(world.size() == world.advised);
  CHECK(desk.ask("SHOW DATABASES").value("name", "shop", "pool_size") == std::to_string(world.advised));
  const ConsoleReply config = desk.ask("SHOW CONFIG");
  CHECK(config.value("key", "applied pool_size of shop/alice", "value") == std::to_string(world.advised));
  CHECK(config.value("key", "applied pool_size of shop/alice", "default") == "40");
  const ConsoleReply history = desk.ask("SHOW ADVICE_HISTORY");
  REQUIRE(history.only().rows.size() == 1);
  CHECK(history.value("pool", "shop/alice", "event") == "set");
  CHECK(history.value("pool", "shop/alice", "reason").starts_with("dba: shrink to"));
  // Advised is now what it has, or near.
  CHECK(desk.ask("SHOW RECOMMENDATIONS").value("pool", "shop/alice", "size") ==
        std::to_string(world.advised));

  const ConsoleReply back = desk.ask("RESET RECOMMENDATION shop");
  CHECK(back.only().tag == "RESET RECOMMENDATION");
  CHECK(world.size() == 40);
  CHECK(desk.ask("RESET RECOMMENDATION shop").sqlstate == sqlstate::undefined_object);
  CHECK(desk.ask("SHOW ADVICE_HISTORY").only().rows.size() == 2);
}

TEST_CASE(
    "APPLY RECOMMENDATION: refused without a pool, without advice, without evidence, without the right") {
  Measured world;
  ControlDesk& desk = *world.desk;
  CHECK(desk.ask("APPLY RECOMMENDATION").sqlstate == sqlstate::syntax_error);
  CHECK(desk.ask("APPLY RECOMMENDATION nobody").sqlstate == sqlstate::undefined_object);
  CHECK(desk.ask("APPLY RECOMMENDATION shop; SHOW POOLS").sqlstate == sqlstate::active_sql_transaction);
  CHECK(desk.ask("APPLY RECOMMENDATION shop", "watcher", ConsolePrivilege::stats).sqlstate ==
        sqlstate::insufficient_privilege);
  const ConsoleReply low = desk.ask("APPLY RECOMMENDATION shop");
  CHECK(low.sqlstate == sqlstate::object_not_in_prerequisite_state);
  CHECK(low.message.starts_with("there is too little evidence"));
  CHECK(low.detail.find("No transactions were recorded") != std::string::npos);
  CHECK(low.hint.find("FORCE") != std::string::npos);
  const auto empty = Measured::fresh(40, Instant(1h));
  CHECK(empty->ask("APPLY RECOMMENDATION shop FORCE").message.starts_with("there is no advice yet"));
  CHECK(world.size() == 40);
  CHECK(desk.ask("SHOW ADVICE_HISTORY").only().rows.empty());
}

TEST_CASE("APPLY RECOMMENDATION: the size outlives the process, unless the file has another one") {
  Measured world;
  world.desk->ask("APPLY RECOMMENDATION shop FORCE");
  const Instant later = world.desk->now() + 1h;
  const auto same = Measured::fresh(40, later);
  same->disk = world.desk->disk;
  same->control().restore(world.desk->on_disk());
  CHECK(same->told().size_of("shop", "alice") == world.advised);

  const auto other = Measured::fresh(30, later);
  other->disk = world.desk->disk;
  other->control().restore(world.desk->on_disk());
  CHECK(other->told().size_of("shop", "alice") == 30);
  const ConsoleReply history = other->ask("SHOW ADVICE_HISTORY");
  REQUIRE(history.only().rows.size() == 2);
  CHECK(history.value("event", "reset", "reason").find("from 40 to 30") != std::string::npos);
  // That is remembered: the old file does not bring it back.
  const auto again = Measured::fresh(40, later + 1h);
  again->control().restore(other->on_disk());
  CHECK(again->told().size_of("shop", "alice") == 40);
}

TEST_CASE("APPLY RECOMMENDATION: a reload keeps the size, one with another pool_size ends it and says so") {
  Measured world;
  ControlDesk& desk = *world.desk;
  desk.ask("APPLY RECOMMENDATION shop FORCE");
  auto file = ControlDesk::settings(40);
  file->databases["shop"].max_queue = 7;
  desk.file = file;
  CHECK(desk.ask("RELOAD").detail.empty());
  CHECK(desk.told().databases.at("shop").max_queue == 7);
  CHECK(world.size() == world.advised);

  desk.file = ControlDesk::settings(33);
  const ConsoleReply reply = desk.ask("RELOAD");
  CHECK(reply.detail.find("changed from 40 to 33, and counts; the size of " +
                          std::to_string(world.advised)) != std::string::npos);
  CHECK(world.size() == 33);
  desk.file = ControlDesk::settings(40);
  desk.ask("RELOAD");
  CHECK(world.size() == 40);
}

TEST_CASE("APPLY RECOMMENDATION: what followed is judged once, from the minutes around it") {
  Measured world;
  ControlDesk& desk = *world.desk;
  const auto pass = [&](int minutes) {
    for (int n = 0; n < minutes; ++n) {
      desk.tell({steady_minute(desk.now(), 4, world.size())});
      desk.pass(1min);
    }
  };
  pass(12);
  desk.ask("APPLY RECOMMENDATION shop FORCE");
  pass(14);
  CHECK(desk.ask("SHOW ADVICE_HISTORY").only().rows.size() == 1);
  pass(30);
  const ConsoleReply history = desk.ask("SHOW ADVICE_HISTORY");
  REQUIRE(history.only().rows.size() == 2);
  CHECK(history.value("event", "followed", "effect") == "same");
  CHECK(history.value("event", "followed", "size_after") == std::to_string(world.advised));
}
