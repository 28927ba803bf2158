#include "proxy/conninfo.h"

#include <doctest/doctest.h>

#include "admin/settings_load.h"
#include "proxy/start_settings.h"

namespace pgweir {
namespace {

TEST_CASE("a connection string is read as libpq reads it") {
  const auto info = parse_conninfo(R"( host = '/tmp/a b' port=6000
      user=a\ b password='it\'s \\ safe' dbname='')");
  REQUIRE(info);
  CHECK(info->host == "/tmp/a b");
  CHECK(info->port == 6000);
  CHECK(info->user == "a b");
  CHECK(info->password == "it's \\ safe");
  CHECK(info->dbname.empty());
  CHECK(parse_conninfo("")->host.empty());
  CHECK(parse_conninfo("host=")->host.empty());
}

TEST_CASE("what is wrong in a connection string is named, with what is allowed") {
  const auto error = [](Bytes text) { return parse_conninfo(text).error(); };
  CHECK(error("hots=x") == "unknown keyword \"hots\": host, port, dbname, user and password are allowed");
  CHECK(error("port=65536") == "\"port\" is \"65536\": a number from 1 to 65535 is allowed");
  CHECK(error("port=1x") == "\"port\" is \"1x\": a number from 1 to 65535 is allowed");
  CHECK(error("host") == "no \"=\" after \"host\"");
  CHECK(error("password='secret").find("secret") == std::string::npos);
  CHECK(error("host=a,b") == "\"host\" names several servers: one is allowed");
  CHECK(error("postgresql://host") == "a URI is not read: write 'host=... port=...'");
}

TEST_CASE("without a configuration one server stands behind all databases, on loopback only") {
  const Conninfo server{.host = "/tmp/\"x\"\n", .port = 6000, .dbname = "", .user = "u", .password = "a\\b"};
  const auto loaded = load_settings_text(plain_config(server, {"postgres", "me"}), "test");
  REQUIRE_MESSAGE(loaded, (loaded ? "" : loaded.error().front().text()));
  const Settings& settings = loaded->settings;
  CHECK(settings.auth.type == AuthType::trust);
  CHECK(settings.listen.addresses == std::vector<std::string>{"127.0.0.1"});
  CHECK(settings.listen.unix_socket_dir.empty());
  CHECK(settings.console.admin_users == std::vector<std::string>{"postgres", "me"});
  const DatabaseSettings* const any = settings.find_database("anything");
  REQUIRE(any != nullptr);
  CHECK(any->hosts == std::vector<std::string>{server.host});
  CHECK(any->ports == std::vector<int>{6000});
  CHECK(any->user == "u");
  CHECK(any->password == "a\\b");
  CHECK(any->dbname.empty());
}

}  // namespace
}  // namespace pgweir
