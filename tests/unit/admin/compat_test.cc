// The columns of PgBouncer 1.24 and 1.25, which its readers count and take by position: names, order, types.

#include <doctest/doctest.h>

#include <map>
#include <sstream>

#include "admin/command_table.h"
#include "tests/unit/admin/console_reply.h"

using namespace pgweir;

namespace {

constexpr const char* connection_columns =
    "type t, user t, database t, replication t, state t, addr t, port i, local_addr t, local_port i, "
    "connect_time t, request_time t, wait i, wait_us i, close_needed i, ptr t, link t, remote_pid i, tls t, "
    "application_name t, prepared_statements i, id i";

const std::string socket_columns =
    std::string(connection_columns) +
    ", recv_pos i, pkt_pos i, pkt_remain i, send_pos i, send_remain i, pkt_avail i, send_avail i";

// t text, i int4, q int8, n numeric, b bytea. Put down from PgBouncer's source (src/admin.c, src/stats.c),
// in the order in which it sends them, which its manual has wrong for SHOW STATS.
const std::map<std::string, std::string> pgbouncer_columns{
    {"STATS",
     "database t, total_server_assignment_count n, total_xact_count n, total_query_count n, total_received "
     "n, "
     "total_sent n, total_xact_time n, total_query_time n, total_wait_time n, total_client_parse_count n, "
     "total_server_parse_count n, total_bind_count n, avg_server_assignment_count n, avg_xact_count n, "
     "avg_query_count n, avg_recv n, avg_sent n, avg_xact_time n, avg_query_time n, avg_wait_time n, "
     "avg_client_parse_count n, avg_server_parse_count n, avg_bind_count n"},
    {"STATS_TOTALS",
     "database t, server_assignment_count n, xact_count n, query_count n, bytes_received n, bytes_sent n, "
     "xact_time n, query_time n, wait_time n, client_parse_count n, server_parse_count n, bind_count n"},
    {"STATS_AVERAGES",
     "database t, server_assignment_count n, xact_count n, query_count n, bytes_received n, bytes_sent n, "
     "xact_time n, query_time n, wait_time n, avg_client_parse_count n, avg_server_parse_count n, "
     "avg_bind_count n"},
    {"TOTALS", "name t, value n"},
    {"POOLS",
     "database t, user t, cl_active i, cl_waiting i, cl_active_cancel_req i, cl_waiting_cancel_req i, "
     "sv_active i, sv_active_cancel i, sv_being_canceled i, sv_idle i, sv_used i, sv_tested i, sv_login i, "
     "maxwait i, maxwait_us i, pool_mode t, load_balance_hosts t"},
    {"CLIENTS", connection_columns},
    {"SERVERS", connection_columns},
    {"SOCKETS", socket_columns},
    {"ACTIVE_SOCKETS", socket_columns},
    {"DATABASES",
     "name t, host t, port i, database t, force_user t, pool_size i, min_pool_size i, reserve_pool_size i, "
     "server_lifetime i, pool_mode t, load_balance_hosts t, max_connections i, current_connections i, "
     "max_client_connections i, current_client_connections i, paused i, disabled i"},
    {"USERS",
     "name t, pool_size t, reserve_pool_size t, pool_mode t, max_user_connections i, current_connections i, "
     "max_user_client_connections i, current_client_connections i"},
    {"PEERS", "peer_id i, host t, port i, pool_size i"},
    {"PEER_POOLS",
     "peer_id i, cl_active_cancel_req i, cl_waiting_cancel_req i, sv_active_cancel i, sv_login i"},
    {"LISTS", "list t, items i"},
    {"CONFIG", "key t, value t, default t, changeable t"},
    {"MEM", "name t, size i, used i, free i, memtotal i"},
    {"STATE", "key t, value t"},
    {"DNS_HOSTS", "hostname t, ttl q, addrs t"},
    {"DNS_ZONES", "zonename t, serial q, count i"},
    {"FDS",
     "fd i, task t, user t, database t, addr t, port i, cancel q, link i, client_encoding t, std_strings t, "
     "datestyle t, timezone t, password t, scram_client_key b, scram_server_key b"},
    {"VERSION", "version t"},
};

char letter(std::uint32_t oid) {
  const std::map<std::uint32_t, char> letters{{type_oid::text, 't'},
                                              {type_oid::int4, 'i'},
                                              {type_oid::int8, 'q'},
                                              {type_oid::numeric, 'n'},
                                              {type_oid::bytea, 'b'}};
  const auto found = letters.find(oid);
  return found == letters.end() ? '?' : found->second;
}

std::string first_column(const ConsoleReply& reply) {
  std::string all;
  for (const auto& row : reply.only().rows) all += (all.empty() ? "" : " ") + row[0].value_or("NULL");
  return all;
}

}  // namespace

TEST_CASE("compat: each SHOW of PgBouncer has exactly its columns") {
  const Settings settings = settings_by_default();
  for (const auto& entry : pgbouncer_columns) {
    CAPTURE(entry.first);
    const ConsoleReply reply = ask("SHOW " + entry.first, world_of(settings));
    const auto& result = reply.only();
    CHECK(result.tag == "SHOW");
    std::string columns;
    for (std::size_t i = 0; i < result.names.size(); ++i)
      columns += (columns.empty() ? "" : ", ") + result.names[i] + " " + letter(result.oids[i]);
    CHECK(columns == entry.second);
  }
}

TEST_CASE("compat: lists have PgBouncer's rows in its order") {
  const Settings settings = settings_by_default();
  const auto rows = [&](Bytes query) { return first_column(ask(query, world_of(settings))); };
  CHECK(rows("SHOW LISTS") ==
        "databases users peers pools peer_pools free_clients used_clients login_clients free_servers "
        "used_servers dns_names dns_zones dns_queries dns_pending");
  CHECK(rows("SHOW STATE") == "active paused suspended");
  CHECK(rows("SHOW TOTALS") ==
        "total_server_assignment_count total_xact_count total_query_count total_client_bytes "
        "total_server_bytes total_xact_time total_query_time total_wait_time total_ps_client_parse_count "
        "total_ps_server_parse_count total_ps_bind_count avg_server_assignment_count avg_xact_count "
        "avg_query_count avg_client_bytes avg_server_bytes avg_xact_time avg_query_time avg_wait_time "
        "avg_ps_client_parse_count avg_ps_server_parse_count avg_ps_bind_count");
  for (const Bytes name : {"STATS", "DATABASES", "POOLS"}) {
    CAPTURE(name);
    CHECK(rows("SHOW " + std::string(name)).find("pgbouncer") != std::string::npos);
  }
}

TEST_CASE("compat: SHOW CONFIG has what readers look for, as numbers where they want numbers") {
  const Settings settings = settings_by_default();
  const ConsoleReply config = ask("SHOW CONFIG", world_of(settings));
  for (const std::string key : {"max_client_conn", "max_user_connections", "default_pool_size",
                                "log_pooler_errors", "listen_port", "max_db_connections"}) {
    CAPTURE(key);
    const std::string value = config.value("key", key, "value");
    CHECK_FALSE(value.empty());
    CHECK(value.find_first_not_of("0123456789") == std::string::npos);
  }
}

TEST_CASE("compat: all commands of PgBouncer are there, and SHOW FDS is for administrators") {
  std::map<Bytes, ConsolePrivilege> words;
  for (const Command& command : command_table()) words[command.words] = command.privilege;
  for (const auto& entry : pgbouncer_columns) {
    CAPTURE(entry.first);
    const std::string show = "SHOW " + entry.first;
    REQUIRE(words.contains(show));
    CHECK(words[show] == (entry.first == "FDS" ? ConsolePrivilege::admin : ConsolePrivilege::stats));
  }
}
