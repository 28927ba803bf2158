// SHOW RECOMMENDATIONS: machine-readable columns first, prose last.

#include "admin/pool_view.h"
#include "admin/recommend.h"
#include "admin/show.h"

namespace pgweir {
namespace {

// Prose is wrapped, because psql pads every row to the longest line of a column.
constexpr std::size_t prose_width = 44;

struct AdviceRow {
  std::string pool;
  Advice advice;
};

// `prefix` stands before the first line, as many blanks before the others.
std::string wrapped(Bytes text, Bytes prefix) {
  const std::size_t width = prose_width - prefix.size();
  std::string out;
  while (!text.empty()) {
    std::size_t end = text.size();
    if (end > width) {
      end = text.rfind(' ', width);
      if (end == Bytes::npos || end == 0) end = std::min(text.find(' ', 1), text.size());
    }
    out += out.empty() ? std::string(prefix) : "\n" + std::string(prefix.size(), ' ');
    out += text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string listed(const std::vector<std::string>& sentences) {
  std::string out;
  for (const std::string& sentence : sentences) out += (out.empty() ? "" : "\n") + wrapped(sentence, "- ");
  return out;
}

constexpr auto int4 = type_oid::int4;
constexpr auto text = type_oid::text;

constexpr std::array recommendations_table{
    column<AdviceRow>(
        "pool", text, [](const AdviceRow& it) { return it.pool; }, "database/user."),
    column<AdviceRow>(
        "size", int4, [](const AdviceRow& it) { return it.advice.current; }, "pool_size now."),
    column<AdviceRow>(
        "advice", int4, [](const AdviceRow& it) { return it.advice.recommended; },
        "The size that it should have; NULL: there is not enough data."),
    column<AdviceRow>(
        "verdict", text, [](const AdviceRow& it) { return to_string(it.advice.verdict); },
        "collecting (not enough data), keep, grow, shrink, step (grow as far as the evidence reaches, then "
        "ask again), idle in transaction (clients hold servers while they think)."),
    column<AdviceRow>(
        "confidence", text, [](const AdviceRow& it) { return to_string(it.advice.confidence); },
        "high, medium or low, by what evidence is missing; - while collecting."),
    column<AdviceRow>(
        "window", text, [](const AdviceRow& it) { return wrapped(it.advice.window, ""); },
        "The stretch of time that decided."),
    column<AdviceRow>(
        "in_short", text, [](const AdviceRow& it) { return wrapped(it.advice.in_short, ""); },
        "The advice in a line."),
    column<AdviceRow>(
        "evidence", text, [](const AdviceRow& it) { return listed(it.advice.reasons); },
        "What was measured, and what follows from it."),
    column<AdviceRow>(
        "missing", text, [](const AdviceRow& it) { return listed(it.advice.missing); },
        "What is not known, and lowers the confidence."),
};

}  // namespace

CommandOutcome show_recommendations(CommandCall& call) {
  const World& world = call.world;
  const auto pools = pools_named(call.arguments, world, MeasureDepth::minutes);
  if (!pools) return tl::unexpected(pools.error());
  std::vector<AdviceRow> rows;
  for (const PoolSnapshot& pool : *pools) {
    AdviceInput input;
    input.pool_size = pool.pool_size;
    input.reserve_pool_size = pool.reserve_pool_size;
    input.target_wait = world.settings.advice.target_wait;
    input.connected_clients = clients_of(pool.counts);
    input.wall_offset = world.wall_offset;
    rows.push_back({pool_name(pool), recommend(pool.measure, input)});
  }
  write_rows(call.out, recommendations_table, rows);
  return {};
}
std::vector<ColumnInfo> recommendations_columns() { return describe<recommendations_table>(); }

}  // namespace pgweir
