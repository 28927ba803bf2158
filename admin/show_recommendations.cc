// SHOW RECOMMENDATIONS and SHOW WHATIF: machine-readable columns first, prose last.

#include <cmath>
#include <utility>

#include "admin/advise_pools.h"
#include "admin/pool_view.h"
#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

// Prose is wrapped_prose, because psql pads every row to the longest line of a column.
constexpr std::size_t prose_width = 44;

struct AdviceRow {
  std::string pool;
  Advice advice;
};

std::string wrapped_prose(Bytes text, Bytes prefix) { return wrapped_text(text, prefix, prose_width); }

std::string bulleted(const std::vector<std::string>& sentences) {
  std::string out;
  for (const std::string& sentence : sentences)
    out += (out.empty() ? "" : "\n") + wrapped_prose(sentence, "- ");
  return out;
}

using type_oid::int4;
using type_oid::text;

constexpr std::array recommendations_table{
    column<AdviceRow>(
        "pool", text, [](const AdviceRow& it) { return it.pool; }, "database/user."),
    column<AdviceRow>(
        "size", int4, [](const AdviceRow& it) { return it.advice.current; }, "pool_size now."),
    column<AdviceRow>(
        "minimum", int4, [](const AdviceRow& it) { return it.advice.minimum; },
        "Below it the queue would grow, or throughput be lost; NULL: not known."),
    column<AdviceRow>(
        "advice", int4, [](const AdviceRow& it) { return it.advice.recommended; },
        "The size that it should have; NULL: there is not enough data."),
    column<AdviceRow>(
        "ceiling", int4, [](const AdviceRow& it) { return it.advice.ceiling; },
        "With more PostgreSQL gets no faster; NULL: as far as it was seen it does."),
    column<AdviceRow>(
        "reserve", int4, [](const AdviceRow& it) { return it.advice.reserve; },
        "On top of the advice, what the worst stretch would need that was left out; NULL: not known."),
    column<AdviceRow>(
        "warm", int4, [](const AdviceRow& it) { return it.advice.warm; },
        "In use for 95 % of the busy time, so worth keeping open."),
    column<AdviceRow>(
        "verdict", text, [](const AdviceRow& it) { return to_string(it.advice.verdict); },
        "collecting (not enough data), keep, grow, shrink, step (grow as far as the evidence reaches, then "
        "ask again), probe (try this size to learn how fast PostgreSQL is there, then ask again)."),
    column<AdviceRow>(
        "decided_by", text, [](const AdviceRow& it) { return to_string(it.advice.decided_by); },
        "pool (waits for a connection), server (PostgreSQL gets no faster), locks (the same, and some "
        "statements wait for each other), idle in transaction (clients hold connections while they think), "
        "clients (there are no more), limit (of the database or the user), incident."),
    column<AdviceRow>(
        "confidence", text, [](const AdviceRow& it) { return to_string(it.advice.confidence); },
        "high, medium or low, by what evidence is missing; - while collecting."),
    column<AdviceRow>(
        "window", text, [](const AdviceRow& it) { return wrapped_prose(it.advice.window, ""); },
        "The stretch of time that decided."),
    column<AdviceRow>(
        "in_short", text, [](const AdviceRow& it) { return wrapped_prose(it.advice.in_short, ""); },
        "The advice in a line."),
    column<AdviceRow>(
        "evidence", text, [](const AdviceRow& it) { return bulleted(it.advice.reasons); },
        "What was measured, and what follows from it."),
    column<AdviceRow>(
        "missing", text, [](const AdviceRow& it) { return bulleted(it.advice.missing); },
        "What is not known, and lowers the confidence."),
};

struct WhatIfRow {
  std::string pool;
  WhatIf what;
  std::string note;
};

std::string note_of(const Advice& advice, const WhatIf& what) {
  std::string note;
  const auto add = [&](const char* words) { note += (note.empty() ? "" : ", ") + std::string(words); };
  if (what.size == advice.current) add("now");
  if (what.size == advice.recommended) add("advice");
  if (what.beyond_evidence) add("beyond what was seen");
  return note;
}

std::string percent(double share) { return number_text(share * 100, 1); }
std::int64_t microseconds(double seconds) { return std::llround(seconds * 1e6); }

using type_oid::int8;
using type_oid::numeric;

constexpr std::array what_if_table{
    column<WhatIfRow>(
        "pool", text, [](const WhatIfRow& it) { return it.pool; }, "database/user."),
    column<WhatIfRow>(
        "size", int4, [](const WhatIfRow& it) { return it.what.size; }, "If pool_size were this."),
    column<WhatIfRow>(
        "busy_percent", numeric, [](const WhatIfRow& it) { return percent(it.what.busy_share); },
        "Of its connections, on average."),
    column<WhatIfRow>(
        "waited_percent", numeric, [](const WhatIfRow& it) { return percent(it.what.waited_share); },
        "Of the transactions, for a connection."),
    column<WhatIfRow>(
        "p50_wait_us", int8, [](const WhatIfRow& it) { return microseconds(it.what.p50_wait); },
        "Half of the transactions wait no longer."),
    column<WhatIfRow>(
        "p99_wait_us", int8, [](const WhatIfRow& it) { return microseconds(it.what.p99_wait); },
        "99 % of the transactions wait no longer."),
    column<WhatIfRow>(
        "p99_response_us", int8, [](const WhatIfRow& it) { return microseconds(it.what.p99_response); },
        "99 % of the transactions are done no later, the wait included."),
    column<WhatIfRow>(
        "throughput_percent", numeric, [](const WhatIfRow& it) { return percent(it.what.throughput_change); },
        "More transactions per second than with the present size."),
    column<WhatIfRow>(
        "p99_wait_with_20_percent_more_us", int8,
        [](const WhatIfRow& it) { return microseconds(it.what.p99_wait_with_headroom); },
        "The same wait with 20 % more traffic."),
    column<WhatIfRow>(
        "note", text, [](const WhatIfRow& it) { return it.note; },
        "now, advice; beyond what was seen: never so many were in use, so PostgreSQL's speed is a guess."),
};

tl::expected<std::vector<AdviceRow>, ConsoleError> advice_for(CommandCall& call) {
  const auto pools = pools_named(call.arguments, call.world, MeasureDepth::minutes);
  if (!pools) return tl::unexpected(pools.error());
  std::vector<AdviceRow> rows;
  for (AdvisedPool& it : advise_pools(*pools, call.world))
    rows.push_back({it.profile.pool, std::move(it.advice)});
  return rows;
}

}  // namespace

CommandOutcome show_recommendations(CommandCall& call) {
  const auto rows = advice_for(call);
  if (!rows) return tl::unexpected(rows.error());
  write_rows(call.out, recommendations_table, *rows);
  return {};
}
std::vector<ColumnInfo> recommendations_columns() { return describe<recommendations_table>(); }

CommandOutcome show_what_if(CommandCall& call) {
  const auto advices = advice_for(call);
  if (!advices) return tl::unexpected(advices.error());
  std::vector<WhatIfRow> rows;
  for (const AdviceRow& it : *advices)
    for (const WhatIf& what : it.advice.what_if) rows.push_back({it.pool, what, note_of(it.advice, what)});
  write_rows(call.out, what_if_table, rows);
  return {};
}
std::vector<ColumnInfo> what_if_columns() { return describe<what_if_table>(); }

}  // namespace pgweir
