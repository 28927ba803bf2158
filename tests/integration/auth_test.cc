// Logins: clients to pgweir, pgweir to PostgreSQL.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

constexpr std::array server_users{"trust_user", "md5_user", "scram_user"};

std::string user_section(const std::string& user, const std::string& password) {
  return "[users." + user + "]\npassword = '" + password + "'\n";
}

PgweirSetup with_users(const std::string& auth_type, const std::string& password = "secret") {
  PgweirSetup setup(shared_postgres());
  setup.auth_type = auth_type;
  setup.pool = "server_login_retry = \"100ms\"\nquery_wait_timeout = \"10s\"\n";
  for (const std::string user : {"trust_user", "md5_user", "scram_user", "clear_user"}) {
    setup.more += user_section(user, password);
  }
  return setup;
}

std::string login_error(const PgweirProcess& pgweir, const std::string& more) {
  PgConnection client(pgweir.conninfo(more));
  return client.try_connect() ? "" : client.error();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace

TEST_CASE("every way in meets every way on") {
  for (const std::string auth_type : {"trust", "md5", "scram-sha-256"}) {
    const PgweirProcess pgweir(with_users(auth_type));
    for (const std::string user : server_users) {
      CAPTURE(auth_type);
      CAPTURE(user);
      PgConnection client(pgweir.conninfo("password=secret user=" + user));
      const bool connected = client.try_connect();
      INFO(client.error());
      REQUIRE(connected);
      CHECK(client.value("select current_user") == user);
    }
  }
}

TEST_CASE("a password goes to a server in clear text only when that is allowed") {
  {
    const PgweirProcess pgweir(with_users("scram-sha-256"));
    const std::string error = login_error(pgweir, "user=clear_user password=secret");
    CHECK(error.find("FATAL") != std::string::npos);
  }
  PgweirSetup setup = with_users("scram-sha-256");
  setup.auth = "server_allow_cleartext = true\n";
  const PgweirProcess pgweir(setup);
  CHECK(pgweir.connect("user=clear_user password=secret").value("select current_user") == "clear_user");
}

TEST_CASE("a wrong password and an unknown user fail in the same way") {
  for (const std::string auth_type : {"md5", "scram-sha-256"}) {
    CAPTURE(auth_type);
    const PgweirProcess pgweir(with_users(auth_type));
    const std::string wrong = login_error(pgweir, "user=scram_user password=wrong");
    const std::string unknown = login_error(pgweir, "user=nobody_here password=wrong");
    CHECK(wrong.find("password authentication failed for user \"scram_user\"") != std::string::npos);
    CHECK(wrong == replaced(unknown, "nobody_here", "scram_user"));
    CHECK_FALSE(pgweir.log_contains("secret"));
  }
}

TEST_CASE("the server's own refusal reaches the client") {
  const PgweirProcess pgweir(with_users("trust", "not the password of the server"));
  for (const std::string user : {"md5_user", "scram_user"}) {
    const std::optional<LoginError> error = try_login(pgweir.port(), user, "postgres");
    REQUIRE(error);
    CHECK(error->severity == "FATAL");
    CHECK(error->sqlstate == "28P01");
    CHECK(error->message.find(user) != std::string::npos);
  }
  const std::optional<LoginError> no_database = try_login(pgweir.port(), "postgres", "not_yet_there");
  REQUIRE(no_database);
  CHECK(no_database->sqlstate == "3D000");

  shared_postgres().run("create database not_yet_there");
  CHECK(eventually([&] { return !try_login(pgweir.port(), "postgres", "not_yet_there"); }));
}

TEST_CASE("passwords of any length work") {
  const Postgres& postgres = shared_postgres();
  for (const std::size_t size : {1u, 1023u, 1024u, 4096u}) {
    CAPTURE(size);
    const std::string password(size, 'p');
    const std::string name = "long_" + std::to_string(size);
    postgres.run("set password_encryption = 'scram-sha-256'; create role " + name + " login password '" +
                 password + "'");
    for (const std::string auth_type : {"md5", "scram-sha-256"}) {
      PgweirSetup setup(postgres);
      setup.auth_type = auth_type;
      setup.more = user_section(name, password);
      const PgweirProcess pgweir(setup);
      CHECK(pgweir.connect("user=" + name + " password=" + password).value("select current_user") == name);
      CHECK(login_error(pgweir, "user=" + name + " password=" + password + "x") != "");
    }
  }
}

TEST_CASE("with the server's verifier in the configuration, the client's proof opens the server too") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  setup.auth_type = "scram-sha-256";
  setup.more = user_section("scram_user",
                            postgres.value("select rolpassword from pg_authid where rolname = 'scram_user'"));
  const PgweirProcess pgweir(setup);
  CHECK(login_error(pgweir, "user=scram_user password=wrong") != "");
  for (int i = 0; i < 5; ++i) {
    CHECK(pgweir.connect("user=scram_user password=secret").value("select current_user") == "scram_user");
  }
}

TEST_CASE("an md5 hash in the configuration serves the client and the server") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  setup.auth_type = "md5";
  setup.more = user_section("md5_user",
                            postgres.value("select rolpassword from pg_authid where rolname = 'md5_user'"));
  const PgweirProcess pgweir(setup);
  CHECK(pgweir.connect("user=md5_user password=secret").value("select current_user") == "md5_user");
  CHECK(login_error(pgweir, "user=md5_user password=wrong") != "");
}

TEST_CASE("a database may log in as another user") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  setup.more = "[databases.alias]\n" + setup.any_database +
               "dbname = \"postgres\"\nuser = \"scram_user\"\npassword = \"secret\"\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect("dbname=alias user=whoever");
  CHECK(client.value("select current_user || '@' || current_database()") == "scram_user@postgres");
}

TEST_CASE("a client that never logs in is thrown out") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "client_login_timeout = \"300ms\"\n";
  const PgweirProcess pgweir(setup);
  WireClient silent(pgweir.port());
  WireMessage last = silent.read();
  while (!last.closed()) last = silent.read();
  CHECK(last.closed());
}

TEST_CASE("the password of [databases] goes to the server before that of [users]") {
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  const std::string database = setup.any_database + "dbname = \"postgres\"\n";
  setup.more = "[databases.with_password]\n" + database + "password = \"secret\"\n" +
               "[databases.with_both]\n" + database + "user = \"scram_user\"\npassword = \"secret\"\n" +
               "[databases.with_none]\n" + database +
               "[users.scram_user]\npassword = \"of another server\"\n"
               "[users.md5_user]\npassword = \"secret\"\n";
  const PgweirProcess pgweir(setup);
  const std::string who = "select current_user";
  CHECK(pgweir.connect("dbname=with_password user=scram_user").value(who) == "scram_user");
  CHECK(pgweir.connect("dbname=with_both user=scram_user").value(who) == "scram_user");
  CHECK(pgweir.connect("dbname=with_both user=md5_user").value(who) == "scram_user");
  CHECK(pgweir.connect("dbname=with_none user=md5_user").value(who) == "md5_user");
  CHECK(login_error(pgweir, "dbname=with_none user=scram_user") != "");
}
