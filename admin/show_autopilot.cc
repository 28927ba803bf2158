// SHOW AUTOPILOT: what it will do with each pool that has one, or why it holds.

#include "admin/autopilot.h"
#include "admin/setting.h"
#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

using type_oid::int4;
using type_oid::text;
constexpr std::size_t note_prose_width = 44;

constexpr std::array autopilot_table{
    column<AutopilotPlan>(
        "pool", text, [](const AutopilotPlan& it) { return name_of(it.route); }, "database/user."),
    column<AutopilotPlan>(
        "autopilot", text, [](const AutopilotPlan& it) { return std::string(word_of(it.mode)); },
        "As it is set: shadow, confirm or auto."),
    column<AutopilotPlan>(
        "acts", text, [](const AutopilotPlan& it) { return it.acts ? "yes" : "no"; },
        "yes: it changes the size by itself; no: it notes what it would do."),
    column<AutopilotPlan>(
        "size", int4, [](const AutopilotPlan& it) { return it.size; }, "pool_size now."),
    column<AutopilotPlan>(
        "next_size", int4, [](const AutopilotPlan& it) { return it.to; },
        "What it is about to set, or would; NULL: it holds."),
    column<AutopilotPlan>(
        "min_size", int4, [](const AutopilotPlan& it) { return it.least; }, "autopilot_min_size."),
    column<AutopilotPlan>(
        "max_size", int4, [](const AutopilotPlan& it) { return it.most; }, "autopilot_max_size."),
    column<AutopilotPlan>(
        "reason", text,
        [](const AutopilotPlan& it) {
          return wrapped_text(it.note.empty() ? it.why : it.why + ". It only notes: " + it.note, "",
                              note_prose_width);
        },
        "Why it is about to change the size, or holds."),
};

}  // namespace

CommandOutcome show_autopilot(CommandCall& call) {
  write_rows(call.out, autopilot_table, plan_sizes(call.world));
  return {};
}
std::vector<ColumnInfo> autopilot_columns() { return describe<autopilot_table>(); }

}  // namespace pgweir
