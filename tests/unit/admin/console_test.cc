#include "admin/console.h"

#include <doctest/doctest.h>

#include <set>

#include "admin/command_table.h"
#include "tests/unit/admin/console_reply.h"

using namespace pgweir;

namespace {

const Settings& settings() {
  static const Settings all = settings_by_default();
  return all;
}

ConsoleReply ask(Bytes query, ConsolePrivilege rights = ConsolePrivilege::admin) {
  return ask(query, world_of(settings()), rights);
}

// A statement that the command takes.
std::string sample(const Command& command) {
  const std::string words(command.words);
  if (words == "SHOW") return "SHOW client_encoding";
  if (words == "SELECT") return "SELECT 1";
  if (words == "SET")
    return command.fits == nullptr ? "SET extra_float_digits = 3" : "SET default_pool_size = 3";
  if (words == "DISCARD") return "DISCARD ALL";
  if (words == "RESET" || words == "DEALLOCATE") return words + " ALL";
  if (words == "DISABLE" || words == "ENABLE") return words + " shop";
  if (words == "KILL_CLIENT") return words + " 7";
  return words;
}

// One in which the command can be done.
World world_for(const Command& command) {
  static const Settings with_shop = [] {
    Settings all = settings_by_default();
    all.databases["shop"] = database_by_default("shop");
    return all;
  }();
  World world = world_of(with_shop);
  if (command.words == "RESUME") world.gates.all = Gates::All::paused;
  return world;
}

}  // namespace

TEST_CASE("console: every command answers exactly those who may use it") {
  for (const Command& command : command_table()) {
    CAPTURE(command.words);
    CHECK(command.privilege != ConsolePrivilege::none);
    for (const auto rights : {ConsolePrivilege::none, ConsolePrivilege::stats, ConsolePrivilege::admin}) {
      CAPTURE(privilege_word(rights));
      const ConsoleReply reply = pgweir::ask(sample(command), world_for(command), rights);
      const bool allowed = rights != ConsolePrivilege::none && rights >= command.privilege;
      // There is no pool to change.
      const bool refused = allowed && command.action == ConsoleAction::resize;
      CHECK(reply.failed == (!allowed || refused));
      if (refused) {
        CHECK(reply.sqlstate == sqlstate::syntax_error);
      } else if (allowed) {
        CHECK(reply.action == command.action);
      } else {
        CHECK(reply.sqlstate == "42501");
        CHECK(reply.results.empty());
        CHECK(reply.action ==
              (rights == ConsolePrivilege::none ? ConsoleAction::close : ConsoleAction::none));
      }
    }
  }
}

TEST_CASE("console: a row of the table that says nothing of privileges is for administrators") {
  CHECK(Command{}.privilege == ConsolePrivilege::admin);
}

TEST_CASE("console: whatever changes something is for administrators") {
  for (const Command& command : command_table()) {
    if (command.action != ConsoleAction::none) CHECK(command.privilege == ConsolePrivilege::admin);
  }
}

TEST_CASE("console: the table is complete and names nothing twice") {
  std::set<Bytes> names;
  for (const Command& command : command_table()) {
    CAPTURE(command.words);
    // Two may have the same words when one says which statements are its own.
    if (command.fits == nullptr) CHECK(names.insert(command.words).second);
    if (!command.alias.empty()) CHECK(names.insert(command.alias).second);
    CHECK_FALSE(command.tag.empty());
    CHECK_FALSE(command.doc.empty());
    if (command.columns != nullptr) CHECK(bool(command.run));
  }
}

TEST_CASE("console: what a SHOW sends has the columns that its reference names") {
  for (const Command& command : command_table()) {
    if (command.columns == nullptr) continue;
    CAPTURE(command.words);
    const ConsoleReply reply = ask(command.words);
    const auto& result = reply.only();
    const auto columns = command.columns();
    CHECK(result.tag == "SHOW");
    REQUIRE(result.names.size() == columns.size());
    for (std::size_t i = 0; i < columns.size(); ++i) {
      CHECK(result.names[i] == columns[i].name);
      CHECK(result.oids[i] == columns[i].oid);
    }
  }
}

TEST_CASE("console: the plan asks for what the statements read, and no more") {
  const auto plan = [](Bytes query) {
    const ConsolePlan p = plan_console(query);
    return std::string(p.needs_snapshots ? "s" : "") + (p.parts.connections ? "c" : "") +
           (p.parts.measures ? "m" : "") + (p.parts.statements ? "t" : "") + (p.parts.pins ? "p" : "") +
           (p.parts.applications ? "a" : "") + (p.parts.queries ? "q" : "") + (p.parts.traces ? "r" : "");
  };
  CHECK(plan("show version") == "");
  CHECK(plan("show queries") == "sq");
  CHECK(plan("SHOW POOLS;") == "s");
  CHECK(plan("show clients") == "sc");
  CHECK(plan("/* x */ show STATS") == "sm");
  CHECK(plan("show advice shop") == "smqr");
  CHECK(plan("show whatif") == "smqr");
  CHECK(plan("show version; show servers; show histograms") == "scm");
  CHECK(plan("show prepared_statements") == "st");
  CHECK(plan("show pins; show pin_costs") == "sp");
  CHECK(plan("show readiness") == "sa");
  CHECK(plan("show savings") == "s");
  CHECK(plan("") == "");
  CHECK(plan("nonsense") == "");
  CHECK(plan("show pools; 'abc") == "");
  CHECK(plan("RELOAD") == "");
}

TEST_CASE("console: case, quotes, comments and semicolons do not matter") {
  for (const Bytes query : {"SHOW VERSION", "show version;", "Show\n\tVersion ; ;", "\"show\" \"VERSION\"",
                            "-- hello\nshow /* a /* b */ */ version -- bye"}) {
    CAPTURE(query);
    const ConsoleReply reply = ask(query);
    CHECK(reply.only().rows[0][0] == "PgBouncer 1.25.2 (pgweir " PGWEIR_VERSION ")");
    CHECK(reply.ready);
  }
}

TEST_CASE("console: an empty query gets EmptyQueryResponse") {
  for (const Bytes query : {"", ";", " ;; ", "-- ping", "/* */"}) {
    CAPTURE(query);
    const ConsoleReply reply = ask(query);
    CHECK(reply.empty_queries == 1);
    CHECK(reply.results.empty());
    CHECK_FALSE(reply.failed);
    CHECK(reply.ready);
  }
}

TEST_CASE("console: several statements are answered in turn, up to the first error") {
  ConsoleReply reply = ask("BEGIN; SHOW STATE; COMMIT");
  REQUIRE(reply.results.size() == 3);
  CHECK(reply.results[0].tag == "BEGIN");
  CHECK(reply.results[1].rows.size() == 3);
  CHECK(reply.results[2].tag == "COMMIT");
  CHECK(reply.ready);

  reply = ask("SHOW STATE; SHOW NONSENSE; SHOW VERSION");
  CHECK(reply.results.size() == 1);
  CHECK(reply.failed);
  CHECK(reply.ready);
}

TEST_CASE("console: unknown commands are named, with the nearest known one") {
  ConsoleReply reply = ask("SHOW POLS");
  CHECK(reply.severity == "ERROR");
  CHECK(reply.sqlstate == "42601");
  CHECK(reply.message == "the console has no command \"SHOW POLS\"");
  CHECK(reply.hint == "Perhaps you meant SHOW POOLS. SHOW HELP lists the commands.");
  CHECK(reply.ready);
  CHECK(ask("pools").hint.starts_with("Perhaps you meant SHOW POOLS."));
  CHECK(ask("RELAOD").hint.starts_with("Perhaps you meant RELOAD."));
  CHECK(ask("SHOW ADVISE").hint.starts_with("Perhaps you meant SHOW ADVICE."));
  CHECK(ask("INSERT INTO t VALUES (1)").hint ==
        "SHOW HELP lists the commands; SQL is for the other databases.");
  CHECK(ask("SHOW").failed);
  CHECK(ask("()").sqlstate == "42601");
}

TEST_CASE("console: SQL is refused as not supported") {
  for (const Bytes query : {"SELECT * FROM pg_class", "select 1 + 1", "SELECT 'x'", "SELECT",
                            "select nothing", "SELECT 12345678901234567890", "SELECT 1.5"}) {
    CAPTURE(query);
    CHECK(ask(query).sqlstate == "0A000");
  }
}

TEST_CASE("console: too many words are an error") {
  CHECK(ask("SHOW POOLS shop").message == "SHOW POOLS takes no argument");
  CHECK(ask("RELOAD now").action == ConsoleAction::none);
  CHECK(ask("RELOAD now").sqlstate == "42601");
  CHECK(ask("SHUTDOWN NOW").action == ConsoleAction::none);
}

TEST_CASE("console: RELOAD leaves the answer to the caller") {
  ConsoleResult result = answer_console("reload;", ConsolePrivilege::admin, world_of(settings()));
  CHECK(result.bytes.empty());
  CHECK(result.action == ConsoleAction::reload);

  ConsoleReply reply =
      read_reply(reload_reply(true, "the configuration was read again\nlisten.port: 1 -> 2"));
  CHECK(reply.noticed);
  CHECK(reply.severity == "NOTICE");
  CHECK(reply.message == "the configuration was read again");
  CHECK(reply.detail == "listen.port: 1 -> 2");
  CHECK(reply.only().tag == "RELOAD");
  CHECK(reply.ready);

  reply = read_reply(reload_reply(false, "the configuration is refused\na.toml:1: x\na.toml:2: y"));
  CHECK(reply.failed);
  CHECK(reply.severity == "ERROR");
  CHECK(reply.sqlstate == "F0000");
  CHECK(reply.message == "the configuration is refused");
  CHECK(reply.detail == "a.toml:1: x\na.toml:2: y");
  CHECK(reply.results.empty());
  CHECK(reply.ready);

  CHECK(read_reply(reload_reply(true, "")).message == "the configuration was read again");
  CHECK(read_reply(reload_reply(false, "one line")).detail.empty());
}

TEST_CASE("console: SHUTDOWN has three forms") {
  const auto action = [](Bytes query) {
    const ConsoleReply reply = ask(query);
    CHECK(reply.only().tag == "SHUTDOWN");
    CHECK(reply.ready);
    return reply.action;
  };
  CHECK(action("SHUTDOWN") == ConsoleAction::shutdown);
  CHECK(action("shutdown wait_for_clients") == ConsoleAction::shutdown_wait_for_clients);
  CHECK(action("SHUTDOWN WAIT_FOR_SERVERS;") == ConsoleAction::shutdown_wait_for_servers);
}

TEST_CASE("console: an action next to other statements is refused before anything is done") {
  for (const Bytes query : {"RELOAD; SHOW VERSION", "SHOW VERSION; SHUTDOWN", "RELOAD; RELOAD"}) {
    CAPTURE(query);
    const ConsoleReply reply = ask(query);
    CHECK(reply.sqlstate == "25001");
    CHECK(reply.results.empty());
    CHECK(reply.action == ConsoleAction::none);
    CHECK(reply.ready);
  }
  CHECK(ask("SHOW VERSION; SHUTDOWN", ConsolePrivilege::stats).sqlstate == "42501");
}

TEST_CASE("console: a user without rights gets FATAL and is closed") {
  const ConsoleReply reply = ask("SHOW VERSION", ConsolePrivilege::none);
  CHECK(reply.severity == "FATAL");
  CHECK(reply.sqlstate == "42501");
  CHECK_FALSE(reply.ready);
  CHECK(reply.action == ConsoleAction::close);
}

TEST_CASE("console: what drivers send gets PostgreSQL's tags") {
  const auto tag = [](Bytes query) { return ask(query).only().tag; };
  CHECK(tag("BEGIN") == "BEGIN");
  CHECK(tag("begin transaction isolation level repeatable read, read only") == "BEGIN");
  CHECK(tag("START TRANSACTION READ ONLY") == "START TRANSACTION");
  CHECK(tag("COMMIT") == "COMMIT");
  CHECK(tag("end") == "COMMIT");
  CHECK(tag("ROLLBACK") == "ROLLBACK");
  CHECK(tag("ABORT WORK") == "ROLLBACK");
  CHECK(tag("SET client_encoding TO 'UTF8'") == "SET");
  CHECK(tag("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE") == "SET");
  CHECK(tag("SET extra_float_digits = 3; ") == "SET");
  CHECK(tag("RESET ALL") == "RESET");
  CHECK(tag("DISCARD ALL") == "DISCARD ALL");
  CHECK(tag("discard temporary") == "DISCARD TEMP");
  CHECK(tag("DEALLOCATE x") == "DEALLOCATE");
  CHECK(tag("CLOSE ALL") == "CLOSE CURSOR ALL");
  CHECK(tag("UNLISTEN *") == "UNLISTEN");
  CHECK(tag("SELECT pg_advisory_unlock_all()") == "SELECT 1");
  CHECK(tag("DEALLOCATE ALL") == "DEALLOCATE ALL");
  CHECK(tag("SET nosuch = 1") == "SET");
  CHECK(ask("DISCARD").sqlstate == "42601");
  CHECK(ask("SET").sqlstate == "42601");
}

TEST_CASE("console: SET of one of pgweir's settings changes it, for administrators") {
  const auto set = [](Bytes query, ConsolePrivilege rights = ConsolePrivilege::admin) {
    return answer_console(query, rights, world_of(settings()));
  };
  ConsoleResult result = set("SET default_pool_size = 50");
  CHECK(result.action == ConsoleAction::set);
  REQUIRE(bool(result.order.settings));
  CHECK(result.order.settings->pool.default_pool_size == 50);
  CHECK(read_reply(result.bytes).only().tag == "SET default_pool_size=50");
  CHECK(set("set query_wait_timeout to '90s'").order.settings->pool.query_wait_timeout ==
        std::chrono::seconds(90));
  CHECK(set("set query_wait_timeout = 1.5").order.settings->pool.query_wait_timeout ==
        std::chrono::milliseconds(1500));
  CHECK(set("SET query_wait_timeout = 30").order.settings->pool.query_wait_timeout ==
        std::chrono::seconds(30));
  CHECK(set("SET log_connections = 0").order.settings->log.connections == false);
  CHECK(set("SET admin_users = 'a,b'").order.settings->console.admin_users ==
        std::vector<std::string>{"a", "b"});
  CHECK(set("SET pool_mode = session").order.settings->pool.pool_mode == PoolMode::session);

  for (const Bytes query : {"SET default_pool_size = -1", "SET default_pool_size = x", "SET pool_mode = none",
                            "SET log_connections = maybe", "SET query_wait_timeout = 1.x",
                            "SET query_wait_timeout = 99999999999999999999", "SET default_pool_size ="}) {
    CAPTURE(query);
    const ConsoleResult refused = set(query);
    CHECK(refused.action == ConsoleAction::none);
    CHECK(refused.order.settings == nullptr);
    CHECK(read_reply(refused.bytes).failed);
  }
  const ConsoleReply restart = ask("SET listen_port = 1");
  CHECK(restart.sqlstate == "0A000");
  CHECK(restart.message == "SET does not change \"listen_port\"");
  CHECK(restart.hint == "Change it in the configuration file, then restart pgweir.");
  CHECK(read_reply(set("SET default_pool_size = 50", ConsolePrivilege::stats).bytes).sqlstate == "42501");
}

TEST_CASE(
    "console: SET of what is nearly a setting, or one of PgBouncer's only, is not accepted in silence") {
  const ConsoleReply typo = ask("SET max_client_con = 5");
  CHECK(typo.sqlstate == "42704");
  CHECK(typo.hint.find("max_client_conn") != std::string::npos);
  const ConsoleReply peers = ask("SET stats_period TO 10");
  CHECK(peers.sqlstate == "0A000");
  CHECK(peers.message.find("SHOW STATS") != std::string::npos);
  const World world = world_of(settings());
  const auto bytes = [&](Bytes query) { return answer_console(query, ConsolePrivilege::stats, world).bytes; };
  CHECK(bytes("SET nosuch = 1").find("\"nosuch\" is no setting of pgweir: ignored") != std::string::npos);
  // What drivers and tools set for themselves.
  for (const std::string name : {"application_name",
                                 "bytea_output",
                                 "client_min_messages",
                                 "datestyle",
                                 "default_transaction_isolation",
                                 "default_transaction_read_only",
                                 "enable_seqscan",
                                 "escape_string_warning",
                                 "extra_float_digits",
                                 "idle_in_transaction_session_timeout",
                                 "intervalstyle",
                                 "jit",
                                 "lc_messages",
                                 "lock_timeout",
                                 "role",
                                 "search_path",
                                 "session_replication_role",
                                 "statement_timeout",
                                 "synchronous_commit",
                                 "timezone",
                                
                                 "work_mem",
                                 "xmloption"}) {
    CAPTURE(name);
    CHECK(ask("SET " + std::string(name) + " TO 'x'").only().tag == "SET");
  }
  for (const Bytes name : {"auth_file", "auth_hba_file", "client_tls_key_file"})
    CHECK(ask("SET " + std::string(name) + " = 'x'").sqlstate == "0A000");
}

TEST_CASE("console: SELECT is SHOW for the words of SHOW, and HELP needs none") {
  CHECK(ask("select version").only().rows == ask("SHOW VERSION").only().rows);
  CHECK(ask("SELECT pools;").only().tag == "SHOW");
  CHECK(ask("SELECT version()").only().tag == "SELECT 1");
  CHECK(ask("SELECT nothing").sqlstate == "0A000");
  CHECK(ask("help").only().rows == ask("SHOW HELP").only().rows);
}

TEST_CASE("console: SET takes back every value that SHOW CONFIG shows") {
  const ConsoleReply config = ask("SHOW CONFIG");
  int changeable = 0;
  for (const auto& row : config.only().rows) {
    if (row[3] != "yes") continue;
    CAPTURE(*row[0]);
    const ConsoleReply reply = ask("SET " + *row[0] + " = '" + row[1].value_or("") + "'");
    if (reply.sqlstate == "0A000") continue;  // TLS
    CHECK(reply.action == ConsoleAction::set);
    ++changeable;
  }
  CHECK(changeable > 30);
}

TEST_CASE("console: verbs name what they are about, and refuse what cannot be") {
  const Command pause{.words = "PAUSE"};
  World world = world_for(pause);
  const auto result = [&](Bytes query) { return answer_console(query, ConsolePrivilege::admin, world); };
  CHECK(result("PAUSE").order.database.empty());
  CHECK(result("pause \"shop\";").order.database == "shop");
  CHECK(result("KILL 'shop'").order.database == "shop");
  CHECK(result("KILL_CLIENT 42").order.client == 42);
  const auto error = [&](Bytes query) {
    const ConsoleResult refused = result(query);
    CHECK(refused.action == ConsoleAction::none);
    return read_reply(refused.bytes).message;
  };
  CHECK(error("PAUSE nowhere") == "no such database: nowhere");
  CHECK(error("PAUSE shop shop") == "expected the name of one database");
  CHECK(error("KILL pgbouncer") == "cannot kill admin db: pgbouncer");
  CHECK(error("RECONNECT pgweir") == "cannot reconnect admin db: pgweir");
  CHECK(error("ENABLE") == "a database is required");
  CHECK(error("KILL_CLIENT") == "invalid client id");
  CHECK(error("KILL_CLIENT 99999999999999999999999") == "invalid client id");
  CHECK(error("RESUME shop") == "database shop is not paused");
  world.gates.paused.insert("shop");
  CHECK(result("RESUME shop").action == ConsoleAction::resume);
  CHECK(error("RESUME") == "pooler is not paused/suspended");
  world.gates.all = Gates::All::suspended;
  for (const Bytes query : {"PAUSE", "SUSPEND", "KILL"}) CHECK(error(query) == "already suspended/paused");
}

TEST_CASE("console: SELECT answers a number and the version") {
  const ConsoleReply one = ask("SELECT 1");
  CHECK(one.only().names == std::vector<std::string>{"?column?"});
  CHECK(one.only().oids == std::vector<std::uint32_t>{type_oid::int4});
  CHECK(one.only().rows[0][0] == "1");
  CHECK(one.only().tag == "SELECT 1");
  const ConsoleReply version = ask("select version();");
  CHECK(version.only().names == std::vector<std::string>{"version"});
  CHECK(version.only().rows[0][0] == "PgBouncer 1.25.2 (pgweir " PGWEIR_VERSION ")");
}

TEST_CASE("console: SHOW knows the parameters that drivers ask for") {
  const auto shown = [](Bytes query) {
    const ConsoleReply reply = ask(query);
    CHECK(reply.only().tag == "SHOW");
    return reply.only().names[0] + "=" + reply.only().rows[0][0].value();
  };
  CHECK(shown("SHOW client_encoding") == "client_encoding=UTF8");
  CHECK(shown("show server_version") == "server_version=1.25.2/pgweir");
  CHECK(shown("SHOW STANDARD_CONFORMING_STRINGS") == "standard_conforming_strings=on");
  CHECK(shown("show datestyle") == "DateStyle=ISO");
  CHECK(shown("show timezone") == "TimeZone=GMT");
  CHECK(shown("SHOW TIME ZONE") == "TimeZone=GMT");
  CHECK(shown("SHOW transaction_isolation") == "transaction_isolation=read committed");
  CHECK(shown("SHOW TRANSACTION ISOLATION LEVEL") == "transaction_isolation=read committed");
  CHECK(shown("SHOW transaction_read_only") == "transaction_read_only=off");
}

TEST_CASE("console: hostile queries get an error, quickly, and the console goes on") {
  const std::size_t big = 1 << 20;
  std::string nested;
  for (std::size_t i = 0; i < big / 2; ++i) nested += "/*";
  std::string closed = nested;
  for (std::size_t i = 0; i < big / 2; ++i) closed += "*/";
  std::string statements;
  for (std::size_t i = 0; i < big / 11; ++i) statements += "SHOW POOLS;";
  for (const std::string& query :
       {std::string(big, 'a'), std::string(big, '\''), std::string(big - 1, '"'), std::string(big, '('),
        std::string(big, '\0'), "SHOW " + std::string(big, 'x'),
        "SHOW CONCURRENCY '" + std::string(big, 'x') + "'", nested, statements,
        std::string("SHOW VERSION\0; RELOAD", 21), std::string("\x80\xff\xfe")}) {
    CAPTURE(query.substr(0, 40));
    const ConsoleReply reply = ask(query);
    CHECK(reply.failed);
    CHECK(reply.action == ConsoleAction::none);
    CHECK(reply.ready);
    CHECK(reply.message.size() < 300);
  }
  CHECK(ask(closed).empty_queries == 1);
  CHECK(ask(std::string(big, ';')).empty_queries == 1);
  CHECK(ask("/*" + std::string(big, '*') + "*/ SHOW VERSION").results.size() == 1);
}

TEST_CASE("console: a query's words come back only in printable form") {
  CHECK(ask("\"a\x01\nb\"").message == "the console has no command \"a\\x01\\x0ab\"");
}
