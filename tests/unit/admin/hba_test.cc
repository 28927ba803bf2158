#include "admin/hba.h"

#include <doctest/doctest.h>

#include <map>

#include "admin/settings_diff.h"
#include "admin/settings_load.h"

using namespace pgweir;

namespace {

std::vector<HbaRule> rules_of(const std::string& text) {
  auto rules = parse_hba(text);
  if (!rules) FAIL(rules.error().front().text);
  return *rules;
}

// The line of the rule that fits; 0: none.
int line_for(const std::string& text, const HbaClient& client) {
  const auto rules = rules_of(text);
  const HbaRule* const rule = find_hba_rule(rules, client);
  return rule == nullptr ? 0 : rule->line;
}

HbaClient from(const std::string& address, bool encrypted = false) {
  HbaClient client;
  client.address = address;
  client.encrypted = encrypted;
  client.database = "shop";
  client.user = "alice";
  return client;
}

std::string problem_of(const std::string& text) {
  const auto rules = parse_hba(text);
  return rules ? "" : std::to_string(rules.error().front().line) + ": " + rules.error().front().text;
}

}  // namespace

TEST_CASE("hba: the first rule that fits counts, and none may fit") {
  const std::string text =
      "# comment\n"
      "local all all md5\n"
      "hostssl shop alice 10.0.0.0/8 scram-sha-256  # from the office\n"
      "host shop alice,bob 10.1.0.0 255.255.0.0 reject\n"
      "hostnossl \"all\" all all trust\n"
      "host all all ::1/128 md5\n"
      "host other , shop all fe80::/10 md5\n";
  CHECK(line_for(text, from("unix")) == 2);
  CHECK(line_for(text, from("10.1.2.3", true)) == 3);
  CHECK(line_for(text, from("10.1.2.3")) == 4);
  CHECK(line_for(text, from("10.2.2.3")) == 0);
  CHECK(line_for(text, from("11.0.0.1", true)) == 0);
  CHECK(line_for(text, from("::1")) == 6);
  CHECK(line_for(text, from("::2")) == 0);
  CHECK(line_for(text, from("fe80::1%eth0")) == 7);
  HbaClient quoted = from("9.9.9.9");
  quoted.database = "all";  // a name, since it stands in quotes
  CHECK(line_for(text, quoted) == 5);
  CHECK(line_for("", from("10.0.0.1")) == 0);
}

TEST_CASE("hba: databases of special names") {
  HbaClient client = from("10.0.0.1");
  CHECK(line_for("host sameuser all all md5\n", client) == 0);
  client.database = "alice";
  CHECK(line_for("host sameuser all all md5\n", client) == 1);
  client.physical_replication = true;
  CHECK(line_for("host all all all md5\n", client) == 0);
  CHECK(line_for("host replication all all md5\n", client) == 1);
  client.physical_replication = false;
  CHECK(line_for("host replication all all md5\n", client) == 0);

  // Whoever is kept from PgBouncer's console must not get in by pgweir's other name for it.
  HbaClient console = from("10.0.0.1");
  console.console = true;
  console.database = "pgweir";
  CHECK(line_for("host pgbouncer all all reject\nhost all all all md5\n", console) == 1);
}

TEST_CASE("hba: addresses of all shapes") {
  const auto fits = [](const std::string& rule, const std::string& address) {
    return line_for("host all all " + rule + " md5\n", from(address)) == 1;
  };
  CHECK(fits("0.0.0.0/0", "1.2.3.4"));
  CHECK_FALSE(fits("0.0.0.0/0", "::1"));
  CHECK(fits("::/0", "2001:db8::5"));
  CHECK(fits("10.0.0.4/31", "10.0.0.5"));
  CHECK_FALSE(fits("10.0.0.4/31", "10.0.0.6"));
  CHECK(fits("2001:DB8:0:0::/32", "2001:db8:ffff::1"));
  CHECK_FALSE(fits("2001:db8::/33", "2001:db8:ffff::1"));
  CHECK(fits("1:2:3:4:5:6:7:8/128", "1:2:3:4:5:6:7:8"));
  CHECK(fits("::ffff:10.0.0.1/128", "::ffff:a00:1"));
  CHECK(fits("fe80:: ffc0::", "fe80::7"));
  for (const std::string bad : {"10.0.0.1", "10.0.0.1/33", "10.0.0/8", "10.0.0.256/8", "1::2::3/64",
                                "1:2:3:4:5:6:7/64", "12345::/64", "1:2:3:4:5:6:7:8:9/64", "10.0.0.1/",
                                "10.0.0.1/-1", "10.0.0.0 ffff::", "example.com", "samenet", ":/0"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_hba("host all all " + bad + " md5\n").has_value());
  }
}

TEST_CASE("hba: what cannot be kept is an error with its line, never a rule less") {
  CHECK(problem_of("\nhost all +admins all md5\n") == "2: groups (+name) are not supported: name the users");
  CHECK(problem_of("host @file all all md5\n").starts_with("1: names from other files"));
  CHECK(problem_of("host all /^a.*$ all md5\n").starts_with("1: regular expressions"));
  CHECK(problem_of("host samerole all all md5\n").starts_with("1: samerole"));
  CHECK(problem_of("local all all peer\n") ==
        "1: method \"peer\": allowed is trust, reject, md5 or scram-sha-256");
  CHECK(problem_of("hostssl all all all cert map=m\n").starts_with("1: method \"cert\""));
  CHECK(problem_of("hostssl all all all md5 clientcert=verify-full\n").starts_with("1: options behind"));
  CHECK(problem_of("hostgssenc all all all md5\n").starts_with("1: a line begins with"));
  CHECK(problem_of("local all\n").starts_with("1: wanted is"));
  CHECK(problem_of("host all all md5\n").starts_with("1: wanted is"));
  CHECK(problem_of("local \"all all md5\n") == "1: a quote is not closed");
}

namespace {

tl::expected<LoadedSettings, SettingErrors> load(const std::string& toml,
                                                 const std::map<std::string, std::string>& files) {
  return load_settings_text(toml, "/etc/pgweir/pgweir.toml",
                            [&](const std::string& path) -> tl::expected<std::string, std::string> {
                              const auto found = files.find(path);
                              if (found == files.end()) return tl::unexpected<std::string>("cannot be read");
                              return found->second;
                            });
}

}  // namespace

TEST_CASE("settings: users of auth_file, whose passwords count behind those of the configuration") {
  const std::string toml =
      "[auth]\nauth_file = \"userlist.txt\"\n[users.alice]\npassword = \"mine\"\n[users.bob]\npool_size = "
      "3\n";
  const auto loaded = load(toml, {{"/etc/pgweir/userlist.txt",
                                   "; users\n\"alice\" \"theirs\"\n\"bob\" \"it\"\"s\"\n"
                                   "\"carol\" \"md5d3b07384d113edec49eaa6238ad5ff00\"\n"}});
  REQUIRE(loaded);
  CHECK(loaded->settings.users.at("alice").password == "mine");
  CHECK(loaded->settings.users.at("bob").password == "it\"s");
  CHECK(loaded->settings.users.at("bob").pool_size == 3);
  CHECK(loaded->settings.users.at("carol").password.starts_with("md5"));
  CHECK(loaded->secret_files ==
        std::vector<std::string>{"/etc/pgweir/pgweir.toml", "/etc/pgweir/userlist.txt"});
}

TEST_CASE("settings: a bad auth_file is refused with its own name and line, and no secret") {
  const std::string toml = "[auth]\nauth_file = \"/u\"\n";
  auto loaded = load(toml, {{"/u", "\"alice\" \"x\"\n\"bob\" hidden\n"}});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().front().text() == "/u:2: auth.auth_file: this is not \"name\" \"password\"");
  loaded = load(toml, {{"/u", "\"alice\" \"hidden\"\n\"alice\" \"hidden\"\n"}});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().front().text() == "/u:2: auth.auth_file: user \"alice\" stands here twice");
  loaded = load(toml, {});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().front().text() == "/etc/pgweir/pgweir.toml:2: auth.auth_file: /u: cannot be read");
}

TEST_CASE("settings: rules of hba_file, and their changes at a reload") {
  const std::string toml = "[auth]\ntype = \"hba\"\nhba_file = \"/h\"\n";
  const auto old = load(toml, {{"/h", "local all all md5\n"}});
  const auto now = load(toml, {{"/h", "local all all md5\nhost all all 10.0.0.0/8 md5\n"}});
  REQUIRE(old);
  REQUIRE(now);
  const auto changes = difference(old->settings, now->settings);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].name == "rules of auth.hba_file");
  CHECK_FALSE(changes[0].needs_restart);
  const auto bad = load(toml, {{"/h", "local all all md5\nhost all all 10.0.0.0/8 gss\n"}});
  REQUIRE_FALSE(bad);
  CHECK(bad.error().front().text() ==
        "/h:2: auth.hba_file: method \"gss\": allowed is trust, reject, md5 or scram-sha-256");
  const auto none = load("[auth]\ntype = \"hba\"\n", {});
  REQUIRE_FALSE(none);
  CHECK(none.error().front().text().find("needs one") != std::string::npos);
}
