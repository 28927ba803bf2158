// Commands of PgBouncer for what pgweir has not: they have its columns, and no rows, so that who asks for all
// of them is content.

#include "admin/show.h"

namespace pgweir {
namespace {

struct NoRow {};

constexpr ShowColumn<NoRow> nothing(Bytes name, std::uint32_t oid) {
  return {{name, oid, "Never a row."}, [](const NoRow&) { return Cell(); }};
}

constexpr std::array peers_table{
    nothing("peer_id", type_oid::int4),
    nothing("host", type_oid::text),
    nothing("port", type_oid::int4),
    nothing("pool_size", type_oid::int4),
};

constexpr std::array peer_pools_table{
    nothing("peer_id", type_oid::int4),
    nothing("cl_active_cancel_req", type_oid::int4),
    nothing("cl_waiting_cancel_req", type_oid::int4),
    nothing("sv_active_cancel", type_oid::int4),
    nothing("sv_login", type_oid::int4),
};

constexpr std::array mem_table{
    nothing("name", type_oid::text), nothing("size", type_oid::int4),     nothing("used", type_oid::int4),
    nothing("free", type_oid::int4), nothing("memtotal", type_oid::int4),
};

constexpr std::array dns_hosts_table{
    nothing("hostname", type_oid::text),
    nothing("ttl", type_oid::int8),
    nothing("addrs", type_oid::text),
};

constexpr std::array dns_zones_table{
    nothing("zonename", type_oid::text),
    nothing("serial", type_oid::int8),
    nothing("count", type_oid::int4),
};

constexpr std::array fds_table{
    nothing("fd", type_oid::int4),
    nothing("task", type_oid::text),
    nothing("user", type_oid::text),
    nothing("database", type_oid::text),
    nothing("addr", type_oid::text),
    nothing("port", type_oid::int4),
    nothing("cancel", type_oid::int8),
    nothing("link", type_oid::int4),
    nothing("client_encoding", type_oid::text),
    nothing("std_strings", type_oid::text),
    nothing("datestyle", type_oid::text),
    nothing("timezone", type_oid::text),
    nothing("password", type_oid::text),
    nothing("scram_client_key", type_oid::bytea),
    nothing("scram_server_key", type_oid::bytea),
};

template <class Table>
CommandOutcome no_rows(CommandCall& call, const Table& table) {
  write_rows(call.out, table, std::array<NoRow, 0>());
  return {};
}

}  // namespace

CommandOutcome show_peers(CommandCall& call) { return no_rows(call, peers_table); }
std::vector<ColumnInfo> peers_columns() { return describe<peers_table>(); }

CommandOutcome show_peer_pools(CommandCall& call) { return no_rows(call, peer_pools_table); }
std::vector<ColumnInfo> peer_pools_columns() { return describe<peer_pools_table>(); }

CommandOutcome show_mem(CommandCall& call) { return no_rows(call, mem_table); }
std::vector<ColumnInfo> mem_columns() { return describe<mem_table>(); }

CommandOutcome show_dns_hosts(CommandCall& call) { return no_rows(call, dns_hosts_table); }
std::vector<ColumnInfo> dns_hosts_columns() { return describe<dns_hosts_table>(); }

CommandOutcome show_dns_zones(CommandCall& call) { return no_rows(call, dns_zones_table); }
std::vector<ColumnInfo> dns_zones_columns() { return describe<dns_zones_table>(); }

CommandOutcome show_fds(CommandCall& call) { return no_rows(call, fds_table); }
std::vector<ColumnInfo> fds_columns() { return describe<fds_table>(); }

}  // namespace pgweir
