#pragma once
// The settings that a command line means: those of its file, or without one those that serve at once in
// front of a PostgreSQL nearby.

#include <string>
#include <tl/expected.hpp>

#include "admin/settings_load.h"
#include "proxy/options.h"

namespace pgweir {

// Blocks on the file and reads the environment; to be called again for a reload.
tl::expected<LoadedSettings, SettingErrors> start_settings(const Options& options);

// The configuration that stands for none: one server for all databases, no passwords, loopback only, and
// these users may use the console.
std::string plain_config(const Conninfo& server, const std::vector<std::string>& admin_users);

}  // namespace pgweir
