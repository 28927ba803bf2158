// SHOW LEVELS: how long so many servers of a pool were in use, how many would have been had nobody waited,
// and how much was done at each number.

#include <algorithm>
#include <optional>

#include "admin/level_rows.h"
#include "admin/picture.h"
#include "admin/pool_view.h"
#include "admin/profile_view.h"
#include "admin/show.h"
#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {
namespace {

constexpr int level_picture_width = 24;
constexpr Duration an_hour = std::chrono::hours(1);

struct LevelRow {
  std::string pool, window, since;
  int level = 0, level_to = 0;
  Duration time{}, demand{};
  double share = 0, demand_share = 0;
  std::optional<std::uint64_t> arrivals;
  std::optional<double> per_second;
  std::string picture;
};

using type_oid::int4;
using type_oid::int8;
using type_oid::numeric;
using type_oid::text;

std::optional<std::string> rate_text(const std::optional<double>& rate) {
  return rate ? std::optional(number_text(*rate, 1)) : std::nullopt;
}

constexpr std::array levels_table{
    column<LevelRow>(
        "pool", text, [](const LevelRow& it) { return it.pool; }, "database/user."),
    column<LevelRow>(
        "window", text, [](const LevelRow& it) { return it.window; },
        "last hour: all whole minutes of it that are known; busiest minute: the one of these with the most "
        "demand; this minute: the one that is not over."),
    column<LevelRow>(
        "since", text, [](const LevelRow& it) { return it.since; }, "When the window began."),
    column<LevelRow>(
        "level", int4, [](const LevelRow& it) { return it.level; }, "So many servers in use at once ..."),
    column<LevelRow>(
        "level_to", int4, [](const LevelRow& it) { return it.level_to; },
        "... to so many, when several levels share the row."),
    column<LevelRow>(
        "time_ms", int8, [](const LevelRow& it) { return micros(it.time) / 1000; }, "How long."),
    column<LevelRow>(
        "percent", numeric, [](const LevelRow& it) { return number_text(100 * it.share, 3); },
        "Of the time."),
    column<LevelRow>(
        "demand_percent", numeric, [](const LevelRow& it) { return number_text(100 * it.demand_share, 3); },
        "Of the time in which so many would have been in use had nobody waited."),
    column<LevelRow>(
        "arrivals", int8, [](const LevelRow& it) { return it.arrivals; },
        "Clients that came to need a server while so many were in use. NULL: not counted, because several "
        "workers share the pool, or never in use."),
    column<LevelRow>(
        "transactions_per_second", numeric, [](const LevelRow& it) { return rate_text(it.per_second); },
        "Servers given back in each second of it. NULL: as for arrivals."),
    column<LevelRow>(
        "picture", text, [](const LevelRow& it) { return it.picture; },
        "The percentage as a bar, the longest of the window at full width; below it, lighter, that of the "
        "demand beyond the pool's size."),
};

std::vector<LevelRow> rows_of(const MinuteWindow& window, int size) {
  const LevelTimes& held = window.held;
  const LevelTimes& demand = window.virtual_demand;
  const int highest = std::max({held.highest(), demand.highest(), size});
  const int width = levels_of_a_row(highest);
  std::vector<LevelRow> rows(1 + static_cast<std::size_t>((highest + width - 1) / width));
  for (std::size_t i = 1; i < rows.size(); ++i) {
    rows[i].level = 1 + (static_cast<int>(i) - 1) * width;
    rows[i].level_to = rows[i].level + width - 1;
  }
  const auto place = [&](int level) { return static_cast<std::size_t>((level + width - 1) / width); };
  held.for_each([&](int level, Duration time) { rows[place(level)].time += time; });
  demand.for_each([&](int level, Duration time) { rows[place(level)].demand += time; });
  if (window.shards > 1) return rows;
  std::vector<std::uint64_t> completions(rows.size());
  for (int level = 0; level <= std::min(highest, LevelTimes::exact_levels - 1); ++level) {
    LevelRow& row = rows[place(level)];
    row.arrivals = row.arrivals.value_or(0) + held.arrivals_at(level);
    completions[place(level)] += held.completions_at(level);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].time > Duration::zero())
      rows[i].per_second = static_cast<double>(completions[i]) / in_seconds(rows[i].time);
  }
  return rows;
}

std::string picture_of(const LevelRow& row, double most, int size) {
  std::string picture = bar(row.share / most, level_picture_width);
  if (row.level > size && row.demand_share > 0) {
    const auto cells =
        std::max(1, static_cast<int>(std::min(1.0, row.demand_share / most) * level_picture_width + 0.5));
    for (int i = 0; i < cells; ++i) picture += "░";
    picture += " waited";
  }
  if (size > 0 && row.level <= size && size <= row.level_to)
    picture += (picture.empty() ? "<- pool size " : " <- pool size ") + std::to_string(size);
  return picture;
}

void add_window(std::vector<LevelRow>& all, const PoolProfile& profile, const char* name,
                const MinuteWindow& window, const World& world) {
  const int size = window.pool_size > 0 ? window.pool_size : profile.pool_size;
  std::vector<LevelRow> rows = rows_of(window, size);
  const auto total = static_cast<double>(std::max<std::int64_t>(window.held.total().count(), 1));
  const auto demand_total =
      static_cast<double>(std::max<std::int64_t>(window.virtual_demand.total().count(), 1));
  double most = 1e-9;
  for (LevelRow& row : rows) {
    row.share = static_cast<double>(row.time.count()) / total;
    row.demand_share = static_cast<double>(row.demand.count()) / demand_total;
    most = std::max(most, row.share);
  }
  for (LevelRow& row : rows) {
    row.pool = profile.pool;
    row.window = std::string(name) + (window.estimated ? " (estimated)" : "");
    row.since = time_text(world, window.start);
    row.picture = picture_of(row, most, size);
    all.push_back(std::move(row));
  }
}

}  // namespace

CommandOutcome show_levels(CommandCall& call) {
  const World& world = call.world;
  const auto pools = pools_named(call.arguments, world, MeasureDepth::minutes);
  if (!pools) return tl::unexpected(pools.error());
  std::vector<LevelRow> rows;
  for (const PoolProfile& profile : pool_profiles(*pools, world)) {
    std::vector<WindowRef> recent;
    for (const WindowRef& window : profile.measure.windows)
      if (window->start + an_hour >= world.now) recent.push_back(window);
    if (!recent.empty())
      add_window(rows, profile, "last hour", sum(recent, Instant::min(), Instant::max()), world);
    if (const WindowRef most = busiest(recent)) add_window(rows, profile, "busiest minute", *most, world);
    add_window(rows, profile, "this minute", profile.measure.current, world);
  }
  write_rows(call.out, levels_table, rows);
  return {};
}
std::vector<ColumnInfo> levels_columns() { return describe<levels_table>(); }

}  // namespace pgweir
