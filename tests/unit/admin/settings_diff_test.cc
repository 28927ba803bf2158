#include "admin/settings_diff.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/admin/settings_samples.h"

using namespace pgweir;

namespace {

Settings sample() {
  Settings settings = settings_by_default();
  settings.databases["shop"] = database_by_default("shop");
  settings.users["alice"] = user_by_default("alice");
  return settings;
}

void assign(const Setting& row, Settings& settings, const SettingValue& value) {
  if (row.per_database()) {
    row.set(settings.databases.at("shop"), value);
  } else if (row.per_user()) {
    row.set(settings.users.at("alice"), value);
  } else {
    row.set(settings, value);
  }
}

}  // namespace

TEST_CASE("equal settings do not differ") { CHECK(difference(sample(), sample()).empty()); }

TEST_CASE("every row that differs is told, with both values") {
  for (const Setting& row : settings_table()) {
    if (!has_another_value(row)) continue;
    CAPTURE(full_name(row));
    Settings now = sample();
    assign(row, now, another_value(row));
    const auto changes = difference(sample(), now);
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].name == full_name(row, sample_entry(row)));
    CHECK(changes[0].needs_restart == (row.effect == TakesEffect::restart));
    CHECK(changes[0].old_text == shown_text(row, row.default_value));
    CHECK(changes[0].new_text == shown_text(row, another_value(row)));
  }
}

TEST_CASE("a changed password is told without its text") {
  Settings old = sample(), now = sample();
  old.users.at("alice").password = "hush";
  now.users.at("alice").password = "silence";
  const auto changes = difference(old, now);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].name == "users.alice.password");
  CHECK(changes[0].old_text == "***");
  CHECK(changes[0].new_text == "***");
}

TEST_CASE("databases and users that come and go are told") {
  Settings now = sample();
  now.databases.erase("shop");
  now.databases["*"] = database_by_default("*");
  now.users["bob"] = user_by_default("bob");
  const auto changes = difference(sample(), now);
  REQUIRE(changes.size() == 3);
  CHECK(changes[0].name == "databases.shop");
  CHECK(changes[0].new_text == "absent");
  CHECK(changes[1].name == "databases.\"*\"");
  CHECK(changes[1].new_text == "present");
  CHECK(changes[2].name == "users.bob");
  CHECK_FALSE(changes[2].needs_restart);
}

TEST_CASE("a reload takes all but what needs a restart") {
  const Settings running = sample();
  Settings loaded = sample();
  for (const Setting& row : settings_table()) assign(row, loaded, another_value(row));
  loaded.users["bob"] = user_by_default("bob");
  const Settings merged = merge_reloadable(running, loaded);
  for (const Setting& row : settings_table()) {
    CAPTURE(full_name(row));
    CHECK(value_in(row, merged) == value_in(row, row.effect == TakesEffect::restart ? running : loaded));
  }
  CHECK(merged.users.contains("bob"));
  const auto left = difference(merged, loaded);
  CHECK_FALSE(left.empty());
  CHECK(std::all_of(left.begin(), left.end(),
                    [](const SettingChange& change) { return change.needs_restart; }));
}
