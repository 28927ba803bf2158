// PAUSE and its like: whether it can be done, and to what. Doing it is the control thread's. The words of the
// errors are PgBouncer's, since scripts look for them.

#include <charconv>

#include "admin/console_error.h"
#include "admin/console_parameters.h"
#include "admin/show.h"

namespace pgweir {
namespace {

constexpr Bytes wrong_state = sqlstate::object_not_in_prerequisite_state;
constexpr Bytes unknown_database = sqlstate::invalid_catalog_name;
constexpr Bytes wrong_value = sqlstate::invalid_parameter_value;

// The database that the arguments name; empty when they name none. `verb` as in "cannot pause admin db".
CommandOutcome take_database(CommandCall& call, const char* verb) {
  if (call.arguments.empty()) return {};
  const Token& name = call.arguments[0];
  if (call.arguments.size() > 1 || name.kind == Token::Kind::symbol)
    return failed(sqlstate::syntax_error, "expected the name of one database",
                  "A name with other than letters, digits and _ is to be quoted with \" or '.");
  const std::string shown = printable(name.text, 64);
  if (name.text == console_database || name.text == "pgweir")
    return failed(wrong_state, std::string("cannot ") + verb + " admin db: " + shown);
  if (name.text.empty() || call.world.settings.find_database(name.text) == nullptr)
    return failed(unknown_database, "no such database: " + shown, "SHOW DATABASES lists them.");
  call.order.database = name.text;
  return {};
}

CommandOutcome take_required_database(CommandCall& call, const char* verb) {
  if (call.arguments.empty()) return failed(sqlstate::syntax_error, "a database is required");
  return take_database(call, verb);
}

CommandOutcome stop_all(const CommandCall& call) {
  if (call.world.gates.all == Gates::All::open) return {};
  return failed(wrong_state, "already suspended/paused", "RESUME ends that.");
}

}  // namespace

CommandOutcome pause(CommandCall& call) {
  return call.arguments.empty() ? stop_all(call) : take_database(call, "pause");
}

CommandOutcome kill(CommandCall& call) {
  return call.arguments.empty() ? stop_all(call) : take_database(call, "kill");
}

CommandOutcome suspend(CommandCall& call) { return stop_all(call); }

CommandOutcome resume(CommandCall& call) {
  const Gates& gates = call.world.gates;
  if (!call.arguments.empty()) {
    if (auto taken = take_database(call, "resume"); !taken) return taken;
    if (gates.paused.contains(call.order.database)) return {};
    return failed(wrong_state, "database " + call.order.database + " is not paused");
  }
  if (gates.all != Gates::All::open) return {};
  return failed(wrong_state, "pooler is not paused/suspended",
                gates.paused.empty() ? "" : "Single databases are: RESUME each by its name.");
}

CommandOutcome disable(CommandCall& call) { return take_required_database(call, "disable"); }
CommandOutcome enable(CommandCall& call) { return take_required_database(call, "enable"); }
CommandOutcome reconnect(CommandCall& call) { return take_database(call, "reconnect"); }
CommandOutcome wait_close(CommandCall& call) { return take_database(call, "wait for"); }

CommandOutcome kill_client(CommandCall& call) {
  std::uint64_t id = 0;
  if (call.arguments.size() == 1) {
    const std::string& text = call.arguments[0].text;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size()) id = 0;
  }
  if (id == 0)
    return failed(wrong_value, "invalid client id", "It is a number: the column id of SHOW CLIENTS.");
  call.order.client = id;
  return {};
}

}  // namespace pgweir
