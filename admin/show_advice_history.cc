// SHOW ADVICE_HISTORY: what was advised and set, and what followed; the newest first.

#include "admin/show.h"
#include "admin/size_effect.h"

namespace pgweir {
namespace {

struct HistoryRow {
  AdviceEntry entry;
  std::string at;
};

using type_oid::int4;
using type_oid::text;

constexpr std::array history_table{
    column<HistoryRow>(
        "at", text, [](const HistoryRow& it) { return it.at; }, "When, in UTC."),
    column<HistoryRow>(
        "pool", text, [](const HistoryRow& it) { return name_of(it.entry.route); }, "database/user."),
    column<HistoryRow>(
        "event", text, [](const HistoryRow& it) { return to_string(it.entry.kind); },
        "set: the size was changed; reset: it is the file's again; followed: what the last change did; "
        "advised: the autopilot would have changed it; checked: whether that would have been right."),
    column<HistoryRow>(
        "by", text, [](const HistoryRow& it) { return it.entry.by_autopilot ? "autopilot" : "operator"; },
        "Who changed the size, or would have."),
    column<HistoryRow>(
        "size_before", int4, [](const HistoryRow& it) { return it.entry.from; }, "The size that it had."),
    column<HistoryRow>(
        "size_after", int4, [](const HistoryRow& it) { return it.entry.to; }, "The size that it got."),
    column<HistoryRow>(
        "effect", text,
        [](const HistoryRow& it) {
          const std::string word = to_string(it.entry.effect);
          return word.empty() ? Cell() : Cell(word);
        },
        "Of the change: better, same, worse, or unclear; NULL unless the event is followed or checked."),
    column<HistoryRow>(
        "reason", text, [](const HistoryRow& it) { return it.entry.text; },
        "Why it was changed, or what was measured before and after."),
};

}  // namespace

CommandOutcome show_advice_history(CommandCall& call) {
  const World& world = call.world;
  std::vector<HistoryRow> rows;
  if (world.state != nullptr) {
    const auto& entries = world.state->advice();
    for (auto it = entries.rbegin(); it != entries.rend(); ++it)
      rows.push_back({*it, time_text(world, it->at)});
  }
  write_rows(call.out, history_table, rows);
  return {};
}
std::vector<ColumnInfo> advice_history_columns() { return describe<history_table>(); }

}  // namespace pgweir
