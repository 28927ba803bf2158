// SHOW DATABASES.

#include <algorithm>
#include <map>

#include "admin/console_parameters.h"
#include "admin/console_view.h"
#include "admin/pool_view.h"
#include "admin/setting.h"
#include "admin/show.h"

namespace pgweir {
namespace {

struct DatabaseRow {
  std::string name;
  Cell host;
  Cell load_balance_hosts;
  int port = 0;
  std::string database;
  Cell force_user;
  int pool_size = 0, min_pool_size = 0, reserve_pool_size = 0;
  Duration server_lifetime{};
  Cell pool_mode;
  int max_connections = 0, max_clients = 0;
  ConnectionCounts counts;
  int paused = 0, disabled = 0;
};

using type_oid::int4;
using type_oid::text;

constexpr std::array databases_table{
    column<DatabaseRow>(
        "name", text, [](const DatabaseRow& it) { return it.name; }, "As the client names it."),
    column<DatabaseRow>(
        "host", text, [](const DatabaseRow& it) { return it.host; },
        "PostgreSQL's host, or the directory of its Unix socket; several with commas between them."),
    column<DatabaseRow>(
        "port", int4, [](const DatabaseRow& it) { return it.port; },
        "PostgreSQL's port; of several, that of the first host."),
    column<DatabaseRow>(
        "database", text, [](const DatabaseRow& it) { return it.database; },
        "The database's name in PostgreSQL."),
    column<DatabaseRow>(
        "force_user", text, [](const DatabaseRow& it) { return it.force_user; },
        "The user that logs in to PostgreSQL; NULL: the client's."),
    column<DatabaseRow>(
        "pool_size", int4, [](const DatabaseRow& it) { return it.pool_size; },
        "Servers that a pool of this database may have; once APPLY RECOMMENDATION has set the size of one, "
        "the "
        "largest size of them. SHOW CONFIG lists what was applied."),
    column<DatabaseRow>(
        "min_pool_size", int4, [](const DatabaseRow& it) { return it.min_pool_size; },
        "Servers that a pool keeps open."),
    column<DatabaseRow>(
        "reserve_pool_size", int4, [](const DatabaseRow& it) { return it.reserve_pool_size; },
        "More servers for clients that waited too long."),
    column<DatabaseRow>(
        "server_lifetime", int4,
        [](const DatabaseRow& it) {
          return std::chrono::duration_cast<std::chrono::seconds>(it.server_lifetime).count();
        },
        "Seconds after which a server is replaced."),
    column<DatabaseRow>(
        "pool_mode", text, [](const DatabaseRow& it) { return it.pool_mode; }, "NULL: that of [pool]."),
    column<DatabaseRow>(
        "load_balance_hosts", text, [](const DatabaseRow& it) { return it.load_balance_hosts; },
        "How one of several hosts is chosen; NULL: there is only one."),
    column<DatabaseRow>(
        "max_connections", int4, [](const DatabaseRow& it) { return it.max_connections; },
        "Servers that all its pools may have; 0: no limit."),
    column<DatabaseRow>(
        "current_connections", int4, [](const DatabaseRow& it) { return it.counts.servers; },
        "Servers that there are."),
    column<DatabaseRow>(
        "max_client_connections", int4, [](const DatabaseRow& it) { return it.max_clients; },
        "Clients that may be connected; 0: no limit."),
    column<DatabaseRow>(
        "current_client_connections", int4, [](const DatabaseRow& it) { return it.counts.clients; },
        "Clients that there are."),
    column<DatabaseRow>(
        "paused", int4, [](const DatabaseRow& it) { return it.paused; },
        "1: by PAUSE or KILL of this database."),
    column<DatabaseRow>(
        "disabled", int4, [](const DatabaseRow& it) { return it.disabled; }, "1: by DISABLE."),
};

DatabaseRow console_row(const Settings& settings) {
  DatabaseRow row;
  row.name = row.database = console_database;
  row.force_user = console_database;
  row.port = settings.listen.port;
  row.pool_size = 2;  // as PgBouncer's
  row.server_lifetime = settings.pool.server_lifetime;
  row.pool_mode = "statement";
  return row;
}

DatabaseRow row_of(const std::string& name, const Settings& settings) {
  const PoolSettings& defaults = settings.pool;
  DatabaseRow row;
  row.name = row.database = name;
  row.pool_size = defaults.default_pool_size;
  row.min_pool_size = defaults.min_pool_size;
  row.reserve_pool_size = defaults.reserve_pool_size;
  row.server_lifetime = defaults.server_lifetime;
  row.max_connections = defaults.max_db_connections;
  row.max_clients = settings.clients_of_database(name);
  const DatabaseSettings* const database = settings.find_database(name);
  if (database == nullptr) return row;  // a reload took it away; its last clients are still there
  std::string hosts;
  for (const std::string& host : database->hosts) hosts += (hosts.empty() ? "" : ",") + host;
  if (!hosts.empty()) row.host = hosts;
  if (!database->ports.empty()) row.port = database->ports.front();
  if (database->hosts.size() > 1) row.load_balance_hosts = std::string(word_of(database->load_balance_hosts));
  if (!database->dbname.empty()) row.database = database->dbname;
  if (!database->user.empty()) row.force_user = database->user;
  row.pool_size = database->pool_size.value_or(row.pool_size);
  row.min_pool_size = database->min_pool_size.value_or(row.min_pool_size);
  row.reserve_pool_size = database->reserve_pool_size.value_or(row.reserve_pool_size);
  row.server_lifetime = database->server_lifetime.value_or(row.server_lifetime);
  row.max_connections = database->max_db_connections.value_or(row.max_connections);
  if (database->pool_mode) row.pool_mode = std::string(word_of(*database->pool_mode));
  return row;
}

// Databases with a pool whose size was applied: the largest size of all their pools.
std::map<std::string, int> applied_sizes(const World& world) {
  std::map<std::string, int> sizes;
  for (const auto& [route, size] : world.settings.applied_sizes)
    sizes[route.database] = std::max(sizes[route.database], size);
  for (const PoolSnapshot& pool : merge_pools(world.workers, MeasureDepth::none)) {
    if (const auto its = sizes.find(pool.database); its != sizes.end())
      its->second = std::max(its->second, pool.pool_size);
  }
  return sizes;
}

}  // namespace

CommandOutcome show_databases(CommandCall& call) {
  const Settings& settings = call.world.settings;
  const std::map<std::string, int> applied = applied_sizes(call.world);
  std::vector<DatabaseRow> rows;
  for (const auto& [name, counts] : listed_databases(call.world)) {
    rows.push_back(name == console_database ? console_row(settings) : row_of(name, settings));
    rows.back().counts = counts;
    if (const auto its = applied.find(name); its != applied.end()) rows.back().pool_size = its->second;
    rows.back().paused = call.world.gates.paused.contains(name);
    rows.back().disabled = call.world.gates.disabled.contains(name);
  }
  write_rows(call.out, databases_table, rows);
  return {};
}
std::vector<ColumnInfo> databases_columns() { return describe<databases_table>(); }

}  // namespace pgweir
