// SHOW STATS, STATS_TOTALS and STATS_AVERAGES: the columns of the first are those of the other two. All
// values are whole numbers, times in microseconds, as readers want them.

#include <algorithm>
#include <utility>

#include "admin/console_parameters.h"
#include "admin/show.h"

namespace pgweir {
namespace {

struct StatsRow {
  std::string database;
  PoolTotals totals;
  Averages averages;
};

using type_oid::numeric;

constexpr auto database_column = column<StatsRow>(
    "database", type_oid::text, [](const StatsRow& it) { return it.database; },
    "As the client names it, over all users.");

template <class Get>
constexpr ShowColumn<StatsRow> total(Bytes name, Get, Bytes doc) {
  return column<StatsRow>(
      name, numeric, [](const StatsRow& it) { return Get{}(it.totals); }, doc);
}
template <class Get>
constexpr ShowColumn<StatsRow> average(Bytes name, Get, Bytes doc) {
  return column<StatsRow>(
      name, numeric, [](const StatsRow& it) { return Get{}(it.averages); }, doc);
}

using T = PoolTotals;
using A = Averages;

// The names in SHOW STATS and those in its two halves differ in their prefix, and more (peers set them so).
struct TotalColumn {
  Bytes short_name;
  ShowColumn<StatsRow> full;
};
constexpr std::array total_columns{
    TotalColumn{"server_assignment_count",
                total(
                    "total_server_assignment_count", [](const T& t) { return t.server_assignment_count; },
                    "Times that a client got a server.")},
    TotalColumn{"xact_count",
                total(
                    "total_xact_count", [](const T& t) { return t.xact_count; }, "Transactions.")},
    TotalColumn{"query_count",
                total(
                    "total_query_count", [](const T& t) { return t.query_count; }, "Queries.")},
    TotalColumn{"bytes_received",
                total(
                    "total_received", [](const T& t) { return t.received; }, "Bytes from clients.")},
    TotalColumn{"bytes_sent", total(
                                  "total_sent", [](const T& t) { return t.sent; }, "Bytes to clients.")},
    TotalColumn{"xact_time", total(
                                 "total_xact_time", [](const T& t) { return micros(t.xact_time); },
                                 "Microseconds spent in transactions.")},
    TotalColumn{"query_time", total(
                                  "total_query_time", [](const T& t) { return micros(t.query_time); },
                                  "Microseconds spent in queries.")},
    TotalColumn{"wait_time", total(
                                 "total_wait_time", [](const T& t) { return micros(t.wait_time); },
                                 "Microseconds that clients waited for a server.")},
    TotalColumn{"client_parse_count",
                total(
                    "total_client_parse_count", [](const T& t) { return t.client_parse_count; },
                    "Prepared statements made by clients.")},
    TotalColumn{"server_parse_count",
                total(
                    "total_server_parse_count", [](const T& t) { return t.server_parse_count; },
                    "Prepared statements made on servers.")},
    TotalColumn{"bind_count", total(
                                  "total_bind_count", [](const T& t) { return t.bind_count; },
                                  "Prepared statements bound.")},
};

using AverageColumn = TotalColumn;
constexpr std::array average_columns{
    AverageColumn{"server_assignment_count",
                  average(
                      "avg_server_assignment_count", [](const A& a) { return a.server_assignment_count; },
                      "Times that a client got a server, per second.")},
    AverageColumn{"xact_count",
                  average(
                      "avg_xact_count", [](const A& a) { return a.xact_count; }, "Transactions per second.")},
    AverageColumn{"query_count",
                  average(
                      "avg_query_count", [](const A& a) { return a.query_count; }, "Queries per second.")},
    AverageColumn{"bytes_received",
                  average(
                      "avg_recv", [](const A& a) { return a.received; }, "Bytes from clients per second.")},
    AverageColumn{"bytes_sent",
                  average(
                      "avg_sent", [](const A& a) { return a.sent; }, "Bytes to clients per second.")},
    AverageColumn{"xact_time", average(
                                   "avg_xact_time", [](const A& a) { return a.xact_time; },
                                   "Microseconds per transaction.")},
    AverageColumn{"query_time",
                  average(
                      "avg_query_time", [](const A& a) { return a.query_time; }, "Microseconds per query.")},
    AverageColumn{"wait_time", average(
                                   "avg_wait_time", [](const A& a) { return a.wait_time; },
                                   "Microseconds of waiting per server assignment.")},
    AverageColumn{"avg_client_parse_count",
                  average(
                      "avg_client_parse_count", [](const A& a) { return a.client_parse_count; },
                      "Prepared statements made by clients, per second.")},
    AverageColumn{"avg_server_parse_count",
                  average(
                      "avg_server_parse_count", [](const A& a) { return a.server_parse_count; },
                      "Prepared statements made on servers, per second.")},
    AverageColumn{"avg_bind_count", average(
                                        "avg_bind_count", [](const A& a) { return a.bind_count; },
                                        "Prepared statements bound, per second.")},
};

constexpr std::size_t half = total_columns.size();
static_assert(average_columns.size() == half);

constexpr auto both_halves = [] {
  std::array<ShowColumn<StatsRow>, 1 + 2 * half> all;
  all[0] = database_column;
  for (std::size_t i = 0; i < half; ++i) {
    all[1 + i] = total_columns[i].full;
    all[1 + half + i] = average_columns[i].full;
  }
  return all;
}();

constexpr auto one_half(const std::array<TotalColumn, half>& columns) {
  std::array<ShowColumn<StatsRow>, 1 + half> all;
  all[0] = database_column;
  for (std::size_t i = 0; i < half; ++i) {
    all[1 + i] = columns[i].full;
    all[1 + i].info.name = columns[i].short_name;
  }
  return all;
}
constexpr auto totals_half = one_half(total_columns);
constexpr auto averages_half = one_half(average_columns);

std::vector<StatsRow> stats_rows(const World& world) {
  DatabaseTotals now = database_totals(world.workers);
  now.try_emplace(std::string(console_database));
  const StatsHistory::Sample* const base = world.history == nullptr ? nullptr : world.history->base();
  const Duration span = world.now - (base == nullptr ? world.started : base->at);
  std::vector<StatsRow> rows;
  for (const auto& [database, totals] : now) {
    PoolTotals before;
    if (base != nullptr) {
      if (const auto found = base->totals.find(database); found != base->totals.end()) before = found->second;
    }
    rows.push_back({database, totals, averages_of(totals, before, span)});
  }
  return rows;
}

struct TotalRow {
  std::string name;
  Cell value;
};
constexpr std::array all_totals{
    column<TotalRow>(
        "name", type_oid::text, [](const TotalRow& it) { return it.name; },
        "total_ and avg_ with the name of a counter; client_bytes and server_bytes are received and sent."),
    column<TotalRow>(
        "value", numeric, [](const TotalRow& it) { return it.value; }, "Over all databases."),
};
// As PgBouncer calls them here.
constexpr std::array<Bytes, half> names_in_totals{"server_assignment_count",
                                                  "xact_count",
                                                  "query_count",
                                                  "client_bytes",
                                                  "server_bytes",
                                                  "xact_time",
                                                  "query_time",
                                                  "wait_time",
                                                  "ps_client_parse_count",
                                                  "ps_server_parse_count",
                                                  "ps_bind_count"};

// All databases as one.
StatsRow sum_row(const World& world) {
  const StatsHistory::Sample* const base = world.history == nullptr ? nullptr : world.history->base();
  PoolTotals now, before;
  for (const auto& [database, totals] : database_totals(world.workers)) now.add(totals);
  if (base != nullptr) {
    for (const auto& [database, totals] : base->totals) before.add(totals);
  }
  const Duration span = world.now - (base == nullptr ? world.started : base->at);
  return {{}, now, averages_of(now, before, span)};
}

}  // namespace

CommandOutcome show_stats(CommandCall& call) {
  write_rows(call.out, both_halves, stats_rows(call.world));
  return {};
}
std::vector<ColumnInfo> stats_columns() { return describe<both_halves>(); }

CommandOutcome show_stats_totals(CommandCall& call) {
  write_rows(call.out, totals_half, stats_rows(call.world));
  return {};
}
std::vector<ColumnInfo> stats_totals_columns() { return describe<totals_half>(); }

CommandOutcome show_stats_averages(CommandCall& call) {
  write_rows(call.out, averages_half, stats_rows(call.world));
  return {};
}
CommandOutcome show_totals(CommandCall& call) {
  const StatsRow sum = sum_row(call.world);
  std::vector<TotalRow> rows;
  for (const bool averages : {false, true}) {
    for (std::size_t i = 0; i < half; ++i) {
      const TotalColumn& from = averages ? average_columns[i] : total_columns[i];
      rows.push_back({(averages ? "avg_" : "total_") + std::string(names_in_totals[i]), from.full.get(sum)});
    }
  }
  write_rows(call.out, all_totals, rows);
  return {};
}
std::vector<ColumnInfo> totals_columns() { return describe<all_totals>(); }

std::vector<ColumnInfo> stats_averages_columns() { return describe<averages_half>(); }

}  // namespace pgweir
