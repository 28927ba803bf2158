// Any text as a configuration: it is refused with readable problems, or all that comes out is inside the
// bounds of its row.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "admin/settings_diff.h"
#include "admin/settings_load.h"
#include "admin/settings_show.h"
#include "admin/settings_table.h"

using namespace pgweir;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void must_be_printable(const std::string& text) {
  for (const char c : text) must(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

template <class Owner>
void check_bounds(const Owner& owner) {
  for (const Setting& row : settings_table()) {
    if (std::holds_alternative<FieldAccess<Owner>>(row.access)) must(in_bounds(row, row.get(owner)));
  }
}

void check(const Settings& settings) {
  check_bounds(settings);
  must(!settings.databases.empty());
  for (const auto& [name, database] : settings.databases) {
    must(name == database.name);
    check_bounds(database);
  }
  for (const auto& [name, user] : settings.users) {
    must(name == user.name);
    check_bounds(user);
  }
  const Settings running = settings_by_default();
  must(difference(settings, settings).empty());
  for (const SettingChange& change : difference(merge_reloadable(running, settings), settings)) {
    must(change.needs_restart);
  }
  must(config_rows(settings).size() == config_rows(running).size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto loaded = load_settings_text({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
  if (loaded) {
    check(loaded->settings);
    for (const std::string& warning : loaded->warnings) must_be_printable(warning);
  } else {
    must(!loaded.error().empty());
    for (const SettingError& error : loaded.error()) must_be_printable(error.text());
  }
  return 0;
}
