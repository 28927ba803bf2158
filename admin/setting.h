#pragma once
// One row of the settings table: all that is known about one setting, and how to reach the field that holds
// it. The loader, the differ, the printer, the reference and SHOW CONFIG walk the rows (settings_table.h).

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "admin/settings.h"
#include "protocol/bytes.h"

namespace pgweir {

enum class SettingKind : std::uint8_t {
  boolean,
  integer,
  file_mode,  // an int in the settings, octal text in the file
  duration,
  text,
  text_list,
  texts,     // one text or a list: a std::vector of at least one
  integers,  // one number or a list
  word,      // an enum: one of `words`
};

enum class TakesEffect : std::uint8_t { restart, reload };

// What any setting may hold. monostate: an override of [databases.*] or [users.*] that is not set.
using SettingValue = std::variant<std::monostate, bool, std::int64_t, Duration, std::string,
                                  std::vector<std::string>, std::vector<std::int64_t>>;

// The words of an enum in the order of its enumerators, which must count from 0.
template <class Enum>
inline constexpr std::array<Bytes, 0> words_of{};
template <>
inline constexpr std::array<Bytes, 3> words_of<PoolMode>{"transaction", "session", "statement"};
template <>
inline constexpr std::array<Bytes, 4> words_of<AutopilotMode>{"off", "shadow", "confirm", "auto"};
template <>
inline constexpr std::array<Bytes, 4> words_of<StatePolicy>{"track", "pin", "refuse", "allow"};
template <>
inline constexpr std::array<Bytes, 2> words_of<LoadBalanceHosts>{"disable", "round-robin"};
template <>
inline constexpr std::array<Bytes, 1> words_of<ConsoleCompat>{"1.25"};
template <>
inline constexpr std::array<Bytes, 6> words_of<SessionAttrs>{"any",     "read-write", "read-only",
                                                             "primary", "standby",    "prefer-standby"};
template <>
inline constexpr std::array<Bytes, 6> words_of<TlsMode>{"disable", "allow",     "prefer",
                                                        "require", "verify-ca", "verify-full"};
template <>
inline constexpr std::array<Bytes, 4> words_of<AuthType>{"trust", "md5", "scram-sha-256", "hba"};
template <>
inline constexpr std::array<Bytes, 4> words_of<LogLevel>{"debug", "info", "warning", "error"};
template <>
inline constexpr std::array<Bytes, 2> words_of<LogFormat>{"text", "json"};

template <class Enum>
constexpr Bytes word_of(Enum value) {
  return words_of<Enum>[static_cast<std::size_t>(value)];
}

// How to reach the field in its owner. `set` wants a value of the field's kind that was checked against the
// row; monostate only for a field that is optional.
template <class Owner>
struct FieldAccess {
  SettingValue (*get)(const Owner&) = nullptr;
  void (*set)(Owner&, const SettingValue&) = nullptr;
};
using SettingAccess =
    std::variant<FieldAccess<Settings>, FieldAccess<DatabaseSettings>, FieldAccess<UserSettings>>;

struct Setting {
  Bytes section;  // "" for the top level; "databases" and "users" stand once for each name
  Bytes name;
  Bytes pgbouncer{};  // the key in SHOW CONFIG where it is not `name`
  SettingKind kind{};
  TakesEffect effect = TakesEffect::reload;
  bool secret = false;
  SettingValue default_value{};  // monostate: not set, the value of `inherits` counts
  Bytes inherits{};              // name of the row of [pool] that counts while this one is not set
  // Bounds, both allowed: integers, file modes, nanoseconds of a duration, bytes of a text or of each
  // text of a list.
  std::int64_t least = 0, most = 0;
  Bytes unit{};          // what an integer counts
  Bytes zero_or_none{};  // what 0, or an empty text or list, means where that is special
  std::span<const Bytes> words{};
  SettingAccess access{};
  Bytes doc{};

  bool per_database() const { return std::holds_alternative<FieldAccess<DatabaseSettings>>(access); }
  bool per_user() const { return std::holds_alternative<FieldAccess<UserSettings>>(access); }
  Bytes show_name() const { return pgbouncer.empty() ? name : pgbouncer; }

  // The owner must be of the type that the row's access is for.
  template <class Owner>
  SettingValue get(const Owner& owner) const {
    return std::get<FieldAccess<Owner>>(access).get(owner);
  }
  template <class Owner>
  void set(Owner& owner, const SettingValue& value) const {
    std::get<FieldAccess<Owner>>(access).set(owner, value);
  }
};

namespace setting_detail {

template <class T>
struct Codec {  // bool, Duration, std::string, list
  static SettingValue to_value(const T& field) { return field; }
  static void from_value(T& field, const SettingValue& value) { field = std::get<T>(value); }
};
template <>
struct Codec<int> {
  static SettingValue to_value(int field) { return std::int64_t{field}; }
  static void from_value(int& field, const SettingValue& value) {
    field = static_cast<int>(std::get<std::int64_t>(value));
  }
};
template <>
struct Codec<std::vector<int>> {
  static SettingValue to_value(const std::vector<int>& field) {
    return std::vector<std::int64_t>(field.begin(), field.end());
  }
  static void from_value(std::vector<int>& field, const SettingValue& value) {
    field.clear();
    for (const std::int64_t number : std::get<std::vector<std::int64_t>>(value))
      field.push_back(static_cast<int>(number));
  }
};
template <class Enum>
requires std::is_enum_v<Enum>
struct Codec<Enum> {
  static SettingValue to_value(Enum field) { return std::string(word_of(field)); }
  static void from_value(Enum& field, const SettingValue& value) {
    for (std::size_t i = 0; i < words_of<Enum>.size(); ++i) {
      if (words_of<Enum>[i] == std::get<std::string>(value)) field = static_cast<Enum>(i);
    }
  }
};
template <class T>
struct Codec<std::optional<T>> {
  static SettingValue to_value(const std::optional<T>& field) {
    return field ? Codec<T>::to_value(*field) : SettingValue{};
  }
  static void from_value(std::optional<T>& field, const SettingValue& value) {
    field.reset();
    if (!std::holds_alternative<std::monostate>(value)) Codec<T>::from_value(field.emplace(), value);
  }
};

template <class Member>
struct MemberOf;
template <class Owner_, class Field_>
struct MemberOf<Field_ Owner_::*> {
  using Owner = Owner_;
};

}  // namespace setting_detail

// The access to `owner.*first.*rest...`, as in field<&Settings::listen, &ListenSettings::port>().
template <auto first, auto... rest>
constexpr SettingAccess field() {
  using Owner = typename setting_detail::MemberOf<decltype(first)>::Owner;
  return FieldAccess<Owner>{
      [](const Owner& owner) -> SettingValue {
        const auto& place = ((owner.*first).*....*rest);
        return setting_detail::Codec<std::remove_cvref_t<decltype(place)>>::to_value(place);
      },
      [](Owner& owner, const SettingValue& value) {
        auto& place = ((owner.*first).*....*rest);
        setting_detail::Codec<std::remove_cvref_t<decltype(place)>>::from_value(place, value);
      }};
}

}  // namespace pgweir
