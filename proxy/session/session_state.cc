#include "proxy/session/session_state.h"

#include <algorithm>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/sql_lexer.h"
#include "proxy/session/error_text.h"
#include "proxy/session/server_session.h"

namespace pgweir {

namespace {

constexpr Bytes role = "role";
// Parameters of no extension that a client may set in one transaction; others are not kept track of.
constexpr std::size_t max_custom = 256;
constexpr Bytes session_authorization = "session_authorization";

// Each gives rows of kind, name, value. Names are qualified, since the client may have set its search_path.
Bytes part(StateKind kind) {
  switch (kind) {
    case StateKind::setting:
      return "SELECT 'setting', name, setting FROM pg_catalog.pg_settings"
             " WHERE source = 'session' AND name NOT LIKE 'transaction%' AND name <> 'statement_timeout'"
             " UNION ALL SELECT 'setting', n, pg_catalog.current_setting(n)"
             " FROM (VALUES ('role'), ('session_authorization')) AS v (n)";
    case StateKind::listen:
      return "SELECT 'listen', c, '1' FROM pg_catalog.pg_listening_channels() AS l (c)";
    case StateKind::temp_table:
      return "SELECT 'temp_table', '', pg_catalog.count(*)::text FROM pg_catalog.pg_class"
             " WHERE relnamespace = pg_catalog.pg_my_temp_schema()";
    case StateKind::hold_cursor:
      return "SELECT 'hold_cursor', '', pg_catalog.count(*)::text FROM pg_catalog.pg_cursors WHERE "
             "is_holdable";
    case StateKind::advisory_lock:
      return "SELECT 'advisory_lock', '', pg_catalog.count(*)::text FROM pg_catalog.pg_locks"
             " WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()";
    case StateKind::prepared:
      return "SELECT 'prepared', '', pg_catalog.count(*)::text FROM pg_catalog.pg_prepared_statements"
             " WHERE name NOT LIKE 'pgweir\\_%'";
  }
  return {};
}

// As SQL reads the name of a parameter: parts with dots between them.
std::string quoted_parameter(Bytes name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '.') {
      text += "\".\"";
      continue;
    }
    if (c == '"') text += c;
    text += c;
  }
  return text + "\"";
}

// Parameters of no extension have a value, but are not in pg_settings (guc.c, GUC_NO_SHOW_ALL).
std::string custom_part(const std::set<std::string>& names) {
  std::string sql = " UNION ALL SELECT 'setting', n, pg_catalog.current_setting(n, true) FROM (VALUES ";
  for (const std::string& name : names) {
    if (name != *names.begin()) sql += ",";
    sql += "(E'";
    for (const char c : name) {
      if (c == '\'' || c == '\\') sql += c;
      sql += c;
    }
    sql += "')";
  }
  return sql +
         ") AS c (n) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_settings"
         " WHERE pg_catalog.lower(name) = n)";
}

bool is_custom(Bytes name) { return name.find('.') != Bytes::npos; }

// As guc.c has it: parts that begin with no digit, and dots between them.
bool is_custom_name(Bytes name) {
  constexpr std::size_t longest = 200;
  bool begins = true;
  for (const char c : name) {
    if (begins && (c == '.' || c == '$' || (c >= '0' && c <= '9'))) return false;
    begins = c == '.';
  }
  return !begins && is_custom(name) && name.size() <= longest;
}

bool is_authorization(Bytes name) { return name == role || name == session_authorization; }

}  // namespace

std::optional<ErrorText> SessionState::note(const SqlEffects& effects, Bytes sql, const Policies& policies,
                                            const Parameters& reported) {
  if (effects.none()) return {};
  using E = SqlEffect;
  StateKinds begins;
  if (effects.has(E::opaque)) watch_names(sql);
  if (effects.has(E::set) && !effects.has(E::opaque)) {
    const SetParameters parameters = set_parameters(sql);
    if (parameters.others) watch_names(sql);
    const bool all_reported =
        !parameters.others &&
        std::all_of(parameters.names.begin(), parameters.names.end(),
                    [&](const std::string& name) { return reported.find(name) != nullptr; });
    if (!all_reported || parameters.resets) begins.add(StateKind::setting);
    if (parameters.resets) resets_.names.insert(parameters.names.begin(), parameters.names.end());
    for (const std::string& name : parameters.names) {
      if (is_custom(name) && custom_.size() < max_custom) custom_.insert(name);
    }
  }
  if (effects.has(E::temp_table)) begins.add(StateKind::temp_table);
  if (effects.has(E::hold_cursor)) begins.add(StateKind::hold_cursor);
  if (effects.has(E::advisory_lock)) begins.add(StateKind::advisory_lock);
  if (effects.has(E::prepare)) begins.add(StateKind::prepared);
  if (effects.has(E::listen)) begins.add(StateKind::listen);
  for (const StateKindRow& it : state_kinds) {
    if (!begins.has(it.kind) || policies[static_cast<std::size_t>(it.kind)] != StatePolicy::refuse) continue;
    return refusal_text(
        Refusal::state_refused,
        "this statement is not allowed here: it would leave " + std::string(it.doc) + " in the session",
        "The setting session_state, or session_state_" + std::string(it.label) + ", of pgweir is \"refuse\".",
        "Use a connection in session mode, or what ends with the transaction.");
  }
  if (effects.has(E::opaque)) begins = StateKinds::all();
  // What may end a pin.
  const bool all = effects.has(E::discard_all);
  if (all || effects.has(E::drop) || effects.has(E::discard_temp)) begins.add(StateKind::temp_table);
  if (all || effects.has(E::close_cursor)) begins.add(StateKind::hold_cursor);
  if (all || effects.has(E::advisory_unlock)) begins.add(StateKind::advisory_lock);
  if (all || effects.has(E::deallocate_all) || effects.has(E::deallocate_one))
    begins.add(StateKind::prepared);
  if (all || effects.has(E::unlisten)) begins.add(StateKind::listen);
  const bool starts_something = effects.has(E::opaque) || effects.has(E::set) || effects.has(E::temp_table) ||
                                effects.has(E::hold_cursor) || effects.has(E::advisory_lock) ||
                                effects.has(E::prepare) || effects.has(E::listen);
  for (const StateKindRow& it : state_kinds) {
    if (begins.has(it.kind) && (starts_something || pins_.has(it.kind))) watch(it.kind, policies);
  }
  if (all) watch(StateKind::setting, policies);
  if (all || effects.has(E::reset_all)) resets_.all = true;
  return {};
}

bool SessionState::Resets::has(Bytes name) const {
  return all || (!names.empty() && names.count(lower_ascii(name)) > 0);
}

void SessionState::watch_names(Bytes text) {
  const auto in_name = [](char c) {
    return SqlLexer::in_word(c) ? static_cast<unsigned char>(c) < 0x80 : c == '.';
  };
  for (std::size_t at = 0; at < text.size() && custom_.size() < max_custom;) {
    std::size_t end = at;
    while (end < text.size() && in_name(text[end])) ++end;
    if (const Bytes name = text.substr(at, end - at); is_custom_name(name)) custom_.insert(lower_ascii(name));
    at = end + 1;
  }
}

void SessionState::watch(StateKind kind, const Policies& policies) {
  if (policies[static_cast<std::size_t>(kind)] != StatePolicy::allow) watched_.add(kind);
}

SessionState::Question SessionState::question(const Parameters& present) {
  asked_ = watched_;
  watched_.clear();
  present_.clear();
  if (asked_.has(StateKind::listen)) channels_.clear();
  found_ = Parameters();
  Question question;
  std::string& sql = question.rest;
  for (const StateKindRow& it : state_kinds) {
    if (!asked_.has(it.kind)) continue;
    if (!sql.empty()) sql += " UNION ALL ";
    sql += part(it.kind);
  }
  if (!asked_.has(StateKind::setting)) return question;
  for (const auto& [name, value] : present.values()) {
    if (is_custom(name)) custom_.insert(name);
  }
  if (!custom_.empty()) sql += custom_part(custom_);
  custom_.clear();
  question.before =
      "SELECT 'setting', name, setting FROM pg_catalog.pg_settings"
      " WHERE source = 'session' AND name = 'statement_timeout';";
  return question;
}

bool SessionState::answer(Bytes data_row) {
  const auto values = read_data_row(data_row);
  if (!values || values->size() != 3) return false;
  const Bytes kind = (*values)[0].value_or(""), name = (*values)[1].value_or(""),
              value = (*values)[2].value_or("");
  if (kind == row(StateKind::setting).label) {
    // A parameter of no extension that was reset is empty.
    if (!is_custom(name) || !value.empty()) found_.set(name, value);
    return true;
  }
  for (const StateKindRow& it : state_kinds) {
    if (it.label != kind) continue;
    if (value != "0") present_.add(it.kind);
    if (it.kind == StateKind::listen && value != "0") channels_.emplace(name);
    return true;
  }
  return false;
}

std::optional<Parameters> SessionState::conclude(const Policies& policies, const Parameters& reported,
                                                 const std::string& login_user) {
  Parameters settings;
  for (const auto& [name, value] : found_.values()) {
    const bool as_at_login =
        (name == role && value == "none") || (name == session_authorization && value == login_user);
    if (!as_at_login && reported.find(name) == nullptr) settings.set(name, value);
  }
  if (asked_.has(StateKind::setting) && !settings.values().empty()) present_.add(StateKind::setting);
  for (const StateKindRow& it : state_kinds) {
    if (!asked_.has(it.kind)) continue;
    pins_.remove(it.kind);
    const bool tracked =
        it.kind == StateKind::setting && policies[static_cast<std::size_t>(it.kind)] == StatePolicy::track;
    if (present_.has(it.kind) && !tracked) pins_.add(it.kind);
  }
  const bool asked = asked_.has(StateKind::setting);
  asked_.clear();
  if (!asked) return {};
  return settings;
}

std::string change_messages(const Parameters& present, const Parameters& wanted, std::string& types) {
  // The right to change anything comes back first, and is given up last.
  std::string resets;
  std::vector<Parameters::Value> plain, authorization;
  for (const auto& [name, value] : present.values()) {
    if (is_authorization(name)) resets = "RESET SESSION AUTHORIZATION;RESET ROLE;";
  }
  for (const auto& [name, value] : present.values()) {
    if (!is_authorization(name) && wanted.find(name) == nullptr) {
      resets += "RESET " + quoted_parameter(name) + ";";
    }
  }
  for (const auto& [name, value] : wanted.values()) {
    const std::string* const have = present.find(name);
    if (is_authorization(name)) {
      authorization.emplace_back(name, value);
    } else if (have == nullptr || *have != value) {
      plain.emplace_back(name, value);
    }
  }
  std::reverse(authorization.begin(), authorization.end());  // session_authorization before role
  std::string messages;
  if (!resets.empty()) {
    Writer out;
    write_query(out, resets);
    messages = out.take();
    types += 'Q';
  }
  messages += set_messages(plain, types);
  messages += set_messages(authorization, types);
  return messages;
}

}  // namespace pgweir
