// SET setting = value: as a line of the configuration that RELOAD takes back.

#include <algorithm>
#include <charconv>

#include "admin/console_error.h"
#include "admin/duration.h"
#include "admin/settings_check.h"
#include "admin/settings_table.h"
#include "admin/settings_text.h"
#include "admin/show.h"

namespace pgweir {
namespace {

const Setting* setting_named(const Token& name) {
  for (const Setting& row : settings_table()) {
    if (!row.per_database() && !row.per_user() && name.is(row.show_name())) return &row;
  }
  return nullptr;
}

std::optional<std::int64_t> number_from(Bytes text, int base) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string> list_from(Bytes text) {
  std::vector<std::string> list;
  while (!text.empty()) {
    const Bytes item = text.substr(0, text.find(','));
    list.emplace_back(item);
    text.remove_prefix(std::min(item.size() + 1, text.size()));
  }
  return list;
}

// Words as SHOW CONFIG prints them, which are PgBouncer's, and as a configuration has them.
std::optional<SettingValue> value_from(const Setting& row, const std::string& text) {
  const Token word{Token::Kind::word, text};
  const bool may_be_unset = std::holds_alternative<std::monostate>(row.default_value);
  if (may_be_unset && text.empty()) return SettingValue{};
  switch (row.kind) {
    case SettingKind::boolean:
      for (const Bytes yes : {"1", "on", "true", "yes"}) {
        if (word.is(yes)) return true;
      }
      for (const Bytes no : {"0", "off", "false", "no"}) {
        if (word.is(no)) return false;
      }
      return std::nullopt;
    case SettingKind::integer:
      return number_from(text, 10);
    case SettingKind::file_mode:
      return number_from(text, 8);
    case SettingKind::duration: {
      // SHOW CONFIG prints fractions of a second.
      const std::size_t dot = text.find('.');
      if (dot != std::string::npos) {
        const auto whole = number_from(Bytes(text).substr(0, dot), 10);
        const std::string digits = (text.substr(dot + 1) + "000000").substr(0, 6);
        const auto micros = number_from(digits, 10);
        if (!whole || !micros || *whole > 1'000'000'000) return std::nullopt;
        return Duration(std::chrono::seconds(*whole)) + std::chrono::microseconds(*micros);
      }
      const auto span = parse_duration(text);
      if (!span) return std::nullopt;
      return *span;
    }
    case SettingKind::text:
    case SettingKind::word:
      return text;
    case SettingKind::text_list:
    case SettingKind::texts:
      return list_from(text);
    case SettingKind::integers: {
      std::vector<std::int64_t> numbers;
      for (const std::string& item : list_from(text)) {
        const auto number = number_from(item, 10);
        if (!number) return std::nullopt;
        numbers.push_back(*number);
      }
      return numbers;
    }
  }
  return std::nullopt;
}

}  // namespace

bool names_setting(std::span<const Token> arguments) {
  return !arguments.empty() && setting_named(arguments[0]) != nullptr;
}

CommandOutcome set_setting(CommandCall& call) {
  const Setting& row = *setting_named(call.arguments[0]);
  const std::string name(row.show_name());
  const bool read_from_file = row.section == "client_tls" || row.section == "server_tls" ||
                              name == "auth_file" || name == "auth_hba_file";
  if (row.effect != TakesEffect::reload || row.secret || read_from_file) {
    return failed(sqlstate::feature_not_supported, "SET does not change \"" + name + "\"",
                  row.effect == TakesEffect::reload
                      ? "Change it in the configuration file, then say RELOAD."
                      : "Change it in the configuration file, then restart pgweir.");
  }
  auto words = call.arguments.subspan(1);
  if (!words.empty() && (words[0].is_symbol('=') || words[0].is("TO"))) words = words.subspan(1);
  if (words.empty()) return failed(sqlstate::syntax_error, "SET needs a value for \"" + name + "\"");
  std::string text;
  for (const Token& word : words) text += word.text;
  const auto value = value_from(row, text);
  if (!value || !in_bounds(row, *value)) {
    return failed(sqlstate::invalid_parameter_value,
                  "invalid value for \"" + name + "\": \"" + printable(text, 64) + "\"",
                  "Allowed is " + shape_text(row) + ".");
  }
  auto changed = std::make_shared<Settings>(call.world.settings);
  row.set(*changed, *value);
  for (const SettingsFinding& finding : check_settings(*changed)) {
    if (finding.fatal)
      return failed(sqlstate::invalid_parameter_value, finding.setting + ": " + finding.text);
  }
  call.order.settings = std::move(changed);
  call.tag = "SET " + name + "=" + printable(text, 64);
  return {};
}

}  // namespace pgweir
