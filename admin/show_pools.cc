// SHOW POOLS.

#include <algorithm>
#include <tuple>

#include "admin/console_parameters.h"
#include "admin/console_view.h"
#include "admin/pool_view.h"
#include "admin/setting.h"
#include "admin/show.h"

namespace pgweir {
namespace {

struct PoolRow {
  PoolSnapshot pool;
  std::string mode;
  Cell load_balance_hosts;
};

using type_oid::int4;
using type_oid::text;

constexpr std::array pools_table{
    column<PoolRow>(
        "database", text, [](const PoolRow& it) { return it.pool.database; }, "As the client names it."),
    column<PoolRow>(
        "user", text, [](const PoolRow& it) { return it.pool.user; }, "As the client names it."),
    column<PoolRow>(
        "cl_active", int4, [](const PoolRow& it) { return it.pool.counts.cl_active; },
        "Clients that do not wait, with a server or without."),
    column<PoolRow>(
        "cl_waiting", int4, [](const PoolRow& it) { return it.pool.counts.cl_waiting; },
        "Clients that wait for a server."),
    column<PoolRow>(
        "cl_active_cancel_req", int4, [](const PoolRow& it) { return it.pool.counts.cl_active_cancel_req; },
        "Cancel requests on their way to the server."),
    column<PoolRow>(
        "cl_waiting_cancel_req", int4, [](const PoolRow& it) { return it.pool.counts.cl_waiting_cancel_req; },
        "Cancel requests that are not yet."),
    column<PoolRow>(
        "sv_active", int4, [](const PoolRow& it) { return it.pool.counts.sv_active; },
        "Servers in use by a client."),
    column<PoolRow>(
        "sv_active_cancel", int4, [](const PoolRow& it) { return it.pool.counts.sv_active_cancel; },
        "Connections that carry a cancel."),
    column<PoolRow>(
        "sv_being_canceled", int4, [](const PoolRow& it) { return it.pool.counts.sv_being_canceled; },
        "Servers kept back until a cancel is settled."),
    column<PoolRow>(
        "sv_idle", int4, [](const PoolRow& it) { return it.pool.counts.sv_idle; }, "Servers that are free."),
    column<PoolRow>(
        "sv_used", int4, [](const PoolRow& it) { return it.pool.counts.sv_used; },
        "Always 0: free servers are not checked."),
    column<PoolRow>(
        "sv_tested", int4, [](const PoolRow& it) { return it.pool.counts.sv_tested; },
        "Servers being rolled back or reset."),
    column<PoolRow>(
        "sv_login", int4, [](const PoolRow& it) { return it.pool.counts.sv_login; }, "Servers that log in."),
    column<PoolRow>(
        "maxwait", int4, [](const PoolRow& it) { return micros(it.pool.oldest_wait) / 1000000; },
        "Seconds that the client waits that waits longest now."),
    column<PoolRow>(
        "maxwait_us", int4, [](const PoolRow& it) { return micros(it.pool.oldest_wait) % 1000000; },
        "Microseconds on top of maxwait."),
    column<PoolRow>(
        "pool_mode", text, [](const PoolRow& it) { return it.mode; }, "When a server is given back."),
    column<PoolRow>(
        "load_balance_hosts", text, [](const PoolRow& it) { return it.load_balance_hosts; },
        "How one of several hosts is chosen; NULL: there is only one."),
};

std::string mode_of(const Settings& settings, const PoolSnapshot& pool) {
  return std::string(
      word_of(settings.mode_of(settings.find_database(pool.database), settings.find_user(pool.user))));
}

Cell load_balance_hosts_of(const Settings& settings, const PoolSnapshot& pool) {
  const DatabaseSettings* const database = settings.find_database(pool.database);
  if (database == nullptr || database->hosts.size() < 2) return Cell();
  return std::string(word_of(database->load_balance_hosts));
}

PoolRow console_pool(const World& world) {
  PoolRow row;
  row.pool.database = row.pool.user = console_database;
  row.pool.counts.cl_active = console_clients(world);
  row.mode = "statement";
  return row;
}

}  // namespace

CommandOutcome show_pools(CommandCall& call) {
  const World& world = call.world;
  std::vector<PoolRow> rows{console_pool(world)};
  for (PoolSnapshot& pool : merge_pools(world.workers, MeasureDepth::none)) {
    std::string mode = mode_of(world.settings, pool);
    Cell balance = load_balance_hosts_of(world.settings, pool);
    rows.push_back({std::move(pool), std::move(mode), std::move(balance)});
  }
  std::sort(rows.begin(), rows.end(), [](const PoolRow& a, const PoolRow& b) {
    return std::tie(a.pool.database, a.pool.user) < std::tie(b.pool.database, b.pool.user);
  });
  write_rows(call.out, pools_table, rows);
  return {};
}
std::vector<ColumnInfo> pools_columns() { return describe<pools_table>(); }

}  // namespace pgweir
