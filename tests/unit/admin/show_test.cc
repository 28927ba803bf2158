#include "admin/show.h"

#include <doctest/doctest.h>

#include "admin/command_table.h"
#include "tests/unit/admin/console_reply.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

Settings shop_settings() {
  Settings settings = settings_by_default();
  settings.listen.port = 6432;
  DatabaseSettings shop = database_by_default("shop");
  shop.hosts = {"10.0.0.5"};
  shop.ports = {5433};
  shop.dbname = "shop_db";
  shop.user = "service";
  shop.pool_size = 30;
  shop.max_db_connections = 50;
  shop.server_lifetime = 90s;
  shop.pool_mode = PoolMode::transaction;
  settings.databases["shop"] = shop;
  DatabaseSettings other = database_by_default("*");
  other.hosts = {"/run/postgresql"};
  other.ports = {5432};
  settings.databases["*"] = other;
  UserSettings alice = user_by_default("alice");
  alice.pool_size = 7;
  alice.max_user_connections = 9;
  alice.password = "hidden";
  settings.users["alice"] = alice;
  return settings;
}

PoolSnapshot pool_of(const char* database, const char* user, PoolCounts counts, Duration oldest_wait = {}) {
  PoolSnapshot pool;
  pool.database = database;
  pool.user = user;
  pool.counts = counts;
  pool.oldest_wait = oldest_wait;
  pool.pool_size = 5;
  return pool;
}

// Worker 0 and 2 share a pool; another pool has a database that only "*" serves.
std::vector<WorkerSnapshot> two_workers() {
  std::vector<WorkerSnapshot> workers(2);
  workers[0].worker = WorkerId{0};
  workers[0].pools.push_back(
      pool_of("shop", "alice", {.cl_active = 3, .cl_waiting = 2, .sv_active = 2, .sv_idle = 1}, 1500ms));
  workers[0].pools.push_back(pool_of("blog", "bob", {.cl_active = 1, .sv_login = 1}));
  workers[0].login_clients = 4;
  workers[0].used_clients = 6;
  workers[0].free_servers = 1;
  workers[0].used_servers = 3;
  workers[1].worker = WorkerId{2};
  workers[1].pools.push_back(pool_of("shop", "alice",
                                     {.cl_active = 10,
                                      .cl_waiting = 1,
                                      .cl_active_cancel_req = 1,
                                      .sv_active = 3,
                                      .sv_active_cancel = 1,
                                      .sv_being_canceled = 1,
                                      .sv_tested = 1},
                                     2000001us));
  for (WorkerSnapshot& worker : workers)
    worker.events = {{"refused", "clients_full", "53300", "max_client_conn clients are connected.", 2}};
  workers[1].used_clients = 11;
  workers[1].used_servers = 6;
  return workers;
}

ConsoleReply ask(Bytes query, std::vector<WorkerSnapshot> workers = two_workers()) {
  static const Settings settings = shop_settings();
  return ask(query, world_of(settings, std::move(workers)));
}

// "name:type", types as in 2.2 of PgBouncer's own source: s text, i int4, q int8, n numeric.
std::string columns(Bytes query) {
  const ConsoleReply reply = ask(query, {});
  std::string out;
  for (std::size_t i = 0; i < reply.only().names.size(); ++i) {
    const std::uint32_t oid = reply.only().oids[i];
    const char* type = oid == type_oid::text      ? "s"
                       : oid == type_oid::int4    ? "i"
                       : oid == type_oid::int8    ? "q"
                       : oid == type_oid::numeric ? "n"
                                                  : "?";
    out += (out.empty() ? "" : " ") + reply.only().names[i] + ":" + type;
  }
  return out;
}

std::vector<std::string> row(const ConsoleReply& reply, std::size_t i) {
  std::vector<std::string> values;
  for (const auto& value : reply.only().rows.at(i)) values.push_back(value.value_or("NULL"));
  return values;
}

std::string column_of(const ConsoleReply& reply, const std::string& name) {
  std::string out;
  for (const auto& values : reply.only().rows)
    out += (out.empty() ? "" : ",") + values[reply.index(name)].value_or("NULL");
  return out;
}

// Two seconds: 0 in use for 1 s, 1 for 0.5 s, 3 for 0.5 s, with two clients waiting meanwhile.
PoolSnapshot measured_pool() {
  PoolSnapshot pool = pool_of("shop", "alice", {});
  PoolMeasure& measure = pool.measure;
  measure.since = Instant(2s);
  measure.held.add_time(0, 1s);
  measure.held.add_time(1, 500ms);
  measure.held.add_time(3, 500ms);
  measure.waiting.add_time(0, 1500ms);
  measure.waiting.add_time(2, 500ms);
  measure.executing.add_time(0, 2s);
  measure.idle_in_transaction.add_time(0, 2s);
  for (int i = 0; i < 6; ++i) measure.waits.record(0us);
  measure.waits.record(100us);
  measure.waits.record(120us);
  measure.queries.record(5ms);
  return pool;
}

// 150 transactions a second of 40 ms, evenly, for 20 s.
TraceSegment steady_trace() {
  TraceSegment trace;
  trace.length = 20s;
  trace.pool_size = 5;
  for (int i = 0; i < 3000; ++i) {
    TraceRecord record;
    record.client = static_cast<std::uint32_t>(i % 50);
    record.arrival_us = i * 6667;
    record.executing_us = 40000;
    trace.records.push_back(record);
  }
  return trace;
}

std::vector<WorkerSnapshot> measured_world() {
  std::vector<WorkerSnapshot> workers(1);
  workers[0].pools.push_back(measured_pool());
  return workers;
}

}  // namespace

TEST_CASE("show: the columns of PgBouncer 1.24 and 1.25, in their order and type") {
  CHECK(
      columns("SHOW POOLS") ==
      "database:s user:s cl_active:i cl_waiting:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active:i "
      "sv_active_cancel:i sv_being_canceled:i sv_idle:i sv_used:i sv_tested:i sv_login:i maxwait:i "
      "maxwait_us:i "
      "pool_mode:s load_balance_hosts:s");
  CHECK(columns("SHOW DATABASES") ==
        "name:s host:s port:i database:s force_user:s pool_size:i min_pool_size:i reserve_pool_size:i "
        "server_lifetime:i pool_mode:s load_balance_hosts:s max_connections:i current_connections:i "
        "max_client_connections:i current_client_connections:i paused:i disabled:i");
  const Bytes sockets =
      "type:s user:s database:s replication:s state:s addr:s port:i local_addr:s local_port:i connect_time:s "
      "request_time:s wait:i wait_us:i close_needed:i ptr:s link:s remote_pid:i tls:s application_name:s "
      "prepared_statements:i id:i";
  CHECK(columns("SHOW CLIENTS") == sockets);
  CHECK(columns("SHOW SERVERS") == sockets);
  CHECK(columns("SHOW STATS") ==
        "database:s total_server_assignment_count:n total_xact_count:n total_query_count:n total_received:n "
        "total_sent:n total_xact_time:n total_query_time:n total_wait_time:n total_client_parse_count:n "
        "total_server_parse_count:n total_bind_count:n avg_server_assignment_count:n avg_xact_count:n "
        "avg_query_count:n avg_recv:n avg_sent:n avg_xact_time:n avg_query_time:n avg_wait_time:n "
        "avg_client_parse_count:n avg_server_parse_count:n avg_bind_count:n");
  CHECK(columns("SHOW STATS_TOTALS") ==
        "database:s server_assignment_count:n xact_count:n query_count:n bytes_received:n bytes_sent:n "
        "xact_time:n "
        "query_time:n wait_time:n client_parse_count:n server_parse_count:n bind_count:n");
  CHECK(columns("SHOW STATS_AVERAGES") ==
        "database:s server_assignment_count:n xact_count:n query_count:n bytes_received:n bytes_sent:n "
        "xact_time:n "
        "query_time:n wait_time:n avg_client_parse_count:n avg_server_parse_count:n avg_bind_count:n");
  CHECK(columns("SHOW USERS") ==
        "name:s pool_size:s reserve_pool_size:s pool_mode:s max_user_connections:i current_connections:i "
        "max_user_client_connections:i current_client_connections:i");
  CHECK(columns("SHOW LISTS") == "list:s items:i");
  CHECK(columns("SHOW ERRORS") == "kind:s reason:s sqlstate:s count:q meaning:s");
  CHECK(columns("SHOW CONFIG") == "key:s value:s default:s changeable:s");
  CHECK(columns("SHOW STATE") == "key:s value:s");
  CHECK(columns("SHOW VERSION") == "version:s");
}

TEST_CASE("show: the columns of pgweir's own commands") {
  CHECK(columns("SHOW CONCURRENCY") ==
        "pool:s what:s level:i level_to:i percent:n time_ms:q since:s picture:s");
  CHECK(columns("SHOW HISTOGRAMS") == "pool:s what:s from_us:q to_us:q count:q percent:n since:s picture:s");
  CHECK(columns("SHOW LATENCY") ==
        "pool:s what:s count:q mean_us:q p50_us:q p90_us:q p99_us:q p999_us:q max_us:q since:s");
  const Bytes advice =
      "pool:s size:i minimum:i advice:i ceiling:i reserve:i warm:i verdict:s decided_by:s confidence:s "
      "window:s in_short:s evidence:s missing:s";
  CHECK(columns("SHOW RECOMMENDATIONS") == advice);
  CHECK(columns("SHOW ADVICE") == advice);
}

TEST_CASE("show: every value that is not text is a number, and no integer has a fraction") {
  std::vector<WorkerSnapshot> workers = two_workers();
  workers[0].pools.push_back(measured_pool());
  workers[0].clients.emplace_back();
  workers[0].servers.emplace_back();
  workers[0].servers.back().holder = HolderSnapshot{.idle_in_transaction = true, .query = "select $"};
  workers[0].pins.emplace_back();
  workers[0].statements.emplace_back();
  workers[0].pools[0].pin_costs[0].pins = 1;
  workers[0].pools[0].applications.emplace_back();
  workers[0].pools[0].queries.push_back({.id = 7, .text = "select $", .use = {}});
  workers[0].pools[0].trace = steady_trace();
  Settings settings = shop_settings();
  settings.pool.autopilot = AutopilotMode::shadow;
  State state(test_wall_offset);
  state.add(AdviceEntry{{"shop", "alice"}, Instant(), AdviceEntry::Kind::set, 20, 12, "smaller", 20});
  for (const Command& command : command_table()) {
    if (command.columns == nullptr) continue;
    CAPTURE(command.words);
    World world = world_of(settings, workers);
    world.state = &state;
    world.alerts.emplace_back();
    world.forecasts.emplace_back();
    const ConsoleReply reply = ask(command.words, world);
    // What pgweir has not has no rows, and says so.
    CHECK(reply.only().rows.empty() == command.doc.starts_with("Empty: "));
    for (const auto& values : reply.only().rows) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (reply.only().oids[i] == type_oid::text || !values[i]) continue;
        CAPTURE(reply.only().names[i]);
        CAPTURE(*values[i]);
        const bool fraction = reply.only().oids[i] == type_oid::numeric;
        CHECK(values[i]->find_first_not_of(fraction ? "-0123456789." : "0123456789") == std::string::npos);
        if (reply.only().oids[i] == type_oid::int4) CHECK(std::stoll(*values[i]) <= INT32_MAX);
      }
    }
  }
}

TEST_CASE("SHOW POOLS adds up the workers' parts, takes the longest wait, and lists the console") {
  const ConsoleReply reply = ask("SHOW POOLS");
  CHECK(column_of(reply, "database") == "blog,pgbouncer,shop");
  CHECK(row(reply, 0) == std::vector<std::string>{"blog", "bob", "1", "0", "0", "0", "0", "0", "0", "0", "0",
                                                  "0", "1", "0", "0", "transaction", "NULL"});
  CHECK(row(reply, 1) == std::vector<std::string>{"pgbouncer", "pgbouncer", "1", "0", "0", "0", "0", "0", "0",
                                                  "0", "0", "0", "0", "0", "0", "statement", "NULL"});
  CHECK(row(reply, 2) == std::vector<std::string>{"shop", "alice", "13", "3", "1", "0", "5", "1", "1", "1",
                                                  "0", "1", "0", "2", "1", "transaction", "NULL"});
}

TEST_CASE("SHOW DATABASES lists what is configured, what is in use, and the console") {
  const ConsoleReply reply = ask("SHOW DATABASES");
  CHECK(column_of(reply, "name") == "blog,pgbouncer,shop");
  CHECK(row(reply, 2) == std::vector<std::string>{"shop", "10.0.0.5", "5433", "shop_db", "service", "30", "0",
                                                  "0", "90", "transaction", "NULL", "50", "9", "0", "16", "0",
                                                  "0"});
  CHECK(reply.value("name", "blog", "host") == "/run/postgresql");
  CHECK(reply.value("name", "blog", "database") == "blog");
  CHECK(reply.value("name", "blog", "force_user") == "NULL");
  CHECK(reply.value("name", "blog", "pool_mode") == "NULL");
  CHECK(reply.value("name", "blog", "pool_size") == "20");
  CHECK(reply.value("name", "pgbouncer", "host") == "NULL");
  CHECK(reply.value("name", "pgbouncer", "port") == "6432");
  CHECK(reply.value("name", "pgbouncer", "force_user") == "pgbouncer");
  CHECK(reply.value("name", "pgbouncer", "pool_mode") == "statement");
}

TEST_CASE("SHOW USERS has PgBouncer's padding and shows no password") {
  const ConsoleReply reply = ask("SHOW USERS");
  CHECK(column_of(reply, "name") == "alice,bob,pgbouncer");
  CHECK(row(reply, 0) == std::vector<std::string>{"alice", "        7", "", "NULL", "9", "9", "0", "16"});
  CHECK(reply.value("name", "bob", "pool_size") == "");
}

TEST_CASE("no secret of the settings is in any answer") {
  const Settings settings = shop_settings();
  for (const Command& command : command_table()) {
    if (command.columns == nullptr) continue;
    const ConsoleResult result =
        answer_console(command.words, ConsolePrivilege::admin, world_of(settings, two_workers()));
    CHECK(result.bytes.find("hidden") == std::string::npos);
  }
}

TEST_CASE("SHOW ERRORS adds up what the workers counted, and keeps reasons that never happened") {
  std::vector<WorkerSnapshot> workers(3);
  for (WorkerSnapshot& worker : workers) {
    worker.events = {{"refused", "password_wrong", "28P01", "The password is wrong.", 0},
                     {"refused", "clients_full", "53300", "Too many.", 0},
                     {"closed", "lost", "", "It broke.", 0}};
  }
  workers[0].events[0].count = 2;
  workers[2].events[0].count = 5'000'000'000;
  workers[1].events[2].count = 1;
  const ConsoleReply reply = ask("SHOW ERRORS", workers);
  REQUIRE(reply.only().rows.size() == 3);
  CHECK(row(reply, 0) == std::vector<std::string>{"refused", "password_wrong", "28P01", "5000000002",
                                                  "The password is wrong."});
  CHECK(row(reply, 1) == std::vector<std::string>{"refused", "clients_full", "53300", "0", "Too many."});
  CHECK(row(reply, 2) == std::vector<std::string>{"closed", "lost", "NULL", "1", "It broke."});
}

TEST_CASE("SHOW LISTS counts everything over the workers") {
  const ConsoleReply reply = ask("SHOW LISTS");
  CHECK(column_of(reply, "list") ==
        "databases,users,peers,pools,peer_pools,free_clients,used_clients,login_clients,free_servers,used_"
        "servers,"
        "dns_names,dns_zones,dns_queries,dns_pending");
  CHECK(column_of(reply, "items") == "3,3,0,3,0,0,17,4,1,9,0,0,0,0");
}

TEST_CASE("SHOW CONFIG names the settings that readers look for") {
  const ConsoleReply reply = ask("SHOW CONFIG");
  for (const char* key :
       {"max_client_conn", "max_user_connections", "default_pool_size", "log_pooler_errors"}) {
    CAPTURE(key);
    CHECK(reply.value("key", key, "value").find_first_not_of("0123456789") == std::string::npos);
    CHECK(reply.value("key", key, "changeable") == "yes");
  }
}

TEST_CASE("SHOW STATE says active") {
  CHECK(column_of(ask("SHOW STATE"), "key") == "active,paused,suspended");
  CHECK(column_of(ask("SHOW STATE"), "value") == "yes,no,no");
}

TEST_CASE("SHOW HELP lists every command for people with what it needs") {
  const ConsoleReply reply = ask("SHOW HELP");
  CHECK(reply.value("command", "SHOW POOLS", "needs") == "stats");
  CHECK(reply.value("command", "RELOAD", "needs") == "admin");
  CHECK(reply.value("command", "SHOW CONCURRENCY [pool]", "needs") == "stats");
  CHECK(column_of(reply, "command").find("BEGIN") == std::string::npos);
}

TEST_CASE("SHOW CLIENTS and SHOW SERVERS print PgBouncer's states, times and links") {
  std::vector<WorkerSnapshot> workers(2);
  workers[0].worker = WorkerId{0};
  workers[1].worker = WorkerId{1};
  ClientSnapshot client;
  client.id = ConnId{3, 7}.number();
  client.link = ConnId{4, 1}.number();
  client.user = "alice";
  client.database = "shop";
  client.application_name = "web";
  client.state = ClientState::waiting;
  client.peer = {"10.1.2.3", 40000, "10.1.2.4", 6432};
  client.connected = Instant(0s);
  client.requested = Instant(60s);
  client.waiting = 2500001us;
  workers[1].clients.push_back(client);
  ClientSnapshot fresh;
  fresh.id = ConnId{3, 7}.number();
  fresh.connected = Instant(5s);
  workers[0].clients.push_back(fresh);
  ClientSnapshot console = fresh;
  console.state = ClientState::console;
  console.user = "dba";
  console.database = "pgweir";
  workers[0].clients.push_back(console);
  ServerSnapshot server;
  server.id = ConnId{4, 1}.number();
  server.link = client.id;
  server.user = "service";
  server.database = "shop";
  server.state = ServerState::canceling;
  server.backend_pid = 4242;
  server.close_needed = true;
  workers[1].servers.push_back(server);

  const ConsoleReply clients = ask("SHOW CLIENTS", workers);
  REQUIRE(clients.only().rows.size() == 3);
  CHECK(row(clients, 2) == std::vector<std::string>{"C",
                                                    "alice",
                                                    "shop",
                                                    "none",
                                                    "waiting",
                                                    "10.1.2.3",
                                                    "40000",
                                                    "10.1.2.4",
                                                    "6432",
                                                    "2026-03-03 10:04:05 UTC",
                                                    "2026-03-03 10:05:05 UTC",
                                                    "2",
                                                    "500001",
                                                    "0",
                                                    "30064771075",
                                                    "4294967300",
                                                    "0",
                                                    "",
                                                    "web",
                                                    "0",
                                                    "3"});
  CHECK(row(clients, 0)[1] == "(nouser)");
  CHECK(row(clients, 0)[2] == "(nodb)");
  CHECK(row(clients, 0)[4] == "login");
  CHECK(row(clients, 0)[10] == "2026-03-03 10:04:10 UTC");
  CHECK(row(clients, 0)[15] == "");
  CHECK(row(clients, 0)[20] == "3");
  CHECK(row(clients, 1)[2] == "pgbouncer");
  CHECK(row(clients, 1)[4] == "active");

  const ConsoleReply servers = ask("SHOW SERVERS", workers);
  CHECK(servers.value("type", "S", "state") == "being_canceled");
  CHECK(servers.value("type", "S", "remote_pid") == "4242");
  CHECK(servers.value("type", "S", "close_needed") == "1");
  CHECK(servers.value("type", "S", "ptr") == "4294967300");
  CHECK(servers.value("type", "S", "link") == "30064771075");
}

TEST_CASE("SHOW POOLS counts the clients of the console where it knows them") {
  std::vector<WorkerSnapshot> workers(1);
  workers[0].clients.resize(3);
  workers[0].clients[1].state = workers[0].clients[2].state = ClientState::console;
  CHECK(ask("SHOW POOLS", workers).value("database", "pgbouncer", "cl_active") == "2");
}

TEST_CASE("SHOW STATS sums over users and workers and has a row for the console") {
  std::vector<WorkerSnapshot> workers = two_workers();
  for (WorkerSnapshot& worker : workers) {
    PoolTotals& totals = worker.pools[0].measure.totals;
    totals.server_assignment_count = 8;
    totals.xact_count = 7200;
    totals.query_count = 9;
    totals.received = 1000000;
    totals.sent = 2000000;
    totals.xact_time = 3s;
    totals.query_time = 1800us;
    totals.wait_time = 16ms;
    totals.client_parse_count = 1;
    totals.server_parse_count = 2;
    totals.bind_count = 3;
  }
  const ConsoleReply reply = ask("SHOW STATS", workers);
  CHECK(column_of(reply, "database") == "blog,pgbouncer,shop");
  // Two workers; an hour has passed.
  CHECK(row(reply, 2) == std::vector<std::string>{"shop",    "16",   "14400", "18",  "2000000", "4000000",
                                                  "6000000", "3600", "32000", "2",   "4",       "6",
                                                  "0",       "4",    "0",     "555", "1111",    "416",
                                                  "200",     "2000", "0",     "0",   "0"});
  CHECK(row(reply, 1)[3] == "0");
  const ConsoleReply totals = ask("SHOW STATS_TOTALS", workers);
  CHECK(row(totals, 2) == std::vector<std::string>{"shop", "16", "14400", "18", "2000000", "4000000",
                                                   "6000000", "3600", "32000", "2", "4", "6"});
  CHECK(row(ask("SHOW STATS_AVERAGES", workers), 2) ==
        std::vector<std::string>{"shop", "0", "4", "0", "555", "1111", "416", "200", "2000", "0", "0", "0"});
}

TEST_CASE("SHOW CONCURRENCY shows the time at each level, with the pool's size marked") {
  const ConsoleReply reply = ask("SHOW CONCURRENCY", measured_world());
  // in use: 0 to 5, the size of the pool; executing and idle in transaction: 0; waiting: 0 to 2.
  REQUIRE(reply.only().rows.size() == 6 + 1 + 1 + 3);
  auto first = row(reply, 0);
  first.pop_back();
  CHECK(first == std::vector<std::string>{"shop/alice", "in use", "0", "0", "50.000", "1000",
                                          "2026-03-03 10:04:07 UTC"});
  CHECK(row(reply, 0)[7].size() == 20 * 3);  // twenty full blocks, three bytes each
  CHECK(row(reply, 1)[4] == "25.000");
  CHECK(row(reply, 1)[7].size() == 10 * 3);
  CHECK(row(reply, 2)[4] == "0.000");
  CHECK(row(reply, 2)[7] == "");
  CHECK(row(reply, 3)[5] == "500");
  CHECK(row(reply, 5)[7] == "<- pool size 5");
  CHECK(row(reply, 6)[1] == "executing");
  CHECK(row(reply, 7)[1] == "idle in transaction");
  CHECK(row(reply, 10)[1] == "waiting");
  CHECK(row(reply, 10)[2] == "2");
  CHECK(row(reply, 10)[4] == "25.000");
}

TEST_CASE("SHOW CONCURRENCY puts levels together when there are many") {
  std::vector<WorkerSnapshot> workers = measured_world();
  PoolSnapshot& pool = workers[0].pools[0];
  pool.pool_size = 63;
  pool.measure.waiting.add_time(95, 250ms);
  pool.measure.waiting.add_time(91, 250ms);
  pool.measure.waiting.add_time(90, 500ms);
  const ConsoleReply reply = ask("SHOW CONCURRENCY shop", workers);
  int in_use = 0, waiting = 0;
  bool marked = false;
  for (std::size_t i = 0; i < reply.only().rows.size(); ++i) {
    const auto values = row(reply, i);
    in_use += values[1] == "in use";
    waiting += values[1] == "waiting";
    if (values[7].find("pool size") != std::string::npos) {
      marked = true;
      CHECK(values[1] == "in use");
      CHECK(std::stoi(values[2]) <= 63);
      CHECK(std::stoi(values[3]) >= 63);
    }
  }
  CHECK(marked);
  CHECK(in_use <= 25);
  CHECK(waiting == 20);  // 0, 1..5, 6..10, up to 91..95
  const auto last = row(reply, reply.only().rows.size() - 1);
  CHECK(last[2] == "91");
  CHECK(last[3] == "95");
  CHECK(last[5] == "500");
}

TEST_CASE("SHOW HISTOGRAMS has buckets of powers of two without the empty ones") {
  const ConsoleReply reply = ask("SHOW HISTOGRAMS", measured_world());
  REQUIRE(reply.only().rows.size() == 3);
  auto first = row(reply, 0);
  first.pop_back();
  CHECK(first ==
        std::vector<std::string>{"shop/alice", "wait", "0", "1", "6", "75.000", "2026-03-03 10:04:07 UTC"});
  CHECK(row(reply, 0)[7].size() == 20 * 3);
  CHECK(row(reply, 1)[2] == "64");
  CHECK(row(reply, 1)[3] == "128");
  CHECK(row(reply, 1)[4] == "2");
  CHECK(row(reply, 1)[5] == "25.000");
  CHECK(row(reply, 2)[1] == "query");
  CHECK(row(reply, 2)[2] == "4096");
  CHECK(row(reply, 2)[3] == "8192");
}

TEST_CASE("SHOW HISTOGRAMS of anything stays readable") {
  std::vector<WorkerSnapshot> workers = measured_world();
  for (Duration span = 1us; span < 2h; span *= 2) workers[0].pools[0].measure.queries.record(span);
  const ConsoleReply reply = ask("SHOW HISTOGRAMS", workers);
  int queries = 0;
  for (std::size_t i = 0; i < reply.only().rows.size(); ++i) queries += row(reply, i)[1] == "query";
  CHECK(queries <= 33);
  CHECK(row(reply, reply.only().rows.size() - 1)[3] == "4294967296");
}

TEST_CASE("SHOW LATENCY has percentiles for every histogram, 0 where it is empty") {
  const ConsoleReply reply = ask("SHOW LATENCY", measured_world());
  CHECK(column_of(reply, "what") == "wait,gave up,query,transaction,server held");
  CHECK(reply.value("what", "wait", "count") == "8");
  CHECK(reply.value("what", "wait", "p50_us") == "0");
  CHECK(reply.value("what", "wait", "p99_us") == "120");
  CHECK(reply.value("what", "wait", "max_us") == "120");
  CHECK(reply.value("what", "query", "mean_us") == "5000");
  CHECK(reply.value("what", "transaction", "p99_us") == "0");
}

TEST_CASE("measures of several workers are put together") {
  std::vector<WorkerSnapshot> workers = measured_world();
  workers.push_back(workers[0]);
  workers[1].worker = WorkerId{1};
  const ConsoleReply latency = ask("SHOW LATENCY", workers);
  CHECK(latency.value("what", "wait", "count") == "16");
  CHECK(latency.only().rows.size() == 5);
  const ConsoleReply concurrency = ask("SHOW CONCURRENCY", workers);
  CHECK(row(concurrency, 6)[2] == "6");  // both may have had 3 in use
  const ConsoleReply advice = ask("SHOW RECOMMENDATIONS", workers);
  CHECK(advice.only().rows.size() == 1);
}

TEST_CASE("SHOW WHATIF replays what was recorded, at the present size, the advice and others") {
  std::vector<WorkerSnapshot> workers = measured_world();
  CHECK(ask("SHOW WHATIF", workers).only().rows.empty());
  workers[0].pools[0].trace = steady_trace();
  const ConsoleReply advice = ask("SHOW RECOMMENDATIONS", workers);
  CHECK(std::stoi(advice.value("pool", "shop/alice", "advice")) > 5);
  CHECK(advice.value("pool", "shop/alice", "decided_by") == "pool");
  const ConsoleReply reply = ask("SHOW WHATIF shop/alice", workers);
  CHECK(reply.only().rows.size() > 3);
  CHECK(reply.value("size", "5", "note").starts_with("now"));
  CHECK(reply.value("size", advice.value("pool", "shop/alice", "advice"), "note").find("advice") !=
        Bytes::npos);
  CHECK(std::stoll(reply.value("size", "5", "p99_wait_us")) > 1000000);
  CHECK(reply.value("size", "7", "p99_wait_us") == "0");
}

TEST_CASE("SHOW RECOMMENDATIONS says when there is not enough data") {
  const ConsoleReply reply = ask("SHOW RECOMMENDATIONS", measured_world());
  REQUIRE(reply.only().rows.size() == 1);
  CHECK(reply.value("pool", "shop/alice", "size") == "5");
  CHECK(reply.value("pool", "shop/alice", "advice") == "NULL");
  CHECK(reply.value("pool", "shop/alice", "verdict") == "collecting");
  CHECK(reply.value("pool", "shop/alice", "confidence") == "-");
  CHECK(reply.value("pool", "shop/alice", "in_short").starts_with("collecting"));
  CHECK(reply.value("pool", "shop/alice", "missing").starts_with("- "));
}

TEST_CASE("SHOW RECOMMENDATIONS advises from minutes, in lines that fit a screen") {
  Meter meter(Instant(0s));
  meter.pool_size_changed(20);
  Instant now(0s);
  for (int i = 0; i < 60000; ++i) {
    Use use;
    meter.arrived(use, now);
    meter.served(use, WaitReason::none, now);
    meter.linked(use, now);
    meter.query_started(use, now);
    meter.query_finished(use, false, now + 1ms);
    meter.released(use, now + 1ms);
    now += 2ms;
    if (now >= meter.cut_due()) meter.cut(now);
  }
  std::vector<WorkerSnapshot> workers(1);
  PoolSnapshot pool = pool_of("shop", "alice", {.cl_active = 40});
  pool.pool_size = 20;
  pool.measure = meter.measure(now);
  workers[0].pools.push_back(std::move(pool));
  const ConsoleReply reply = ask("SHOW ADVICE shop/alice", workers);
  CHECK(reply.value("pool", "shop/alice", "verdict") == "shrink");
  CHECK(std::stoi(reply.value("pool", "shop/alice", "advice")) < 20);
  CHECK_FALSE(reply.value("pool", "shop/alice", "window").empty());
  for (const char* prose : {"in_short", "evidence", "missing"}) {
    const std::string text = reply.value("pool", "shop/alice", prose) + "\n";
    CHECK(text.size() > 1);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      CHECK(end - at <= 44);
      at = end + 1;
    }
  }
}

TEST_CASE("a pool may be named by its database, or with its user, in several ways") {
  std::vector<WorkerSnapshot> workers(1);
  for (const char* user : {"alice", "bob"}) {
    PoolSnapshot pool = measured_pool();
    pool.user = user;
    workers[0].pools.push_back(pool);
  }
  workers[0].pools.push_back(pool_of("my-db", "x", {}));
  const auto pools = [&](Bytes argument) {
    std::string names;
    const ConsoleReply reply = ask("SHOW LATENCY " + std::string(argument), workers);
    for (const auto& values : reply.only().rows) {
      if (names.find(*values[0]) == std::string::npos) names += *values[0] + " ";
    }
    return names;
  };
  CHECK(pools("") == "my-db/x shop/alice shop/bob ");
  CHECK(pools("shop") == "shop/alice shop/bob ");
  CHECK(pools("shop/bob") == "shop/bob ");
  CHECK(pools("\"shop\" / \"bob\"") == "shop/bob ");
  CHECK(pools("'shop/bob'") == "shop/bob ");
  CHECK(pools("my-db") == "my-db/x ");

  const ConsoleReply wrong = ask("SHOW LATENCY shpo/bob", workers);
  CHECK(wrong.sqlstate == "42704");
  CHECK(wrong.message == "there is no pool \"shpo/bob\"");
  CHECK(wrong.hint == "Perhaps you meant \"shop/bob\".");
  CHECK(ask("SHOW CONCURRENCY nowhere", {}).hint == "SHOW POOLS lists the pools.");
}

TEST_CASE("times are printed in UTC, far from now as well") {
  const Settings settings = settings_by_default();
  World world = world_of(settings);
  CHECK(time_text(world, Instant(0s)) == "2026-03-03 10:04:05 UTC");
  world.wall_offset = 0s;
  CHECK(time_text(world, Instant(0s)) == "1970-01-01 00:00:00 UTC");
  CHECK(time_text(world, Instant(-1ns)) == "1969-12-31 23:59:59 UTC");
  CHECK(time_text(world, never).size() == 23);
}
