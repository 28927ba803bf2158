#pragma once
// What a reload changes, and what it cannot change. Pure; any thread.

#include <string>
#include <vector>

#include "admin/settings.h"

namespace pgweir {

struct SettingChange {
  std::string name;      // full name; of a database or user that came or went, that of its section
  std::string old_text;  // "***" for a secret, "unset", "absent"
  std::string new_text;  // likewise, "present"
  bool needs_restart = false;
};

// In the order of the settings table, then databases, then users by name. Empty: nothing differs.
std::vector<SettingChange> difference(const Settings& old, const Settings& now);

// What a reload makes effective: `loaded`, with the running value of all that needs a restart.
Settings merge_reloadable(const Settings& running, const Settings& loaded);

}  // namespace pgweir
