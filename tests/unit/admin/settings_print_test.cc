#include "admin/settings_print.h"

#include <doctest/doctest.h>

#include "admin/settings_diff.h"
#include "admin/settings_load.h"
#include "tests/support/generated.h"
#include "tests/unit/admin/settings_samples.h"

using namespace pgweir;

namespace {

// The printed configuration with the `#` before settings and sections removed.
std::string uncommented() {
  std::istringstream in(print_default_config());
  std::string out;
  for (std::string line; std::getline(in, line);) {
    const bool setting = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    out += (setting ? line.substr(1) : line) + "\n";
  }
  return out;
}

LoadedSettings must_load(const std::string& toml) {
  auto loaded = load_settings_text(toml, "printed.toml");
  if (!loaded) FAIL(loaded.error().front().text());
  return *loaded;
}

}  // namespace

TEST_CASE("the printed configuration loads as it is and changes nothing") {
  const LoadedSettings loaded = must_load(print_default_config());
  CHECK(loaded.warnings.empty());
  CHECK(difference(must_load("").settings, loaded.settings).empty());
}

TEST_CASE("the printed configuration loads with every setting live, at its default") {
  const std::string text = uncommented();
  const LoadedSettings loaded = must_load(text);
  CHECK(loaded.warnings.empty());
  for (const Setting& row : settings_table()) {
    CAPTURE(full_name(row));
    CHECK(text.find("\n" + std::string(row.name) + " = ") != std::string::npos);
    CHECK(toml_text(row, value_in(row, loaded.settings)) == toml_text(row, row.default_value));
    if (!row.inherits.empty()) {
      CHECK_FALSE(std::holds_alternative<std::monostate>(value_in(row, loaded.settings)));
    }
  }
}

TEST_CASE("every setting that is changed in the printed configuration is loaded") {
  for (const Setting& row : settings_table()) {
    CAPTURE(full_name(row));
    std::string text = uncommented();
    const std::size_t section = row.section.empty() ? 0 : text.find("\n" + sample_header(row));
    REQUIRE(section != std::string::npos);
    const auto set = [&](const std::string& name, const std::string& value) {
      const std::string key = "\n" + name + " = ";
      const std::size_t from = text.find(key, section) + key.size();
      text.replace(from, text.find('\n', from) - from, value);
    };
    set(std::string(row.name), toml_text(row, another_value(row)));
    for (const auto& [name, value] : companions(row)) set(name, value);
    // The value that the row must not fall below.
    if (row.name == "min_pool_size") CHECK(std::get<std::int64_t>(another_value(row)) == 1);
    CHECK(value_in(row, must_load(text).settings) == another_value(row));
  }
}

TEST_CASE("the reference names every setting and section") {
  const std::string text = settings_reference_markdown();
  for (const SettingsSection& section : settings_sections()) {
    if (!section.name.empty()) CHECK(text.find("## `[" + std::string(section.name)) != std::string::npos);
  }
  for (const Setting& row : settings_table()) {
    CHECK(text.find("| `" + std::string(row.name) + "` |") != std::string::npos);
  }
}

TEST_CASE("the committed configuration and reference are the printed ones") {
  CHECK(committed("admin/deploy/pgweir.toml", print_default_config()) == print_default_config());
  CHECK(committed("admin/docs/settings.md", settings_reference_markdown()) == settings_reference_markdown());
}
