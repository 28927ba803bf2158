#include "tests/sim/toy_state.h"

#include "protocol/bytes.h"

namespace pgweir::sim {

namespace {

// PostgreSQL does not show a parameter of no extension in pg_settings.
bool is_custom(const std::string& name) { return name.find('.') != std::string::npos; }

}  // namespace

const ToySettings& default_settings() {
  static const ToySettings defaults{{"server_version", "15.0 (toy)"},
                                    {"server_encoding", "UTF8"},
                                    {"client_encoding", "UTF8"},
                                    {"application_name", ""},
                                    {"default_transaction_read_only", "off"},
                                    {"in_hot_standby", "off"},
                                    {"is_superuser", "off"},
                                    {"session_authorization", "toy"},
                                    {"DateStyle", "ISO, MDY"},
                                    {"IntervalStyle", "postgres"},
                                    {"TimeZone", "Etc/UTC"},
                                    {"integer_datetimes", "on"},
                                    {"standard_conforming_strings", "on"},
                                    {"extra_float_digits", "1"},
                                    {"search_path", "public"},
                                    {"statement_timeout", "0"},
                                    {"work_mem", "4096"},
                                    {"app.tenant", ""}};
  return defaults;
}

std::string setting_name(Bytes name) {
  for (const auto& [known, value] : default_settings()) {
    if (lower_ascii(known) == lower_ascii(name)) return known;
  }
  return {};
}

bool is_reported(const std::string& name) {
  return name != "extra_float_digits" && name != "search_path" && name != "statement_timeout" &&
         name != "work_mem" && name != "app.tenant";
}

void ToyState::behind_proxy(const ToySettings& server) {
  startup_ = start_;
  start_ = server;
}

void ToyState::compose() {
  current_ = session_.values;
  for (const auto& [name, value] : local_) current_[name] = value;
}

void ToyState::set(const std::string& name, const std::string& value, bool local) {
  if (local) {
    local_[name] = value;
  } else {
    local_.erase(name);
    session_.values[name] = value;
    session_.set.insert(name);
  }
  compose();
}

void ToyState::reset(const std::string& name) {
  local_.erase(name);
  session_.values[name] = start_[name];
  session_.set.erase(name);
  compose();
}

void ToyState::reset_all() {
  local_.clear();
  session_.values = start_;
  session_.set.clear();
  all_reset_ = true;
  compose();
}

bool ToyState::create_table(const std::string& name, Owner owner) {
  return session_.tables.emplace(name, owner).second;
}

bool ToyState::drop_table(const std::string& name) { return session_.tables.erase(name) > 0; }

bool ToyState::unlock(int number) {
  const auto found = locks_.find(number);
  if (found == locks_.end()) return false;
  found->second.pop_back();
  if (found->second.empty()) locks_.erase(found);
  return true;
}

void ToyState::discard_all() {
  reset_all();
  session_.tables.clear();
  session_.channels.clear();
  locks_.clear();
}

void ToyState::roll_back() {
  session_ = saved_;
  local_.clear();
  compose();
}

void ToyState::end() {
  local_.clear();
  if (!startup_.empty()) restore_startup();
  all_reset_ = false;
  compose();
}

void ToyState::restore_startup() {
  for (const auto& [name, value] : startup_) {
    std::string& present = session_.values[name];
    if (present == value || present != start_[name]) continue;
    if (is_reported(name)) {
      if (!all_reset_) continue;
      restored_[name] = present;
    } else if (session_.set.contains(name)) {
      continue;
    }
    present = value;
  }
}

std::string ToyState::foreign(Owner owner) const {
  for (const auto& [name, creator] : session_.tables) {
    if (creator.client != owner.client)
      return "with the temporary table " + name + " of client " + std::to_string(creator.client);
  }
  for (const auto& [name, creator] : session_.channels) {
    if (creator.client != owner.client)
      return "that listens to " + name + " for client " + std::to_string(creator.client);
  }
  for (const auto& [number, holders] : locks_) {
    if (holders.back().client != owner.client)
      return "with lock " + std::to_string(number) + " of client " + std::to_string(holders.back().client);
  }
  return {};
}

std::string ToyState::unreported() const {
  std::string text;
  for (const auto& [name, value] : current_) {
    if (!is_reported(name)) text += name.substr(0, 3) + "=" + value + " ";
  }
  for (const auto& [name, creator] : session_.tables) text += name + " ";
  for (const auto& [number, holders] : locks_)
    text += "lock " + std::to_string(number) + " x" + std::to_string(holders.size()) + " ";
  return text;
}

std::vector<std::vector<std::string>> ToyState::inspect(Bytes sql, int prepared) const {
  std::vector<std::vector<std::string>> rows;
  const auto asks = [&](Bytes part) { return sql.find(part) != Bytes::npos; };
  const auto count = [&](const char* kind, std::size_t number) {
    rows.push_back({kind, "", std::to_string(number)});
  };
  if (asks("AND name = 'statement_timeout'")) {
    if (session_.set.contains("statement_timeout"))
      rows.push_back({"setting", "statement_timeout", current_.at("statement_timeout")});
    return rows;
  }
  if (asks("setting FROM pg_catalog.pg_settings")) {
    for (const auto& [name, value] : current_) {
      const bool from_session = session_.set.contains(name) || local_.contains(name);
      const bool left_out = asks("name <> '" + name + "'");
      if (from_session && !is_custom(name) && !left_out) rows.push_back({"setting", name, value});
      if (asks("(E'" + name + "')")) rows.push_back({"setting", name, value});
    }
    rows.push_back({"setting", "role", "none"});
    rows.push_back({"setting", "session_authorization", current_.at("session_authorization")});
  }
  if (asks("pg_listening_channels()")) {
    for (const auto& [name, creator] : session_.channels) rows.push_back({"listen", name, "1"});
  }
  if (asks("pg_my_temp_schema()")) count("temp_table", session_.tables.size());
  if (asks("pg_cursors")) count("hold_cursor", 0);
  if (asks("locktype = 'advisory'")) count("advisory_lock", locks_.size());
  if (asks("pg_prepared_statements")) count("prepared", static_cast<std::size_t>(prepared));
  return rows;
}

}  // namespace pgweir::sim
