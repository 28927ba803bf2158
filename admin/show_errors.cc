// SHOW ERRORS: what went wrong, and how often.

#include "admin/command_table.h"
#include "admin/show.h"

namespace pgweir {
namespace {

constexpr std::array errors_table{
    column<EventCount>(
        "kind", type_oid::text, [](const EventCount& it) { return std::string(it.kind); },
        "refused: a client got an error from pgweir itself; closed: pgweir closed a server."),
    column<EventCount>(
        "reason", type_oid::text, [](const EventCount& it) { return std::string(it.reason); },
        "As in the log."),
    column<EventCount>(
        "sqlstate", type_oid::text,
        [](const EventCount& it) { return it.sqlstate.empty() ? Cell() : Cell(std::string(it.sqlstate)); },
        "What clients get, unless a server gave its own."),
    column<EventCount>(
        "count", type_oid::int8, [](const EventCount& it) { return it.count; }, "Since the start."),
    column<EventCount>(
        "meaning", type_oid::text, [](const EventCount& it) { return std::string(it.doc); }, "In words."),
};

}  // namespace

CommandOutcome show_errors(CommandCall& call) {
  std::vector<EventCount> sums;
  for (const WorkerSnapshot& worker : call.world.workers) {
    if (sums.empty()) {
      sums = worker.events;
      continue;
    }
    for (std::size_t i = 0; i < std::min(sums.size(), worker.events.size()); ++i)
      sums[i].count += worker.events[i].count;
  }
  write_rows(call.out, errors_table, sums);
  return {};
}
std::vector<ColumnInfo> errors_columns() { return describe<errors_table>(); }

}  // namespace pgweir
