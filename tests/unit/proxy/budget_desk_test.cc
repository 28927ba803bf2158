// Who takes the connections of a server, as the control thread counts it.

#include "proxy/session/budget_desk.h"

#include <doctest/doctest.h>

#include "admin/settings_table.h"
#include "proxy/session/limits_question.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

class Log final : public ControlHost {
 public:
  std::vector<std::string> lines;
  void post(WorkerId, WorkerMail) override {}
  Reloaded reload(const Settings&) override { return {}; }
  void in_background(std::function<ControlMail()>) override {}
  void run_hook(HookRun) override {}
  void stop() override {}
  void start_drain(DrainMode) override {}
  bool ask_predecessor(const CancelByKey&) override { return false; }
  void foreign_cancel_handled(std::uint64_t) override {}
  void alive() override {}
  void configure(const Settings&) override {}
  void keep(StateEntry) override {}
  void log(LogLine line) override { lines.push_back(line.text); }
};

std::vector<WorkerSnapshot> with_pools(int open, std::vector<std::pair<std::string, int>> sizes) {
  WorkerSnapshot worker;
  for (const auto& [user, size] : sizes) {
    PoolSnapshot pool;
    pool.database = "shop";
    pool.user = user;
    pool.host = "db:5432";
    pool.pool_size = size;
    pool.counts.sv_idle = std::exchange(open, 0);
    worker.pools.push_back(pool);
  }
  return {worker};
}

HostLimits says(int clients) {
  HostLimits limits;
  limits.max_connections = 100;
  limits.superuser_reserved = 3;
  limits.reserved = 2;
  limits.clients = clients;
  return limits;
}

std::string row_of(std::vector<std::optional<Bytes>> values) {
  Writer out;
  write_data_row(out, values);
  return std::string(out.view().substr(5));
}

}  // namespace

TEST_CASE("budgets: others are who is not pgweir, the most of an hour") {
  Log log;
  BudgetDesk desk(log);
  const Settings settings = settings_by_default();
  Instant now(1h);
  CHECK(desk.look(with_pools(10, {{"a", 20}}), settings, now).empty());
  desk.seen("db:5432", says(40));
  auto budgets = desk.look(with_pools(10, {{"a", 20}}), settings, now += 1s);
  REQUIRE(budgets.size() == 1);
  CHECK(budgets[0].allowed == 100 - 5 - 30);
  CHECK(budgets[0].pool_sizes == 20);
  CHECK(log.lines.empty());

  // Fewer others do not count at once.
  desk.seen("db:5432", says(15));
  CHECK(desk.look(with_pools(10, {{"a", 20}}), settings, now += 30min)[0].allowed == 65);
  CHECK(desk.limits().at("db:5432").others_now == 5);
  desk.seen("db:5432", says(15));
  CHECK(desk.look(with_pools(10, {{"a", 20}}), settings, now += 31min)[0].allowed == 90);
  // Servers that pgweir opened or closed since the answer are its own.
  desk.seen("db:5432", says(30));
  CHECK(desk.look(with_pools(25, {{"a", 20}}), settings, now += 1s)[0].allowed == 90);
  desk.seen("db:5432", says(30));
  CHECK(desk.look(with_pools(2, {{"a", 20}}), settings, now += 1s)[0].allowed == 90);
}

TEST_CASE("budgets: too many is said once, and again after a reload") {
  Log log;
  BudgetDesk desk(log);
  Settings settings = settings_by_default();
  const auto pools = with_pools(0, {{"a", 60}, {"b", 60}});
  desk.seen("db:5432", says(0));
  for (int i = 0; i < 3; ++i) desk.look(pools, settings, Instant(1h));
  REQUIRE(log.lines.size() == 1);
  CHECK(log.lines[0].find("may open 120 connections together, it has 95 for them") != std::string::npos);
  settings.pool.default_pool_size = 60;
  CHECK(desk.reloaded(settings) == std::vector{log.lines[0]});
  desk.look(pools, settings, Instant(1h));
  CHECK(log.lines.size() == 2);
  // What the new settings will lead to is said at once.
  settings.pool.default_pool_size = 40;
  settings.pool.reserve_pool_size = 7;
  CHECK(desk.reloaded(settings).empty());
  settings.pool.reserve_pool_size = 8;
  const auto warnings = desk.reloaded(settings);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("may open 96 connections together") != std::string::npos);
  CHECK(log.lines.size() == 3);
  // A limit of the database holds for both.
  settings.pool.max_db_connections = 90;
  CHECK(desk.look(pools, settings, Instant(1h))[0].pool_sizes == 90);
  CHECK(log.lines.size() == 3);
}

TEST_CASE("budgets: a server that does not say is no budget, and what it said before holds") {
  Log log;
  BudgetDesk desk(log);
  const Settings settings = settings_by_default();
  HostLimits refused;
  refused.refused = "permission denied";
  desk.seen("db:5432", refused);
  desk.seen("db:5432", refused);
  CHECK(desk.look(with_pools(0, {{"a", 200}}), settings, Instant(1h)).empty());
  CHECK(log.lines.size() == 1);
  desk.seen("db:5432", says(0));
  desk.seen("db:5432", refused);
  CHECK(desk.look(with_pools(0, {{"a", 20}}), settings, Instant(1h)).size() == 1);
}

TEST_CASE("budgets: what a server answers is not trusted") {
  const auto limits = read_limits(row_of({"100", "3", std::nullopt, "7"}));
  REQUIRE(limits);
  CHECK(limits->max_connections == 100);
  CHECK(limits->reserved == 0);
  CHECK(limits->clients == 7);
  CHECK_FALSE(read_limits(row_of({"100", "3", "2"})));
  CHECK_FALSE(read_limits(row_of({"100", std::nullopt, "2", "7"})));
  CHECK_FALSE(read_limits(row_of({"many", "3", "2", "7"})));
  CHECK_FALSE(read_limits(row_of({"-1", "3", "2", "7"})));
  CHECK_FALSE(read_limits(row_of({"99999999999", "3", "2", "7"})));
  CHECK_FALSE(read_limits(row_of({"0", "3", "2", "7"})));
  CHECK_FALSE(read_limits("xx"));
}

TEST_CASE("budgets: each host is asked once a minute, later when that might be felt") {
  LimitsClock clock;
  const Duration at_once{}, waiting = LimitsClock::while_waiting;
  CHECK_FALSE(clock.due("a", at_once, Instant(1h)));
  CHECK(clock.due("a", at_once, Instant(1h + 1s)));
  CHECK_FALSE(clock.due("a", at_once, Instant(1h + 60s)));
  CHECK_FALSE(clock.due("a", waiting, Instant(1h + 5min)));
  CHECK(clock.due("a", waiting, Instant(1h + 6min + 1s)));
  CHECK_FALSE(clock.due("b", at_once, Instant(1h)));
  CHECK(clock.due("b", at_once, Instant(2h)));
}
