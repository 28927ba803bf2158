// What is told of alerts, and to whom: JSON, the queue before the hook, SHOW ALERTS.

#include <doctest/doctest.h>

#include <limits>

#include "admin/alerts/alert_json.h"
#include "admin/alerts/alert_queue.h"
#include "admin/settings_load.h"
#include "tests/unit/admin/alerts/alert_samples.h"
#include "tests/unit/admin/console_reply.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

AlertTransition transition(std::uint64_t id, AlertChange change) {
  Alert alert{.id = id,
              .finding = finding_of(AlertKind::exhaustion, "shop/alice", AlertSeverity::critical),
              .worst = AlertSeverity::critical,
              .since = at(0s),
              .changed = at(0s),
              .ended = {}};
  if (change == AlertChange::ended) alert.ended = at(90s);
  return {change, alert};
}

}  // namespace

TEST_CASE("alerts as JSON: every field, and nothing that breaks the line") {
  CHECK(alert_json(transition(7, AlertChange::ended), Duration{}) ==
        R"({"event":"ended","id":7,"alert":"exhaustion","severity":"critical","worst":"critical",)"
        R"("subject":"shop/alice","since":"1970-01-01T01:00:00Z","ended":"1970-01-01T01:01:30Z",)"
        R"("value":3.000,"limit":1.000,"unit":"%","reason":"too much","action":"do less"})");
  AlertTransition hostile = transition(1, AlertChange::began);
  hostile.alert.finding.key.subject = "a\"b\\c\nd\x01\xff";
  hostile.alert.finding.value = std::numeric_limits<double>::infinity();
  const std::string json = alert_json(hostile, Duration{});
  CHECK(json.find(R"("subject":"a\"b\\c d\\x01\\xff")") != std::string::npos);
  CHECK(json.find('\n') == std::string::npos);
  CHECK(json.find("\"value\"") == std::string::npos);
  CHECK(json.find("\"ended\":") == std::string::npos);
}

TEST_CASE("alerts for the hook: the latest of each, and not more than there is room for") {
  AlertQueue queue;
  queue.push(transition(1, AlertChange::began));
  queue.push(transition(2, AlertChange::began));
  queue.push(transition(1, AlertChange::changed));
  queue.push(transition(2, AlertChange::ended));
  const auto taken = queue.take();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].alert.id == 1);
  CHECK(taken[0].change == AlertChange::began);
  CHECK(taken[1].change == AlertChange::ended);
  CHECK(queue.empty());
  for (std::uint64_t id = 0; id < AlertQueue::most + 7; ++id) queue.push(transition(id, AlertChange::began));
  CHECK(queue.size() == AlertQueue::most);
  CHECK(queue.take_left_out() == 7);
  CHECK(queue.take_left_out() == 0);
}

TEST_CASE("SHOW ALERTS and SHOW FORECAST") {
  const Settings settings = settings_by_default();
  World world = world_of(settings);
  world.now = at(10s);
  world.alerts = {transition(2, AlertChange::began).alert, transition(1, AlertChange::ended).alert};
  const ConsoleReply reply = ask("SHOW ALERTS", world);
  REQUIRE(reply.only().rows.size() == 2);
  CHECK(reply.value("state", "active", "seconds") == "10");
  CHECK(reply.value("state", "active", "ended") == "NULL");
  CHECK(reply.value("state", "ended", "seconds") == "90");
  CHECK(reply.value("state", "active", "alert") == "exhaustion");
  CHECK(reply.value("state", "active", "reason") == "too much");

  world.forecasts = {{"shop/alice", 20, {}, "nothing yet"}};
  const ConsoleReply forecast = ask("SHOW FORECAST", world);
  CHECK(forecast.value("pool", "shop/alice", "in_short") == "nothing yet");
  CHECK(forecast.value("pool", "shop/alice", "full_earliest_days") == "NULL");
}

TEST_CASE("settings: the hook is a program by its path") {
  for (const char* const text : {"[alerts]\ncommand = [\"notify\"]\n", "[alerts]\nhold = \"0s\"\n"}) {
    CAPTURE(text);
    CHECK_FALSE(load_settings_text(text, "x.toml"));
  }
}
