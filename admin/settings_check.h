#pragma once
// What must hold between settings, beyond the bounds of each. Pure; any thread.

#include <string>
#include <vector>

#include "admin/settings.h"

namespace pgweir {

struct SettingsFinding {
  std::string setting;  // full name
  std::string text;
  bool fatal = false;  // else a warning
};

// The settings must be inside the bounds of their rows. Says nothing about secrets but their form.
std::vector<SettingsFinding> check_settings(const Settings& settings);

}  // namespace pgweir
