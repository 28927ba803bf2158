#pragma once
// The rows of SHOW CONFIG. Pure; any thread.

#include <string>
#include <vector>

#include "admin/settings.h"

namespace pgweir {

// Texts as PgBouncer gives them: times in seconds, booleans as 1 and 0, lists with commas.
struct ConfigRow {
  std::string key;  // PgBouncer's name where it has the setting
  std::string value;
  std::string default_value;
  bool changeable = false;  // by a reload
};

// Sorted by key. Databases and users, and with them all secrets, are not among them; the sizes are that APPLY
// RECOMMENDATION has set, with those of the file as their defaults.
std::vector<ConfigRow> config_rows(const Settings& settings);

}  // namespace pgweir
