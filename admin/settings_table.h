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

// Whether a value of the right type is inside the bounds, and one of the words.
bool in_bounds(const Setting& setting, const SettingValue& value);

}  // namespace pgweir
