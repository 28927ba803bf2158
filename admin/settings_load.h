#pragma once
// Settings from TOML. Either a whole, checked Settings comes out, or every problem that was found; nothing is
// half applied. No state; any thread. load_settings_file blocks on the file.

#include <cstddef>
#include <functional>
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
  std::vector<std::string> warnings;      // each a line of text, of the form of SettingError::text()
  std::vector<std::string> secret_files;  // of those that were read, which hold passwords
};

// In the order of the lines.
using SettingErrors = std::vector<SettingError>;

// The text of a file that the settings name (auth_file, hba_file), or why it cannot be read.
using SettingsFileReader = std::function<tl::expected<std::string, std::string>(const std::string& path)>;

// `file_name` is for the messages, and relative paths begin at its directory. Without any database in the
// text
// "*" is made, with all defaults. Without `read` such files are not looked at: nobody can log in by
// what stands in them.
tl::expected<LoadedSettings, SettingErrors> load_settings_text(Bytes toml, const std::string& file_name,
                                                               const SettingsFileReader& read = {});
tl::expected<LoadedSettings, SettingErrors> load_settings_file(const std::string& path);

}  // namespace pgweir
