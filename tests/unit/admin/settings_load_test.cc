#include "admin/settings_load.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/unit/admin/settings_samples.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

LoadedSettings must_load(const std::string& toml) {
  auto loaded = load_settings_text(toml, "pgweir.toml");
  if (!loaded) FAIL(loaded.error().front().text());
  return *loaded;
}

std::vector<std::string> problems(const std::string& toml) {
  const auto loaded = load_settings_text(toml, "pgweir.toml");
  std::vector<std::string> texts;
  if (!loaded) {
    for (const SettingError& error : loaded.error()) texts.push_back(error.text());
  }
  return texts;
}

// The only problem.
std::string problem(const std::string& toml) {
  const auto all = problems(toml);
  REQUIRE_MESSAGE(all.size() == 1, toml);
  return all.front();
}

bool accepts(const Setting& row, const std::string& value) {
  // Room for a min_pool_size beyond the default pool size.
  const bool needs_room = row.name == "min_pool_size";
  const std::string room = needs_room ? "pool.default_pool_size = 10000\n" : "";
  if (needs_room && row.section == "pool") {
    return load_settings_text(sample_toml(row, value) + "default_pool_size = 10000\n", "f").has_value();
  }
  return load_settings_text(room + sample_toml(row, value), "f").has_value();
}

}  // namespace

TEST_CASE("no text at all gives the defaults and one database for every name") {
  const LoadedSettings loaded = must_load("");
  CHECK(loaded.warnings.empty());
  CHECK(loaded.settings.listen.port == 6432);
  REQUIRE(loaded.settings.databases.size() == 1);
  const DatabaseSettings* const any = loaded.settings.find_database("whatever");
  REQUIRE(any != nullptr);
  CHECK(any->name == "*");
  CHECK(any->hosts == std::vector<std::string>{"127.0.0.1"});
}

TEST_CASE("every setting can be set") {
  for (const Setting& row : settings_table()) {
    CAPTURE(full_name(row));
    const LoadedSettings loaded = must_load(sample_toml(row, toml_text(row, another_value(row))));
    CHECK(value_in(row, loaded.settings) == another_value(row));
  }
}

TEST_CASE("bounds are allowed and what is beyond them is not") {
  for (const Setting& row : settings_table()) {
    const bool whole = row.kind == SettingKind::integer || row.kind == SettingKind::file_mode;
    if (!whole && row.kind != SettingKind::duration) continue;
    const auto text = [&](std::int64_t number) {
      return toml_text(row, whole ? SettingValue(number) : SettingValue(Duration(number)));
    };
    CAPTURE(full_name(row));
    CHECK(accepts(row, text(row.least)));
    CHECK(accepts(row, text(row.most)));
    const std::int64_t step = whole ? 1 : Duration(1us).count();
    CHECK_FALSE(accepts(row, row.kind == SettingKind::file_mode ? "\"1000\"" : text(row.most + step)));
    if (row.least > 0) CHECK_FALSE(accepts(row, text(row.least - step)));
    CHECK_FALSE(accepts(row, "-1"));
    CHECK_FALSE(accepts(row, "9223372036854775807"));
  }
}

TEST_CASE("no setting takes a value of another kind") {
  const std::vector<std::pair<std::string, std::vector<SettingKind>>> values{
      {"true", {SettingKind::boolean}},
      {"5", {SettingKind::integer, SettingKind::integers, SettingKind::duration}},
      {"\"0660\"", {SettingKind::file_mode, SettingKind::text, SettingKind::texts, SettingKind::duration}},
      {"1.5", {}},
      {"1979-05-27", {}},
      {"07:32:00", {}},
      {"{ a = 1 }", {}},
      {"[1]", {SettingKind::integers}},
      {"[[\"a\"]]", {}},
      {"[\"\"]", {}},
      {"[\"a\"]", {SettingKind::text_list, SettingKind::texts}}};
  for (const Setting& row : settings_table()) {
    for (const auto& sample : values) {
      const std::string& value = sample.first;
      const std::vector<SettingKind>& kinds = sample.second;
      const bool right = std::find(kinds.begin(), kinds.end(), row.kind) != kinds.end();
      if (right) continue;
      CAPTURE(full_name(row));
      CAPTURE(value);
      const auto all = problems(sample_toml(row, value));
      REQUIRE(all.size() == 1);
      CHECK(all[0].starts_with(row.section.empty() ? "pgweir.toml:1: " : "pgweir.toml:2: "));
      CHECK(all[0].find(full_name(row, sample_entry(row)) + ": found ") != std::string::npos);
      CHECK(all[0].find(", allowed is ") != std::string::npos);
    }
  }
}

TEST_CASE("a problem is told with file, line, what was found and what is allowed") {
  CHECK(problem("\n\n[pool]\ndefault_pool_sise = 5\n") ==
        "pgweir.toml:4: pool.default_pool_sise: no such setting; did you mean default_pool_size?");
  CHECK(problem("[listen]\nport = 70000\n") ==
        "pgweir.toml:2: listen.port: found 70000, allowed is 1 to 65535");
  CHECK(problem("[pool]\nquery_wait_timeout = \"12 parsecs\"\n") ==
        "pgweir.toml:2: pool.query_wait_timeout: found \"12 parsecs\", allowed is a duration such as "
        "\"500ms\", "
        "\"120s\", \"5min\" or 0 for no limit");
  CHECK(problem("[log]\nlevel = \"inof\"\n") ==
        "pgweir.toml:2: log.level: found \"inof\", allowed is \"debug\", \"info\", \"warning\" or \"error\"; "
        "did you "
        "mean \"info\"?");
  CHECK(problem("workers = 0\n") == "pgweir.toml:1: workers: found 0, allowed is 1 to 64 threads");
  CHECK(problem("[log]\nconnections = \"yes\"\n") ==
        "pgweir.toml:2: log.connections: found \"yes\", allowed is true or false");
  CHECK(problem("[databases.\"*\"]\nport = false\n") ==
        "pgweir.toml:2: databases.\"*\".port: found false, allowed is a whole number, or a list of them, "
        "each 1 to 65535");
}

TEST_CASE("unknown names and sections find what was meant") {
  CHECK(problem("[databse.shop]\n") == "pgweir.toml:1: databse: no such section; did you mean databases?");
  CHECK(problem("listen_port = 6432\n") ==
        "pgweir.toml:1: listen_port: no such setting; did you mean listen.port?");
  CHECK(problem("default_pool_size = 20\n") ==
        "pgweir.toml:1: default_pool_size: no such setting; did you mean pool.default_pool_size?");
  CHECK(problem("[auth]\nauth_type = \"trust\"\n") ==
        "pgweir.toml:2: auth.auth_type: no such setting; did you mean auth.type?");
  CHECK(problem("[databases.shop]\nhots = \"a\"\n") ==
        "pgweir.toml:2: databases.shop.hots: no such setting; did you mean host?");
  CHECK(problem("[pool]\nzzz = 1\n") == "pgweir.toml:2: pool.zzz: no such setting");
  CHECK(problem("[zzz]\n") == "pgweir.toml:1: zzz: no such section");
  CHECK(problem("[[zzz]]\n") == "pgweir.toml:1: zzz: no such section");
  CHECK(problem("\"\" = 1\n") == "pgweir.toml:1: \"\": no such setting");
  CHECK(problem("[databases.my.shop]\nhost = \"a\"\n") ==
        "pgweir.toml:1: databases.my.shop: no such setting; a name with a dot needs quotes: "
        "[databases.\"my.shop\"]");
}

TEST_CASE("a value where a section belongs is refused, and the other way round") {
  CHECK(problem("pool = 5\n") == "pgweir.toml:1: pool: found a number, allowed is a section, [pool]");
  CHECK(problem("[[pool]]\n") == "pgweir.toml:1: pool: found a list, allowed is a section, [pool]");
  CHECK(problem("databases = \"a\"\n") ==
        "pgweir.toml:1: databases: found a text, allowed is a section, [databases.NAME]");
  CHECK(problem("[databases]\nhost = \"a\"\n") ==
        "pgweir.toml:2: databases.host: found a text, allowed is a section, [databases.NAME]");
  CHECK(problem("[workers]\n") ==
        "pgweir.toml:1: workers: found a table, allowed is a whole number, 1 to 64 threads");
}

TEST_CASE("every problem is told, in the order of the lines") {
  const auto all = problems("workers = 0\n[pool]\nb = 1\nmin_pool_size = -1\n[listen]\nport = 0\n[a]\n");
  REQUIRE(all.size() == 5);
  CHECK(all[0].starts_with("pgweir.toml:1: workers"));
  CHECK(all[1].starts_with("pgweir.toml:3: pool.b"));
  CHECK(all[2].starts_with("pgweir.toml:4: pool.min_pool_size"));
  CHECK(all[3].starts_with("pgweir.toml:6: listen.port"));
  CHECK(all[4].starts_with("pgweir.toml:7: a: no such section"));

  std::string many;
  for (int i = 0; i < 1000; ++i) many += "key_number_" + std::to_string(i) + " = 1\n";
  const auto some = problems(many);
  CHECK(some.size() == 201);
  CHECK(some.back() == "pgweir.toml: and 800 more problems");
}

TEST_CASE("what is not TOML is told with its line") {
  CHECK(problem("workers = 1\n[pool\n").starts_with("pgweir.toml:2: not TOML: "));
  CHECK(problem("[pool]\nmin_pool_size = 1\nmin_pool_size = 2\n").starts_with("pgweir.toml:3: not TOML: "));
  CHECK(problem("[pool]\n[log]\n[pool]\n").starts_with("pgweir.toml:3: not TOML: "));
  for (const Bytes header : {"[ = 1]", "[[[a]]]", "[[=", "[.a]", "[#", "[", "[[", "["}) {
    CHECK(problem(std::string(header) + "\n").starts_with("pgweir.toml:"));
  }
  CHECK(problem("\xc3\xa9 = 1\n").starts_with("pgweir.toml:1: not TOML"));
  CHECK(problem("workers = \xff\n").starts_with("pgweir.toml:1: not TOML"));
  CHECK(problem("a = [[[[[[[[[[[[1]]]]]]]]]]]]\n").starts_with("pgweir.toml:1: not TOML"));
}

TEST_CASE("text in other scripts is welcome where TOML has it") {
  const auto loaded = must_load(
      "[databases.\"b\xc3\xbc"
      "cher\"] # \xc3\xa9\ndbname = \"\"\"\\\n  \xc3\xa9\"\"\"\n");
  REQUIRE(
      loaded.settings.databases.contains("b\xc3\xbc"
                                         "cher"));
  CHECK(loaded.settings.databases
            .at("b\xc3\xbc"
                "cher")
            .dbname == "\xc3\xa9");
}

TEST_CASE("depth and length are bounded") {
  std::string dots = "a";
  for (int i = 0; i < 100'000; ++i) dots += ".a";
  CHECK(problem("\n" + dots + " = 1\n") == "pgweir.toml:2: more than 128 dots in one line");
  std::string deep = dots.substr(0, 2 * 128 + 1);
  deep = "[" + deep + "]\n" + deep + " = 1\n";
  CHECK(problem(deep) == "pgweir.toml:1: a: no such section");
  CHECK(problems("# " + std::string(500, '.') + "\n").empty());
  CHECK(problem(std::string(longest_settings_file + 1, '\n')) == "pgweir.toml: longer than 16MiB");
}

TEST_CASE("durations are texts with a unit or a number of seconds") {
  CHECK(must_load("shutdown_timeout = 90\n").settings.shutdown_timeout == 90s);
  CHECK(must_load("shutdown_timeout = \"1500ms\"\n").settings.shutdown_timeout == 1500ms);
  CHECK(must_load("shutdown_timeout = 0\n").settings.shutdown_timeout == 0s);
  CHECK(problem("shutdown_timeout = \"366d\"\n") ==
        "pgweir.toml:1: shutdown_timeout: found \"366d\", allowed is 0 to 365d, 0 for no limit");
}

TEST_CASE("a configuration like the documented one loads") {
  const LoadedSettings loaded = must_load(R"(
[listen]
addresses = ["127.0.0.1", "::1"]
unix_socket_dir = "/run/pgweir"
unix_socket_mode = "0660"
[pool]
pool_mode = "transaction"
query_wait_timeout = "120s"
[databases.shop]
host = "10.0.0.5"
pool_size = 30
[databases."*"]
host = "10.0.0.6"
[databases.bare]
[users.alice]
password = "wonder"
[console]
admin_users = ["alice"]
)");
  const Settings& settings = loaded.settings;
  CHECK(loaded.warnings.empty());
  CHECK(settings.listen.unix_socket_mode == 0660);
  CHECK(settings.databases.size() == 3);
  CHECK(settings.find_database("shop")->pool_size == 30);
  CHECK(settings.find_database("other")->hosts == std::vector<std::string>{"10.0.0.6"});
  CHECK(settings.find_database("bare")->hosts == std::vector<std::string>{"127.0.0.1"});
  CHECK(settings.find_database("bare")->name == "bare");
  CHECK(settings.find_user("alice")->password == "wonder");
}

TEST_CASE("settings must fit each other") {
  CHECK(problem("[pool]\nmin_pool_size = 21\n") ==
        "pgweir.toml:2: pool.min_pool_size: found 21, allowed is at most default_pool_size, 20");
  CHECK(problem("[pool]\nautopilot_min_size = 9\nautopilot_max_size = 8\n") ==
        "pgweir.toml:3: pool.autopilot_max_size: found 8, allowed is no less than autopilot_min_size, 9");
  CHECK(problem("[pool]\nautopilot_min_size = 9\n[users.a]\nautopilot_max_size = 8\n")
            .starts_with("pgweir.toml:4: users.a.autopilot_max_size: found 8"));
  CHECK(problem("[databases.a]\npool_size = 3\nmin_pool_size = 4\n") ==
        "pgweir.toml:3: databases.a.min_pool_size: found 4, allowed is at most pool_size, 3");
  CHECK(problem("[databases.a]\nmin_pool_size = 40\n") ==
        "pgweir.toml:2: databases.a.min_pool_size: found 40, allowed is at most pool.default_pool_size, 20");
  CHECK(problem("[pool]\nmin_pool_size = 5\n[databases.a]\npool_size = 3\n") ==
        "pgweir.toml:4: databases.a.pool_size: found 3, allowed is no less than pool.min_pool_size, 5");
  CHECK(problem("[pool]\nmin_pool_size = 5\n[users.a]\npool_size = 3\n") ==
        "pgweir.toml:4: users.a.pool_size: found 3, allowed is no less than pool.min_pool_size, 5");
  CHECK(problem("[listen]\naddresses = []\n").starts_with("pgweir.toml:2: listen.addresses: found none"));
  CHECK(problems("[listen]\naddresses = []\nunix_socket_dir = \"/run\"\n").empty());
  CHECK(problem("[listen]\nunix_socket_dir = \"run\"\n") ==
        "pgweir.toml:2: listen.unix_socket_dir: found \"run\", allowed is an absolute path");
}

TEST_CASE("what will not work as meant is warned about") {
  const auto warnings = [](const std::string& toml) { return must_load(toml).warnings; };
  const std::vector<std::string> expected{
      "pgweir.toml:2: console.admin_users: \"dba\" cannot log in: there is no [users.dba], nor a line of "
      "auth.auth_file"};
  CHECK(warnings("[console]\nadmin_users = [\"dba\"]\n") == expected);
  CHECK(warnings("[console]\nadmin_users = [\"dba\"]\n[users.dba]\n").empty());
  CHECK(warnings("[console]\nstats_users = [\"dba\"]\n").size() == 1);
  CHECK(warnings("[console]\nadmin_users = [\"dba\"]\n[auth]\ntype = \"trust\"\n").empty());
  const std::string md5 = "[users.a]\npassword = \"md5" + std::string(32, 'a') + "\"\n";
  CHECK(warnings(md5).size() == 1);
  CHECK(warnings(md5 + "[auth]\ntype = \"md5\"\n").empty());
  CHECK(warnings("[users.a]\npassword = \"SCRAM-SHA-256$hush\"\n").size() == 1);
}

TEST_CASE("secrets stand in no message") {
  const std::vector<std::string> texts{"[users.a]\npassword = 271828\n",
                                       "[users.a]\npassword = [\"271828\"]\n",
                                       "[users.a]\npassword = \"" + std::string(70000, 'x') + "271828\"\n",
                                       "[users.a]\npassword = \"271828\\u0000\"\n",
                                       "[users.a]\npassword = 99999999999999999999271828\n",
                                       "[users.a]\npassword = \"271828\n",
                                       "[users.a]\npassword = 271828abc\n",
                                       "[users.a]\npasword = 99999999999999999999271828\n",
                                       "[users.a]\npasword = \"271828\"\n",
                                       "[user.a]\npassword = \"271828\"\n",
                                       "password = \"271828\"\n",
                                       "[users]\na = \"271828\"\n",
                                       "[users.a]\npassword = \"SCRAM-SHA-256$271828\"\n"};
  for (const std::string& toml : texts) {
    CAPTURE(toml);
    const auto loaded = load_settings_text(toml, "f");
    std::string all;
    if (loaded) {
      for (const std::string& warning : loaded->warnings) all += warning;
    } else {
      for (const SettingError& error : loaded.error()) all += error.text();
    }
    CHECK_FALSE(all.empty());
    CHECK(all.find("271828") == std::string::npos);
  }
}

TEST_CASE("hostile names and values are printed without control characters") {
  for (const std::string& toml :
       {std::string("\"a\\u001b[2J\\n\" = 1\n"), std::string("[log]\nlevel = \"a\\u001b\\n\"\n"),
        std::string("[databases.\"x\\ny\"]\nport = 0\n"), std::string("[\"x\\ny\"]\n"),
        std::string("[users.\"x\\u001by\"]\nzzz = 0\n"),
        std::string("[console]\nadmin_users = [\"x\\ny\"]\n[listen]\nport=0\n")}) {
    for (const std::string& text : problems(toml)) {
      CAPTURE(toml);
      CHECK(text.find_first_of("\n\x1b") == std::string::npos);
    }
    CHECK_FALSE(problems(toml).empty());
  }
  CHECK(problem("[databases.\"\"]\n") ==
        "pgweir.toml:1: databases.\"\": allowed is a name of 1 to 127 bytes");
  CHECK(problems("[users." + std::string(128, 'u') + "]\n").size() == 1);
  CHECK(problems("[users." + std::string(127, 'u') + "]\n").empty());
}

// ---- files ----

namespace {

class SettingsFile {
 public:
  SettingsFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "settings-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
  }
  ~SettingsFile() { std::filesystem::remove_all(directory_); }
  SettingsFile(const SettingsFile&) = delete;
  SettingsFile& operator=(const SettingsFile&) = delete;

  std::string directory() const { return directory_.string(); }
  std::string path() const { return (directory_ / "pgweir.toml").string(); }
  void write(const std::string& text, mode_t mode) {
    std::ofstream(path()) << text;
    REQUIRE(::chmod(path().c_str(), mode) == 0);
  }

 private:
  std::filesystem::path directory_;
};

}  // namespace

TEST_CASE("a file is loaded, and named in problems") {
  SettingsFile file;
  file.write("[listen]\nport = 1234\n", 0644);
  const auto loaded = load_settings_file(file.path());
  REQUIRE(loaded.has_value());
  CHECK(loaded->settings.listen.port == 1234);
  CHECK(loaded->warnings.empty());

  file.write("[listen]\nport = 0\n", 0644);
  const auto refused = load_settings_file(file.path());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().front().text().starts_with(file.path() + ":2: listen.port: "));
}

TEST_CASE("a file that cannot be read is refused with the reason") {
  SettingsFile file;
  const auto missing = load_settings_file(file.path());
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().front().text() == file.path() + ": cannot be read: No such file or directory");
  const auto directory = load_settings_file(file.directory());
  REQUIRE_FALSE(directory.has_value());
  CHECK(directory.error().front().text() == file.directory() + ": cannot be read: Is a directory");
  file.write(std::string(longest_settings_file + 100, ' '), 0644);
  const auto longer = load_settings_file(file.path());
  REQUIRE_FALSE(longer.has_value());
  CHECK(longer.error().front().problem == "longer than 16MiB");
}

TEST_CASE("a file that holds passwords should not be open to everybody") {
  SettingsFile file;
  const std::string text = "[users.alice]\npassword = \"hush\"\n";
  file.write(text, 0644);
  const auto open = load_settings_file(file.path());
  REQUIRE(open.has_value());
  REQUIRE(open->warnings.size() == 1);
  CHECK(open->warnings[0].find("hush") == std::string::npos);
  file.write(text, 0640);
  CHECK(load_settings_file(file.path())->warnings.empty());
  file.write("[databases.a]\npassword = \"hush\"\n", 0604);
  CHECK(load_settings_file(file.path())->warnings.size() == 1);
  file.write("[users.alice]\n", 0644);
  CHECK(load_settings_file(file.path())->warnings.empty());
}
