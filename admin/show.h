#pragma once
// The commands that answer with rows: for each what it does and, where they are always the same, its columns.

#include <vector>

#include "admin/command.h"

namespace pgweir {

// show_about.cc
CommandOutcome show_version(CommandCall& call);
std::vector<ColumnInfo> version_columns();
CommandOutcome show_help(CommandCall& call);
std::vector<ColumnInfo> help_columns();
CommandOutcome show_config(CommandCall& call);
std::vector<ColumnInfo> config_columns();
CommandOutcome show_state(CommandCall& call);
std::vector<ColumnInfo> state_columns();

// show_lists.cc
CommandOutcome show_lists(CommandCall& call);
std::vector<ColumnInfo> lists_columns();

// show_pools.cc
CommandOutcome show_pools(CommandCall& call);
std::vector<ColumnInfo> pools_columns();

// show_databases.cc
CommandOutcome show_databases(CommandCall& call);
std::vector<ColumnInfo> databases_columns();

// show_users.cc
CommandOutcome show_users(CommandCall& call);
std::vector<ColumnInfo> users_columns();

// show_connections.cc
CommandOutcome show_clients(CommandCall& call);
CommandOutcome show_servers(CommandCall& call);
std::vector<ColumnInfo> connections_columns();
CommandOutcome show_sockets(CommandCall& call);
CommandOutcome show_active_sockets(CommandCall& call);
std::vector<ColumnInfo> sockets_columns();

// show_stats.cc
CommandOutcome show_stats(CommandCall& call);
std::vector<ColumnInfo> stats_columns();
CommandOutcome show_stats_totals(CommandCall& call);
std::vector<ColumnInfo> stats_totals_columns();
CommandOutcome show_stats_averages(CommandCall& call);
std::vector<ColumnInfo> stats_averages_columns();
CommandOutcome show_totals(CommandCall& call);
std::vector<ColumnInfo> totals_columns();

// show_nothing.cc: what PgBouncer has and pgweir has not
CommandOutcome show_peers(CommandCall& call);
std::vector<ColumnInfo> peers_columns();
CommandOutcome show_peer_pools(CommandCall& call);
std::vector<ColumnInfo> peer_pools_columns();
CommandOutcome show_mem(CommandCall& call);
std::vector<ColumnInfo> mem_columns();
CommandOutcome show_dns_hosts(CommandCall& call);
std::vector<ColumnInfo> dns_hosts_columns();
CommandOutcome show_dns_zones(CommandCall& call);
std::vector<ColumnInfo> dns_zones_columns();
CommandOutcome show_fds(CommandCall& call);
std::vector<ColumnInfo> fds_columns();

// show_recommendation.cc
CommandOutcome show_recommendation(CommandCall& call);
std::vector<ColumnInfo> recommendation_columns();

// show_budget.cc
CommandOutcome show_budget(CommandCall& call);
std::vector<ColumnInfo> budget_columns();

// show_levels.cc
CommandOutcome show_levels(CommandCall& call);
std::vector<ColumnInfo> levels_columns();

// show_concurrency.cc
CommandOutcome show_concurrency(CommandCall& call);
std::vector<ColumnInfo> concurrency_columns();

// show_histograms.cc
CommandOutcome show_histograms(CommandCall& call);
std::vector<ColumnInfo> histograms_columns();
CommandOutcome show_latency(CommandCall& call);
std::vector<ColumnInfo> latency_columns();

// show_statements.cc
CommandOutcome show_prepared_statements(CommandCall& call);
std::vector<ColumnInfo> prepared_statements_columns();

// show_queries.cc
CommandOutcome show_queries(CommandCall& call);
std::vector<ColumnInfo> queries_columns();

// show_holders.cc
CommandOutcome show_holders(CommandCall& call);
std::vector<ColumnInfo> holders_columns();

// show_pins.cc
CommandOutcome show_pins(CommandCall& call);
std::vector<ColumnInfo> pins_columns();
CommandOutcome show_pin_costs(CommandCall& call);
std::vector<ColumnInfo> pin_costs_columns();

// show_readiness.cc
CommandOutcome show_readiness(CommandCall& call);
std::vector<ColumnInfo> readiness_columns();

// show_savings.cc
CommandOutcome show_savings(CommandCall& call);
std::vector<ColumnInfo> savings_columns();

// show_recommendations.cc
CommandOutcome show_recommendations(CommandCall& call);
std::vector<ColumnInfo> recommendations_columns();
CommandOutcome show_what_if(CommandCall& call);
std::vector<ColumnInfo> what_if_columns();

// apply_recommendation.cc
CommandOutcome apply_recommendation(CommandCall& call);
CommandOutcome reset_recommendation(CommandCall& call);

// show_advice_history.cc
CommandOutcome show_advice_history(CommandCall& call);
std::vector<ColumnInfo> advice_history_columns();
// show_autopilot.cc
CommandOutcome show_autopilot(CommandCall& call);
std::vector<ColumnInfo> autopilot_columns();

// show_alerts.cc
CommandOutcome show_alerts(CommandCall& call);
std::vector<ColumnInfo> alerts_columns();
CommandOutcome show_forecast(CommandCall& call);
std::vector<ColumnInfo> forecast_columns();

// show_errors.cc
CommandOutcome show_errors(CommandCall& call);
std::vector<ColumnInfo> errors_columns();

// verbs.cc: what only says what is to be done
CommandOutcome pause(CommandCall& call);
CommandOutcome resume(CommandCall& call);
CommandOutcome suspend(CommandCall& call);
CommandOutcome disable(CommandCall& call);
CommandOutcome enable(CommandCall& call);
CommandOutcome reconnect(CommandCall& call);
CommandOutcome wait_close(CommandCall& call);
CommandOutcome kill(CommandCall& call);
CommandOutcome kill_client(CommandCall& call);

// set_setting.cc
bool names_setting(std::span<const Token> arguments);
CommandOutcome set_setting(CommandCall& call);

// driver_commands.cc: what drivers send without being asked
CommandOutcome show_parameter(CommandCall& call);
CommandOutcome select_value(CommandCall& call);
CommandOutcome set_parameter(CommandCall& call);
CommandOutcome discard(CommandCall& call);
CommandOutcome close_cursor(CommandCall& call);
CommandOutcome deallocate(CommandCall& call);

}  // namespace pgweir
