#include "admin/settings_text.h"

#include <algorithm>
#include <span>

#include "admin/duration.h"
#include "admin/settings_table.h"

namespace pgweir {
namespace {

using std::int64_t;

std::string joined_words(std::span<const Bytes> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += toml_string(words[i]);
  }
  return text;
}

// The default that counts for a row that inherits.
const SettingValue& effective_default(const Setting& setting) {
  return setting.inherits.empty() ? setting.default_value
                                  : find_setting("pool", setting.inherits)->default_value;
}

}  // namespace

std::string toml_string(Bytes text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string result = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      (result += '\\') += c;
    } else if (code < 0x20 || code == 0x7f) {
      (result += "\\u00") += {digits[code / 16], digits[code % 16]};
    } else {
      result += c;
    }
  }
  return result += '"';
}

std::string octal_text(std::int64_t mode) {
  std::string text = "0000";
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, mode /= 8) {
    *digit = static_cast<char>('0' + mode % 8);
  }
  return text;
}

std::string toml_key(Bytes key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return bare ? std::string(key) : toml_string(key);
}

std::string full_name(const Setting& setting, Bytes entry) {
  std::string name(setting.section);
  if (setting.per_database() || setting.per_user()) name += "." + (entry.empty() ? "NAME" : toml_key(entry));
  if (!name.empty()) name += '.';
  return name.append(setting.name);
}

std::string toml_text(const Setting& setting, const SettingValue& value) {
  struct Printer {
    const Setting& row;
    std::string operator()(std::monostate) const { return toml_text(row, effective_default(row)); }
    std::string operator()(bool yes) const { return yes ? "true" : "false"; }
    std::string operator()(int64_t number) const {
      return row.kind == SettingKind::file_mode ? toml_string(octal_text(number)) : std::to_string(number);
    }
    std::string operator()(Duration span) const {
      return span == Duration::zero() ? "0" : toml_string(format_duration(span));
    }
    std::string operator()(const std::string& it) const { return toml_string(it); }
    std::string operator()(const std::vector<std::string>& list) const {
      std::string all = "[";
      if (row.kind == SettingKind::texts && list.size() == 1) return toml_string(list.front());
      for (const std::string& item : list) all += (all.size() > 1 ? ", " : "") + toml_string(item);
      return all + "]";
    }
    std::string operator()(const std::vector<int64_t>& list) const {
      if (list.size() == 1) return std::to_string(list.front());
      std::string all = "[";
      for (const int64_t item : list) all += (all.size() > 1 ? ", " : "") + std::to_string(item);
      return all + "]";
    }
  };
  return std::visit(Printer{setting}, value);
}

std::string shown_text(const Setting& setting, const SettingValue& value) {
  if (setting.secret) return "***";
  if (std::holds_alternative<std::monostate>(value)) return "unset";
  return toml_text(setting, value);
}

std::string shape_text(const Setting& setting) {
  switch (setting.kind) {
    case SettingKind::boolean:
      return "true or false";
    case SettingKind::integer:
      return "a whole number, " + bounds_text(setting);
    case SettingKind::file_mode:
      return "a file mode in octal digits as text, " + bounds_text(setting);
    case SettingKind::duration:
      return R"(a duration such as "500ms", "120s", "5min")" +
             (setting.zero_or_none.empty() ? ", " + bounds_text(setting)
                                           : " or 0 for " + std::string(setting.zero_or_none));
    case SettingKind::text:
      return "a text of " + bounds_text(setting);
    case SettingKind::text_list:
      return R"(a list of texts such as ["one", "two"], each of )" + bounds_text(setting);
    case SettingKind::texts:
      return R"(a text, or a list of texts such as ["one", "two"], each of )" + bounds_text(setting);
    case SettingKind::integers:
      return "a whole number, or a list of them, each " + bounds_text(setting);
    case SettingKind::word:
      return joined_words(setting.words);
  }
  return {};
}

std::string bounds_text(const Setting& setting) {
  const auto range = [&](auto text_of) { return text_of(setting.least) + " to " + text_of(setting.most); };
  const std::string zero = setting.zero_or_none.empty() ? "" : ", 0 for " + std::string(setting.zero_or_none);
  switch (setting.kind) {
    case SettingKind::integer:
    case SettingKind::integers:
      return range([](int64_t number) { return std::to_string(number); }) +
             (setting.unit.empty() ? "" : " " + std::string(setting.unit)) + zero;
    case SettingKind::file_mode:
      return range([](int64_t mode) { return toml_string(octal_text(mode)); });
    case SettingKind::duration:
      return range([](int64_t ns) { return ns == 0 ? "0" : format_duration(Duration(ns)); }) + zero;
    case SettingKind::text:
    case SettingKind::text_list:
    case SettingKind::texts:
      return range([](int64_t bytes) { return std::to_string(bytes); }) + " bytes";
    case SettingKind::boolean:
    case SettingKind::word:
      break;
  }
  return {};
}

}  // namespace pgweir
