#pragma once
// Settings from TOML. Either a whole, checked Settings comes out, or every problem that was found; nothing is
// half applied. No state; any thread. load_settings_file blocks on the file.

#include <cstddef>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "admin/settings.h"
#include "protocol/bytes.h"

namespace pgweir {

// More is not read: a configuration with thousands of users is far below.
inline constexpr std::size_t longest_settings_file = std::size_t{16} << 20;

struct SettingError {
  std::string file;
  int line = 0;         // from 1; 0: of no line
  std::string setting;  // full name; empty: of no setting
  std::string problem;  // what was found and what is allowed; never a secret

  // "pgweir.toml:7: listen.port: found 70000, allowed is 1 to 65535"
  std::string text() const;
};

struct LoadedSettings {
  Settings settings;
  std::vector<std::string> warnings;  // each a line of text, of the form of SettingError::text()
};

// In the order of the lines.
using SettingErrors = std::vector<SettingError>;

// `file_name` is only for the messages. Without any database in the text "*" is made, with all defaults.
tl::expected<LoadedSettings, SettingErrors> load_settings_text(Bytes toml, const std::string& file_name);
tl::expected<LoadedSettings, SettingErrors> load_settings_file(const std::string& path);

}  // namespace pgweir
