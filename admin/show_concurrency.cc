// SHOW CONCURRENCY: how long each number of servers was in use, and of clients waiting.

#include <algorithm>
#include <cmath>

#include "admin/level_rows.h"
#include "admin/picture.h"
#include "admin/pool_view.h"
#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

constexpr int picture_width = 20;

struct ConcurrencyRow {
  std::string pool;
  const char* what = "";
  int level = 0, level_to = 0;
  Duration time{};
  double share = 0;
  std::string since;
  std::string picture;
};

using type_oid::int4;
using type_oid::text;

constexpr std::array concurrency_table{
    column<ConcurrencyRow>(
        "pool", text, [](const ConcurrencyRow& it) { return it.pool; }, "database/user."),
    column<ConcurrencyRow>(
        "what", text, [](const ConcurrencyRow& it) { return it.what; },
        "What is counted. in use: servers that clients hold; executing: those of them that work; idle in "
        "transaction: those that wait for their client; waiting: clients without a server."),
    column<ConcurrencyRow>(
        "level", int4, [](const ConcurrencyRow& it) { return it.level; }, "So many at once ..."),
    column<ConcurrencyRow>(
        "level_to", int4, [](const ConcurrencyRow& it) { return it.level_to; },
        "... to so many, when several levels share the row."),
    column<ConcurrencyRow>(
        "percent", type_oid::numeric, [](const ConcurrencyRow& it) { return number_text(100 * it.share, 3); },
        "Of the time."),
    column<ConcurrencyRow>(
        "time_ms", type_oid::int8, [](const ConcurrencyRow& it) { return micros(it.time) / 1000; },
        "How long, in milliseconds."),
    column<ConcurrencyRow>(
        "since", text, [](const ConcurrencyRow& it) { return it.since; }, "The window: from here until now."),
    column<ConcurrencyRow>(
        "picture", text, [](const ConcurrencyRow& it) { return it.picture; },
        "The percentage as a bar, the longest of the pool and `what` at full width."),
};

struct GaugeOf {
  const char* what;
  LevelTimes PoolMeasure::*times;
};
constexpr GaugeOf gauges[] = {{"in use", &PoolMeasure::held},
                              {"executing", &PoolMeasure::executing},
                              {"idle in transaction", &PoolMeasure::idle_in_transaction},
                              {"waiting", &PoolMeasure::waiting}};

// Rows of no level are there as well up to the highest, and up to `marked`, so that the shape is true.
std::vector<ConcurrencyRow> level_rows(const LevelTimes& times, int marked) {
  const int highest = std::max(times.highest(), marked);
  const int width = levels_of_a_row(highest);
  std::vector<ConcurrencyRow> rows(1 + static_cast<std::size_t>((highest + width - 1) / width));
  for (std::size_t i = 1; i < rows.size(); ++i) {
    rows[i].level = 1 + (static_cast<int>(i) - 1) * width;
    rows[i].level_to = rows[i].level + width - 1;
  }
  times.for_each([&](int level, Duration time) {
    rows[static_cast<std::size_t>((level + width - 1) / width)].time += time;
  });
  return rows;
}

void add_gauge(std::vector<ConcurrencyRow>& all, const PoolSnapshot& pool, const GaugeOf& gauge,
               const World& world) {
  const LevelTimes& times = pool.measure.*gauge.times;
  const int marked = gauge.times == &PoolMeasure::held ? pool.pool_size : 0;
  auto rows = level_rows(times, marked);
  const double total = static_cast<double>(std::max<std::int64_t>(times.total().count(), 1));
  Duration longest{1};
  for (const ConcurrencyRow& row : rows) longest = std::max(longest, row.time);
  for (ConcurrencyRow& row : rows) {
    row.pool = pool_name(pool);
    row.what = gauge.what;
    row.share = static_cast<double>(row.time.count()) / total;
    row.since = time_text(world, pool.measure.since);
    row.picture =
        bar(static_cast<double>(row.time.count()) / static_cast<double>(longest.count()), picture_width);
    if (marked > 0 && row.level <= marked && marked <= row.level_to)
      row.picture += (row.picture.empty() ? "<- pool size " : " <- pool size ") + std::to_string(marked);
    all.push_back(std::move(row));
  }
}

}  // namespace

CommandOutcome show_concurrency(CommandCall& call) {
  const auto pools = pools_named(call.arguments, call.world, MeasureDepth::sums);
  if (!pools) return tl::unexpected(pools.error());
  std::vector<ConcurrencyRow> rows;
  for (const PoolSnapshot& pool : *pools) {
    for (const GaugeOf& gauge : gauges) add_gauge(rows, pool, gauge, call.world);
  }
  write_rows(call.out, concurrency_table, rows);
  return {};
}
std::vector<ColumnInfo> concurrency_columns() { return describe<concurrency_table>(); }

}  // namespace pgweir
