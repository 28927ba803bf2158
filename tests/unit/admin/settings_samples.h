#pragma once
// Values and texts for tests that walk the settings table.

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "admin/settings_table.h"
#include "admin/settings_text.h"

namespace pgweir {

// An allowed value that is not the default. The only word of an enum that has one stays what it is, unless
// the row may be unset.
inline SettingValue another_value(const Setting& row) {
  using std::chrono::seconds;
  const bool inherited = std::holds_alternative<std::monostate>(row.default_value);
  switch (row.kind) {
    case SettingKind::boolean:
      return !std::get<bool>(row.default_value);
    case SettingKind::integer:
    case SettingKind::file_mode: {
      const std::int64_t value = inherited ? row.least : std::get<std::int64_t>(row.default_value);
      return value < row.most ? value + 1 : value - 1;
    }
    case SettingKind::duration:
      return inherited ? Duration(seconds(7)) : std::get<Duration>(row.default_value) + seconds(1);
    case SettingKind::text:
      return std::string(row.name == "protocols" ? "all" : "/other");
    case SettingKind::integers:
      return std::vector<std::int64_t>{row.most};
    case SettingKind::texts:
      return std::vector<std::string>{"other"};
    case SettingKind::text_list:
      return std::vector<std::string>{"/one", "two"};
    case SettingKind::word:
      for (const Bytes word : row.words) {
        if (SettingValue(std::string(word)) != row.default_value) return std::string(word);
      }
      return row.default_value;
  }
  return {};
}

inline bool has_another_value(const Setting& row) { return another_value(row) != row.default_value; }

// The name of the section's entry in the texts below.
inline std::string sample_entry(const Setting& row) {
  return row.per_database() ? "shop" : row.per_user() ? "alice" : "";
}

inline std::string sample_header(const Setting& row) {
  if (row.section.empty()) return "";
  const std::string entry = sample_entry(row);
  return "[" + std::string(row.section) + (entry.empty() ? "" : "." + entry) + "]\n";
}

// Settings of the same section without which a change of the row alone is refused, with values.
inline std::vector<std::pair<std::string, std::string>> companions(const Setting& row) {
  if (!row.section.ends_with("_tls")) return {};
  if (row.name == "cert_file") return {{"key_file", "'/key'"}};
  if (row.name == "key_file") return {{"cert_file", "'/cert'"}};
  if (row.name == "sslmode") return {{"key_file", "'/key'"}, {"cert_file", "'/cert'"}, {"ca_file", "'/ca'"}};
  return {};
}

inline std::string sample_toml(const Setting& row, const std::string& value) {
  std::string text = sample_header(row) + std::string(row.name) + " = " + value + "\n";
  for (const auto& [name, its_value] : companions(row)) text += name + " = " + its_value + "\n";
  return text;
}

inline SettingValue value_in(const Setting& row, const Settings& settings) {
  if (row.per_database()) return row.get(settings.databases.at("shop"));
  if (row.per_user()) return row.get(settings.users.at("alice"));
  return row.get(settings);
}

}  // namespace pgweir
