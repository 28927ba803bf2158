// SHOW ALERTS and SHOW FORECAST: what is wrong or will be.

#include <cmath>

#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

using type_oid::int4;
using type_oid::int8;
using type_oid::text;

struct AlertRow {
  const World* world = nullptr;
  Alert alert;
};

Cell number_cell(double value) { return std::isfinite(value) ? Cell(number_text(value, 2)) : Cell(); }

constexpr std::array alerts_table{
    column<AlertRow>(
        "state", text, [](const AlertRow& it) { return it.alert.ended ? "ended" : "active"; },
        "active or ended."),
    column<AlertRow>(
        "severity", text, [](const AlertRow& it) { return std::string(word_of(it.alert.finding.severity)); },
        "critical: act now; warning: today; notice: within days."),
    column<AlertRow>(
        "alert", text, [](const AlertRow& it) { return std::string(row(it.alert.finding.key.kind).label); },
        "Which kind of alert."),
    column<AlertRow>(
        "subject", text, [](const AlertRow& it) { return it.alert.finding.key.subject; },
        "The pool as database/user, or the server; empty for pgweir itself."),
    column<AlertRow>(
        "since", text, [](const AlertRow& it) { return time_text(*it.world, it.alert.since); },
        "When it began."),
    column<AlertRow>(
        "ended", text,
        [](const AlertRow& it) {
          return it.alert.ended ? Cell(time_text(*it.world, *it.alert.ended)) : Cell();
        },
        "When it ended."),
    column<AlertRow>(
        "seconds", int8,
        [](const AlertRow& it) {
          return micros(it.alert.ended.value_or(it.world->now) - it.alert.since) / 1'000'000;
        },
        "How long it is on, or was."),
    column<AlertRow>(
        "value", text, [](const AlertRow& it) { return number_cell(it.alert.finding.value); },
        "What was measured last, in `unit`."),
    column<AlertRow>(
        "limit", text, [](const AlertRow& it) { return number_cell(it.alert.finding.limit); },
        "What it is compared with."),
    column<AlertRow>(
        "unit", text, [](const AlertRow& it) { return std::string(it.alert.finding.unit); },
        "Of value and limit."),
    column<AlertRow>(
        "reason", text, [](const AlertRow& it) { return it.alert.finding.reason; },
        "In words, at the last look."),
    column<AlertRow>(
        "action", text, [](const AlertRow& it) { return it.alert.finding.action; },
        "What to do and where to look."),
    column<AlertRow>(
        "id", int8, [](const AlertRow& it) { return it.alert.id; },
        "The same in the log and for alerts.command. Counts from the start."),
};

constexpr std::array forecast_table{
    column<PoolForecast>(
        "pool", text, [](const PoolForecast& it) { return it.pool; }, "database/user."),
    column<PoolForecast>(
        "size", int4, [](const PoolForecast& it) { return it.size; }, "Its pool_size."),
    column<PoolForecast>(
        "days", int8, [](const PoolForecast& it) { return it.forecast.days; },
        "Whole days (UTC) that are known."),
    column<PoolForecast>(
        "demand", text,
        [](const PoolForecast& it) {
          return it.forecast.days > 0 ? Cell(number_text(it.forecast.demand, 1)) : Cell();
        },
        "Servers that the busiest minute of a day needs for 99 % of its time, as of now."),
    column<PoolForecast>(
        "per_week", text,
        [](const PoolForecast& it) {
          return it.forecast.days >= least_days ? Cell(number_text(it.forecast.per_week, 2)) : Cell();
        },
        "By how many it grows in a week."),
    column<PoolForecast>(
        "full_earliest_days", text,
        [](const PoolForecast& it) {
          const bool growing = it.forecast.state == GrowthForecast::State::growing;
          return growing ? number_cell(it.forecast.earliest) : Cell();
        },
        "In how many days it may reach the size, at the earliest."),
    column<PoolForecast>(
        "full_latest_days", text,
        [](const PoolForecast& it) {
          const bool growing = it.forecast.state == GrowthForecast::State::growing;
          return growing ? number_cell(it.forecast.latest) : Cell();
        },
        "And at the latest, when that can be told."),
    column<PoolForecast>(
        "in_short", text, [](const PoolForecast& it) { return it.in_short; }, "The same in words."),
};

}  // namespace

CommandOutcome show_alerts(CommandCall& call) {
  std::vector<AlertRow> rows;
  for (const Alert& alert : call.world.alerts) rows.push_back({&call.world, alert});
  write_rows(call.out, alerts_table, rows);
  return {};
}
std::vector<ColumnInfo> alerts_columns() { return describe<alerts_table>(); }

CommandOutcome show_forecast(CommandCall& call) {
  write_rows(call.out, forecast_table, call.world.forecasts);
  return {};
}
std::vector<ColumnInfo> forecast_columns() { return describe<forecast_table>(); }

}  // namespace pgweir
