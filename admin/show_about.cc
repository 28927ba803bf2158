// SHOW VERSION, HELP, CONFIG and STATE: what the process says of itself.

#include "admin/command_table.h"
#include "admin/console_parameters.h"
#include "admin/settings_show.h"
#include "admin/show.h"

namespace pgweir {
namespace {

constexpr std::array version_table{
    column<Bytes>(
        "version", type_oid::text, [](const Bytes& version) { return std::string(version); },
        "What PgBouncer's clients look for, then pgweir's version."),
};

constexpr std::array help_table{
    column<Command>(
        "command", type_oid::text, [](const Command& it) { return command_text(it); },
        "What to type; what stands in brackets may be left out."),
    column<Command>(
        "needs", type_oid::text, [](const Command& it) { return std::string(privilege_word(it.privilege)); },
        "stats: a user in console.stats_users or console.admin_users; admin: one in the latter."),
    column<Command>(
        "what it does", type_oid::text, [](const Command& it) { return std::string(it.doc); },
        "In a sentence or two."),
};

constexpr std::array config_table{
    column<ConfigRow>(
        "key", type_oid::text, [](const ConfigRow& it) { return it.key; },
        "PgBouncer's name of the setting where it has it."),
    column<ConfigRow>(
        "value", type_oid::text, [](const ConfigRow& it) { return it.value; },
        "In effect now; times in seconds."),
    column<ConfigRow>(
        "default", type_oid::text, [](const ConfigRow& it) { return it.default_value; },
        "Without a configuration."),
    column<ConfigRow>(
        "changeable", type_oid::text, [](const ConfigRow& it) { return it.changeable ? "yes" : "no"; },
        "yes: RELOAD changes it; no: a restart does."),
};

struct StateRow {
  const char* key;
  const char* value;
};

constexpr std::array state_table{
    column<StateRow>(
        "key", type_oid::text, [](const StateRow& it) { return it.key; }, "The state."),
    column<StateRow>(
        "value", type_oid::text, [](const StateRow& it) { return it.value; },
        "yes or no; one of them is yes. Single databases: SHOW DATABASES."),
};

}  // namespace

CommandOutcome show_version(CommandCall& call) {
  write_rows(call.out, version_table, std::array{console_version});
  return {};
}
std::vector<ColumnInfo> version_columns() { return describe<version_table>(); }

CommandOutcome show_help(CommandCall& call) {
  std::vector<Command> rows;
  for (const Command& command : command_table()) {
    if (!command.for_drivers) rows.push_back(command);
  }
  write_rows(call.out, help_table, rows);
  return {};
}
std::vector<ColumnInfo> help_columns() { return describe<help_table>(); }

CommandOutcome show_config(CommandCall& call) {
  write_rows(call.out, config_table, config_rows(call.world.settings));
  return {};
}
std::vector<ColumnInfo> config_columns() { return describe<config_table>(); }

CommandOutcome show_state(CommandCall& call) {
  const Gates::All all = call.world.gates.all;
  const auto yes_if = [&](Gates::All which) { return all == which ? "yes" : "no"; };
  const std::array states{StateRow{"active", yes_if(Gates::All::open)},
                          StateRow{"paused", yes_if(Gates::All::paused)},
                          StateRow{"suspended", yes_if(Gates::All::suspended)}};
  write_rows(call.out, state_table, states);
  return {};
}
std::vector<ColumnInfo> state_columns() { return describe<state_table>(); }

}  // namespace pgweir
