#include <doctest/doctest.h>

#include <set>
#include <string>

#include "tests/unit/admin/settings_samples.h"

using namespace pgweir;
using namespace std::chrono_literals;

TEST_CASE("every row is named once, belongs to a section and is documented") {
  std::set<std::string> names;
  for (const Setting& row : settings_table()) {
    const std::string name = full_name(row);
    CAPTURE(name);
    CHECK(names.insert(name).second);
    CHECK(find_section(row.section) != nullptr);
    CHECK(find_setting(row.section, row.name) == &row);
    CHECK(row.doc.ends_with('.'));
    CHECK(row.per_database() == (row.section == "databases"));
    CHECK(row.per_user() == (row.section == "users"));
    CHECK(row.secret == (row.name == "password"));
    CHECK((row.kind == SettingKind::word) != row.words.empty());
    // Only what stands once can need a restart: the differ and the merge rely on it.
    if (row.per_database() || row.per_user()) CHECK(row.effect == TakesEffect::reload);
  }
  for (const SettingsSection& section : settings_sections()) CHECK(section.doc.ends_with('.'));
}

TEST_CASE("rows of a section are together and in the order of the sections") {
  std::size_t at = 0;
  const auto sections = settings_sections();
  for (const Setting& row : settings_table()) {
    while (at < sections.size() && sections[at].name != row.section) ++at;
    CAPTURE(full_name(row));
    REQUIRE(at < sections.size());
  }
}

TEST_CASE("every default is allowed, and an inherited one is that of an existing row") {
  for (const Setting& row : settings_table()) {
    CAPTURE(full_name(row));
    CHECK(in_bounds(row, row.default_value));
    CHECK(row.inherits.empty() == !std::holds_alternative<std::monostate>(row.default_value));
    if (!row.inherits.empty()) CHECK(find_setting("pool", row.inherits) != nullptr);
  }
}

TEST_CASE("a row reaches one field and no other") {
  for (const Setting& row : settings_table()) {
    if (row.per_database() || row.per_user() || !has_another_value(row)) continue;
    Settings settings = settings_by_default();
    row.set(settings, another_value(row));
    for (const Setting& other : settings_table()) {
      if (other.per_database() || other.per_user()) continue;
      CAPTURE(full_name(row));
      CAPTURE(full_name(other));
      CHECK(other.get(settings) == (&other == &row ? another_value(row) : other.default_value));
    }
  }
}

TEST_CASE("the defaults are those of the design") {
  const Settings settings = settings_by_default();
  CHECK(settings.workers == 1);
  CHECK(settings.shutdown_timeout == 60s);
  CHECK(settings.listen.addresses == std::vector<std::string>{"127.0.0.1"});
  CHECK(settings.listen.port == 6432);
  CHECK(settings.listen.unix_socket_dir.empty());
  CHECK(settings.listen.unix_socket_mode == 0770);
  CHECK(settings.listen.backlog == 512);
  CHECK(settings.pool.default_pool_size == 20);
  CHECK(settings.pool.max_client_conn == 10000);
  CHECK(settings.pool.query_wait_timeout == 120s);
  CHECK(settings.pool.server_lifetime == 1h);
  CHECK(settings.auth.type == AuthType::scram_sha_256);
  CHECK(settings.auth.server_max_scram_iterations == 100'000);
  CHECK(settings.log.level == LogLevel::info);
  CHECK(settings.log.pooler_errors);
  CHECK(settings.advice.target_wait == 10ms);
  CHECK(settings.databases.empty());

  const DatabaseSettings database = database_by_default("shop");
  CHECK(database.name == "shop");
  CHECK(database.hosts == std::vector<std::string>{"127.0.0.1"});
  CHECK(database.ports == std::vector<int>{5432});
  CHECK_FALSE(database.pool_size.has_value());
  CHECK(user_by_default("alice").name == "alice");
}

TEST_CASE("keys are quoted where TOML needs it") {
  CHECK(toml_key("shop-1_B") == "shop-1_B");
  CHECK(toml_key("*") == "\"*\"");
  CHECK(toml_key("") == "\"\"");
  CHECK(toml_key("a.b\"c\\\n") == R"("a.b\"c\\\u000A")");
  const Setting& host = *find_setting("databases", "host");
  CHECK(full_name(host) == "databases.NAME.host");
  CHECK(full_name(host, "*") == "databases.\"*\".host");
  CHECK(full_name(*find_setting("", "workers")) == "workers");
}

TEST_CASE("secrets are not shown") {
  const Setting& password = *find_setting("users", "password");
  CHECK(shown_text(password, std::string("hush")) == "***");
  CHECK(toml_text(password, std::string("hush")) == "\"hush\"");
}
