// SHOW PREPARED_STATEMENTS, PINS, PIN_COSTS, READINESS and SAVINGS.

#include <doctest/doctest.h>

#include "admin/words.h"
#include "tests/unit/admin/console_reply.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

Settings session_settings() {
  Settings settings = settings_by_default();
  DatabaseSettings shop = database_by_default("shop");
  shop.pool_mode = PoolMode::session;
  settings.databases["shop"] = shop;
  settings.databases["*"] = database_by_default("*");
  UserSettings strict = user_by_default("strict");
  strict.session_state_of.listen = StatePolicy::refuse;
  strict.session_state_of.temp_table = StatePolicy::allow;
  settings.users["strict"] = strict;
  return settings;
}

// "a|b|c" of a row.
std::string row(const ConsoleReply& reply, std::size_t i) {
  std::string text;
  for (const auto& value : reply.only().rows.at(i))
    text += (text.empty() ? "" : "|") + value.value_or("NULL");
  return text;
}

ConsoleReply ask_about(Bytes query, std::vector<WorkerSnapshot> workers,
                       const Settings& settings = session_settings()) {
  return ask(query, world_of(settings, std::move(workers)));
}

PoolSnapshot pool_of(const char* database, const char* user) {
  PoolSnapshot pool;
  pool.database = database;
  pool.user = user;
  return pool;
}

StatementSnapshot statement_of(std::uint64_t id, const char* text, std::uint64_t executions) {
  return {.id = id,
          .text = text,
          .length = Bytes(text).size(),
          .parameters = 1,
          .clients = 2,
          .servers = 1,
          .executions = executions,
          .parses_avoided = 3,
          .evictions = 1,
          .bytes = 100};
}

StateKinds kinds(std::initializer_list<StateKind> list) {
  StateKinds all;
  for (const StateKind kind : list) all.add(kind);
  return all;
}

constexpr std::size_t index(StateKind kind) { return static_cast<std::size_t>(kind); }

}  // namespace

TEST_CASE("show prepared_statements: one row for a text, whichever workers have it") {
  std::vector<WorkerSnapshot> workers(2);
  workers[0].statements = {statement_of(1, "select $1", 10), statement_of(2, "select\n\t $1 + 1\x1b[2J", 25)};
  workers[0].statement_totals = {.statements = 5, .clients = 9, .servers = 4, .executions = 50, .bytes = 900};
  workers[1].statements = {statement_of(1, "select $1", 20)};
  workers[1].statement_totals = {.statements = 1, .clients = 2, .servers = 1, .executions = 20, .bytes = 100};
  const ConsoleReply reply = ask_about("show prepared_statements", workers);
  REQUIRE(reply.only().rows.size() == 3);
  CHECK(row(reply, 0) == "0000000000000001|select $1|1|4|2|30|6|2|200");
  CHECK(row(reply, 1) == "0000000000000002|select $1 + 1\\x1b[2J|1|2|1|25|3|1|100");
  CHECK(row(reply, 2) == "NULL|all 6 statements|NULL|11|5|70|0|0|1000");
  CHECK(ask_about("show prepared_statements", {}).only().rows.size() == 1);

  const Settings settings = session_settings();
  CHECK(ask("show prepared_statements", world_of(settings, workers), ConsolePrivilege::stats).sqlstate ==
        "42501");
}

TEST_CASE("show prepared_statements: the number of rows is bounded") {
  std::vector<WorkerSnapshot> workers(3);
  for (std::uint64_t i = 0; i < 3 * most_statements_listed; ++i)
    workers[i % 3].statements.push_back(statement_of(i + 1, "select 1", i));
  const ConsoleReply reply = ask_about("show prepared_statements", workers);
  CHECK(reply.only().rows.size() == most_statements_listed + 1);
  CHECK(reply.only().rows[0][reply.index("executions")] == "2999");
}

TEST_CASE("show pins: the oldest first, in words") {
  std::vector<WorkerSnapshot> workers(2);
  workers[0].pins.push_back({.client = 4,
                             .server = 8,
                             .database = "shop",
                             .user = "alice",
                             .application_name = "young",
                             .backend_pid = 4711,
                             .kinds = kinds({StateKind::listen}),
                             .since = Instant(1h) - 2500ms});
  workers[1].pins.push_back({.client = 5,
                             .server = 9,
                             .database = "shop",
                             .user = "bob",
                             .application_name = "o\nld",
                             .backend_pid = 4712,
                             .kinds = kinds({StateKind::advisory_lock, StateKind::temp_table}),
                             .since = Instant(59min)});
  const ConsoleReply reply = ask_about("show pins", workers);
  REQUIRE(reply.only().rows.size() == 2);
  CHECK(row(reply, 0) ==
        "5|shop|bob|o ld|temporary tables, advisory locks|2026-03-03 11:03:05 UTC|60|9|4712");
  CHECK(row(reply, 1) == "4|shop|alice|young|LISTEN|2026-03-03 11:04:02 UTC|2|8|4711");
}

TEST_CASE("show pin_costs: by pool and kind, over all workers") {
  std::vector<WorkerSnapshot> workers(2);
  for (WorkerSnapshot& worker : workers) {
    worker.pools.push_back(pool_of("shop", "alice"));
    worker.pools.back().pin_costs[index(StateKind::advisory_lock)] = {.pins = 2, .time = 1500ms};
    worker.pools.push_back(pool_of("shop", "bob"));
  }
  workers[1].pools.back().pin_costs[index(StateKind::listen)] = {.pins = 1, .time = 1s};
  const ConsoleReply reply = ask_about("show pin_costs", workers);
  REQUIRE(reply.only().rows.size() == 2);
  CHECK(row(reply, 0) == "shop|alice|advisory_lock|advisory locks|4|3000");
  CHECK(row(reply, 1) == "shop|bob|listen|LISTEN|1|1000");
  CHECK(ask_about("show pin_costs shop/bob", workers).only().rows.size() == 1);
  CHECK(ask_about("show pin_costs nowhere", workers).sqlstate == "42704");
}

TEST_CASE("show savings: by pool, over all workers") {
  std::vector<WorkerSnapshot> workers(2);
  for (WorkerSnapshot& worker : workers) {
    worker.pools.push_back(pool_of("shop", "alice"));
    worker.pools.back().savings = {
        .transactions_saved = 1, .late_begins = 20, .parses_asked = 300, .parses_sent = 4};
  }
  const ConsoleReply reply = ask_about("show savings", workers);
  REQUIRE(reply.only().rows.size() == 1);
  CHECK(row(reply, 0) == "shop|alice|2|40|600|8");
}

TEST_CASE("show readiness: a verdict for each application, and one for each thing that it uses") {
  ApplicationUse plain, busy;
  plain.all = {.sessions = 2, .transactions = 100};
  plain.named_statement = {.sessions = 2, .transactions = 3};
  busy.all = {.sessions = 3, .transactions = 40};
  busy.state[index(StateKind::setting)] = {.sessions = 3, .transactions = 3};
  busy.state[index(StateKind::advisory_lock)] = {.sessions = 1, .transactions = 7};
  std::vector<WorkerSnapshot> workers(2);
  for (WorkerSnapshot& worker : workers) {
    worker.pools.push_back(pool_of("shop", "alice"));
    worker.pools.back().applications = {{.name = "busy", .use = busy}};
  }
  workers[0].pools[0].applications.push_back({.name = "plain", .use = plain});
  workers[0].pools[0].applications.push_back({.others = true, .use = plain});
  const ConsoleReply reply = ask_about("show readiness", workers);
  REQUIRE(reply.only().rows.size() == 7);
  CHECK(row(reply, 0) ==
        "shop|alice|busy|session|everything|6|80|ready, with pins (advisory locks: 2 sessions)");
  CHECK(row(reply, 1) ==
        "shop|alice|busy|session|setting|6|6|fine: it goes with the client from server to server");
  CHECK(
      row(reply, 2) ==
      "shop|alice|busy|session|advisory_lock|2|14|works: the client keeps its server as long as it is there");
  CHECK(row(reply, 3) == "shop|alice|plain|session|everything|2|100|ready");
  CHECK(row(reply, 4) ==
        "shop|alice|plain|session|named_statement|2|3|fine: it goes with the client from "
        "server to server");
  CHECK(row(reply, 5) == "shop|alice|(other)|session|everything|2|100|ready");
}

TEST_CASE("show readiness: the policies decide what breaks") {
  ApplicationUse use;
  use.all = {.sessions = 9, .transactions = 9};
  use.state[index(StateKind::listen)] = {.sessions = 1, .transactions = 1};
  use.state[index(StateKind::temp_table)] = {.sessions = 2, .transactions = 2};
  use.state[index(StateKind::prepared)] = {.sessions = 3, .transactions = 3};
  use.named_statement = {.sessions = 4, .transactions = 4};
  use.unread = {.sessions = 5, .transactions = 5};
  std::vector<WorkerSnapshot> workers(1);
  workers[0].pools.push_back(pool_of("other", "strict"));
  workers[0].pools[0].applications = {{.name = "", .use = use}};
  Settings settings = session_settings();
  settings.pool.max_prepared_statements = 0;
  const ConsoleReply reply = ask_about("show readiness other", workers, settings);
  REQUIRE(reply.only().rows.size() == 6);
  CHECK(reply.only().rows[0][reply.index("pool_mode")] == "transaction");
  CHECK(reply.only().rows[0][reply.index("verdict")] ==
        "not ready, refused (LISTEN: 1 session), left for other clients (temporary tables: 2 sessions), with "
        "pins (statements prepared by SQL: 3 sessions, prepared statements of the driver: 4 sessions), as "
        "far as can be told (DO, CALL, or text that is not read: 5 sessions)");
  CHECK(reply.value("what", "listen", "verdict") == "breaks: the settings refuse it");
  CHECK(reply.value("what", "temp_table", "verdict") == "breaks: the settings let it stay for other clients");
  CHECK(reply.value("what", "unread", "verdict") == "cannot be told");
}

TEST_CASE("line text: one line of valid UTF-8, cut between characters") {
  CHECK(line_text("  select\r\n\t 1  ", 100) == "select 1");
  CHECK(line_text("", 100) == "");
  CHECK(line_text("a\x01\x7f\\", 100) == "a\\x01\\x7f\\");
  CHECK(line_text("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", 100) ==
        "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  CHECK(line_text("\xc3\xa9\xc3\xa9\xc3\xa9", 2) == "\xc3\xa9\xc3\xa9...");
  CHECK(line_text("abc", 3) == "abc");
  CHECK(line_text("ab c", 3) == "ab...");
  CHECK(line_text("abc", 100, true) == "abc...");
  // Not UTF-8: a byte alone, an overlong form, a surrogate, too high, C1 controls.
  CHECK(line_text("\xff", 100) == "\\xff");
  CHECK(line_text("\xc0\xaf", 100) == "\\xc0\\xaf");
  CHECK(line_text("\xed\xa0\x80", 100) == "\\xed\\xa0\\x80");
  CHECK(line_text("\xf4\x90\x80\x80", 100) == "\\xf4\\x90\\x80\\x80");
  CHECK(line_text("\xe0\x9f\xbf", 100) == "\\xe0\\x9f\\xbf");
  CHECK(line_text("\xc2\x9b", 100) == "\\xc2\\x9b");
  // A character that was cut off with the rest of the text.
  CHECK(line_text("ab\xe2\x82", 100, true) == "ab...");
  CHECK(line_text("ab\xe2\x82", 100) == "ab\\xe2\\x82");
}
