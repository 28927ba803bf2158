#pragma once
// THE settings table: every setting that pgweir has, once. Immutable after its first use; any thread.

#include <span>
#include <string>

#include "admin/setting.h"
#include "admin/settings.h"
#include "protocol/bytes.h"

namespace pgweir {

struct SettingsSection {
  Bytes name;   // "" for the settings before the first [section]
  Bytes entry;  // an example of an entry's name where the section stands once for each name
  Bytes doc;

  bool has_entries() const { return !entry.empty(); }
};

// In the order in which a configuration is printed.
std::span<const SettingsSection> settings_sections();
std::span<const Setting> settings_table();  // rows of a section are together

// Null if there is none.
const SettingsSection* find_section(Bytes name);
const Setting* find_setting(Bytes section, Bytes name);

// Values made from the defaults of the rows. No database and no user is defined.
Settings settings_by_default();
DatabaseSettings database_by_default(std::string name);
UserSettings user_by_default(std::string name);

// "pool.min_pool_size"; for the row of an entry "databases.shop.host" (`databases."*".host`), or without a
// name of the entry "databases.NAME.host".
std::string full_name(const Setting& setting, Bytes entry = {});
// A key as TOML wants it: in quotes only where it must be.
std::string toml_key(Bytes key);

// The value as it stands in a file, secrets in clear. A value that is not set is the one it inherits by
// default.
std::string toml_text(const Setting& setting, const SettingValue& value);
// The value as people may see it: "***" for a secret, "unset" for an override that is not set.
std::string shown_text(const Setting& setting, const SettingValue& value);

// The kind and shape that the setting takes, without bounds: `a duration such as "500ms" ...`.
std::string shape_text(const Setting& setting);
// The bounds: "1 to 65535", "0s to 365d, 0 for no limit". Empty for kinds without bounds worth a word.
std::string bounds_text(const Setting& setting);

// Whether a value of the right type is inside the bounds, and one of the words.
bool in_bounds(const Setting& setting, const SettingValue& value);

}  // namespace pgweir
