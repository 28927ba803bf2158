#include "admin/metrics/metrics_table.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "admin/command_table.h"
#include "admin/metrics/console_rows.h"

namespace pgweir {
namespace {

using Type = MetricType;

// What the column says of itself.
std::string column_doc(Bytes command_words, Bytes column) {
  for (const Command& command : command_table()) {
    if (command.words != command_words || command.columns == nullptr) continue;
    for (const ColumnInfo& it : command.columns()) {
      if (it.name == column) return std::string(it.doc);
    }
  }
  return {};
}

// The names of the common exporter of PgBouncer's console
// (https://github.com/prometheus-community/pgbouncer_exporter, collector.go).
std::vector<Metric> pgbouncer_metrics() {
  std::vector<Metric> rows;
  rows.push_back({.name = "pgbouncer_up",
                  .write = [](const MetricsView&, Exposition& out) { out.add({}, 1); },
                  .doc = "Always 1: the exporter's word that it reached the console."});
  rows.push_back({.name = "pgbouncer_version",
                  .type = Type::info,
                  .labels = {{"version"}},
                  .command = "SHOW VERSION",
                  .doc = "The version of PgBouncer whose console this is, and pgweir's own."});

  const auto pools = [&](Bytes name, Bytes column, Bytes micros = {}) {
    rows.push_back({.name = name,
                    .unit = micros.empty() ? Bytes() : Bytes("seconds"),
                    .labels = {{"database"}, {"user"}},
                    .command = "SHOW POOLS",
                    .column = column,
                    .micros_column = micros});
  };
  pools("pgbouncer_pools_client_active_connections", "cl_active");
  pools("pgbouncer_pools_client_waiting_connections", "cl_waiting");
  pools("pgbouncer_pools_client_active_cancel_connections", "cl_active_cancel_req");
  pools("pgbouncer_pools_client_waiting_cancel_connections", "cl_waiting_cancel_req");
  pools("pgbouncer_pools_client_maxwait_seconds", "maxwait", "maxwait_us");
  pools("pgbouncer_pools_server_active_connections", "sv_active");
  pools("pgbouncer_pools_server_active_cancel_connections", "sv_active_cancel");
  pools("pgbouncer_pools_server_being_canceled_connections", "sv_being_canceled");
  pools("pgbouncer_pools_server_idle_connections", "sv_idle");
  pools("pgbouncer_pools_server_used_connections", "sv_used");
  pools("pgbouncer_pools_server_testing_connections", "sv_tested");
  pools("pgbouncer_pools_server_login_connections", "sv_login");

  const auto stats = [&](Bytes name, Bytes column, Bytes unit = {}, double scale = 1) {
    rows.push_back({.name = name,
                    .type = Type::counter,
                    .unit = unit,
                    .labels = {{"database"}},
                    .command = "SHOW STATS_TOTALS",
                    .column = column,
                    .scale = scale});
  };
  stats("pgbouncer_stats_server_assignments", "server_assignment_count");
  stats("pgbouncer_stats_sql_transactions_pooled", "xact_count");
  stats("pgbouncer_stats_queries_pooled", "query_count");
  stats("pgbouncer_stats_received_bytes", "bytes_received", "bytes");
  stats("pgbouncer_stats_sent_bytes", "bytes_sent", "bytes");
  stats("pgbouncer_stats_server_in_transaction_seconds", "xact_time", "seconds", 1e-6);
  stats("pgbouncer_stats_queries_duration_seconds", "query_time", "seconds", 1e-6);
  stats("pgbouncer_stats_client_wait_seconds", "wait_time", "seconds", 1e-6);
  stats("pgbouncer_stats_client_parses", "client_parse_count");
  stats("pgbouncer_stats_server_parses", "server_parse_count");
  stats("pgbouncer_stats_binds", "bind_count");

  const auto databases = [&](Bytes name, Bytes column) {
    rows.push_back({.name = name,
                    .labels = {{"name"}, {"host"}, {"port"}, {"database"}, {"force_user"}, {"pool_mode"}},
                    .command = "SHOW DATABASES",
                    .column = column});
  };
  databases("pgbouncer_databases_pool_size", "pool_size");
  databases("pgbouncer_databases_reserve_pool", "reserve_pool_size");
  databases("pgbouncer_databases_max_connections", "max_connections");
  databases("pgbouncer_databases_current_connections", "current_connections");
  databases("pgbouncer_databases_paused", "paused");
  databases("pgbouncer_databases_disabled", "disabled");

  const auto lists = [&](Bytes name, Bytes key, std::string doc) {
    rows.push_back({.name = name,
                    .command = "SHOW LISTS",
                    .column = "items",
                    .key_column = "list",
                    .key = key,
                    .doc = std::move(doc)});
  };
  lists("pgbouncer_databases", "databases", "Databases.");
  lists("pgbouncer_users", "users", "Users.");
  lists("pgbouncer_pools", "pools", "Pools.");
  lists("pgbouncer_free_clients", "free_clients", "Client objects kept for reuse.");
  lists("pgbouncer_used_clients", "used_clients", "Clients that are connected.");
  lists("pgbouncer_login_clients", "login_clients", "Clients that log in.");
  lists("pgbouncer_free_servers", "free_servers", "Server objects kept for reuse.");
  lists("pgbouncer_used_servers", "used_servers", "Servers that are connected.");
  lists("pgbouncer_cached_dns_names", "dns_names", "Names of hosts that are cached.");
  lists("pgbouncer_cached_dns_zones", "dns_zones", "Zones of the domain name system that are cached.");
  lists("pgbouncer_in_flight_dns_queries", "dns_queries", "Look-ups of names under way.");

  const auto config = [&](Bytes name, Bytes key, std::string doc) {
    rows.push_back({.name = name,
                    .command = "SHOW CONFIG",
                    .column = "value",
                    .key_column = "key",
                    .key = key,
                    .doc = std::move(doc)});
  };
  config("pgbouncer_config_max_client_connections", "max_client_conn", "Clients that may be connected.");
  config("pgbouncer_config_max_user_connections", "max_user_connections",
         "Servers that all pools of one user may have; 0: no limit.");
  return rows;
}

std::vector<Metric> make_table() {
  std::vector<Metric> rows = own_metrics();
  for (Metric& row : pgbouncer_metrics()) {
    if (row.doc.empty()) row.doc = column_doc(row.command, row.column);
    rows.push_back(std::move(row));
  }
  return rows;
}

double number_in(const std::vector<std::optional<std::string>>& row, std::optional<std::size_t> column) {
  if (!column || !row[*column]) return 0;
  return std::strtod(row[*column]->c_str(), nullptr);
}

void write_rows_of(const Metric& metric, const ConsoleRows& table, Exposition& out) {
  const auto value = table.index(metric.column), micros = table.index(metric.micros_column);
  const auto key = table.index(metric.key_column);
  std::size_t written = 0;
  for (const auto& row : table.rows) {
    if (!metric.key.empty() && (!key || row[*key] != metric.key)) continue;
    MetricLabels labels;
    for (const MetricLabel& label : metric.labels) {
      const auto column = table.index(label.column.empty() ? label.name : label.column);
      labels.emplace_back(label.name, column && row[*column] ? Bytes(*row[*column]) : Bytes());
    }
    // One of information has no column: its labels say all.
    const double number = metric.column.empty() ? 1 : number_in(row, value) * metric.scale;
    out.add(labels, number + number_in(row, micros) * 1e-6);
    if (++written == most_metric_pools) break;
  }
}

// The busiest pools, by name.
std::size_t keep_busiest(std::vector<PoolSnapshot>& pools) {
  if (pools.size() <= most_metric_pools) return 0;
  const std::size_t omitted = pools.size() - most_metric_pools;
  std::stable_sort(pools.begin(), pools.end(), [](const PoolSnapshot& a, const PoolSnapshot& b) {
    return a.measure.totals.xact_count > b.measure.totals.xact_count;
  });
  pools.resize(most_metric_pools);
  return omitted;
}

}  // namespace

std::span<const Metric> metrics_table() {
  static const std::vector<Metric> table = make_table();
  return table;
}

std::string sample_name(const Metric& metric) {
  std::string name(metric.name);
  if (metric.type == Type::counter) name += "_total";
  if (metric.type == Type::info) name += "_info";
  return name;
}

std::string metrics_text(const MetricsFacts& facts, MetricsFormat format) {
  const World world = facts.world();
  std::vector<PoolSnapshot> pools = merge_pools(world.workers, MeasureDepth::sums);
  const std::size_t omitted = keep_busiest(pools);
  const MetricsView view{facts, world, pools, omitted};
  std::map<Bytes, ConsoleRows> tables;
  Exposition out(format);
  for (const Metric& metric : metrics_table()) {
    out.begin(metric.name, metric.type, metric.unit, metric.doc);
    if (metric.write != nullptr) {
      metric.write(view, out);
      continue;
    }
    auto found = tables.find(metric.command);
    if (found == tables.end())
      found = tables.emplace(metric.command, console_rows(metric.command, world)).first;
    write_rows_of(metric, found->second, out);
  }
  return out.finish();
}

}  // namespace pgweir
