// Who may log in is said by a file of rules and a file of users, as with PgBouncer.

#include <doctest/doctest.h>

#include "tests/integration/servers.h"
#include "tests/support/temp_dir.h"

using namespace pgweir;

namespace {

std::string refused(const PgweirProcess& pgweir, const std::string& more) {
  PgConnection client(pgweir.conninfo(more));
  return client.try_connect() ? "connected" : client.error();
}

PgweirSetup with_rules(const TempDir& dir) {
  PgweirSetup setup(shared_postgres());
  setup.auth_type = "hba";
  setup.auth = "hba_file = '" + (dir / "hba") + "'\nauth_file = '" + (dir / "users") + "'\n";
  return setup;
}

constexpr auto console_rule = "host pgbouncer dba,monitor 127.0.0.1/32 scram-sha-256\n";

}  // namespace

TEST_CASE("rules and users of files decide about logins, and a reload takes both anew or keeps the old") {
  const TempDir dir;
  write_file(dir / "users", "\"scram_user\" \"secret\"\n");
  write_file(dir / "hba", std::string(console_rule) +
                              "host all trust_user 127.0.0.1/32 trust\n"
                              "host postgres scram_user 127.0.0.1 255.255.255.255 scram-sha-256\n"
                              "host all md5_user 0.0.0.0/0 reject\n");
  PgweirProcess pgweir(with_rules(dir));

  CHECK(pgweir.connect("user=trust_user").value("select current_user") == "trust_user");
  CHECK(pgweir.connect("user=scram_user password=secret").value("select current_user") == "scram_user");
  CHECK(refused(pgweir, "user=scram_user password=wrong").find("password authentication failed") !=
        std::string::npos);
  CHECK(refused(pgweir, "user=md5_user password=secret")
            .find("an entry of hba_file rejects connections for host \"127.0.0.1\", user \"md5_user\"") !=
        std::string::npos);
  CHECK(refused(pgweir, "user=scram_user password=secret dbname=other")
            .find("no entry of hba_file for host \"127.0.0.1\", user \"scram_user\", database \"other\", "
                  "no encryption") != std::string::npos);
  // The console has two names, and the rule for one is the rule for the other.
  CHECK(refused(pgweir, "user=scram_user password=secret dbname=pgweir").find("no entry of hba_file") !=
        std::string::npos);

  write_file(dir / "users", "\"scram_user\" \"secret\"\n\"md5_user\" \"secret\"\n");
  write_file(dir / "hba", std::string(console_rule) + "host all md5_user all md5\n");
  pgweir.console_exec("RELOAD");
  CHECK(pgweir.connect("user=md5_user password=secret").value("select current_user") == "md5_user");
  CHECK(refused(pgweir, "user=trust_user").find("no entry of hba_file") != std::string::npos);

  write_file(dir / "hba", std::string(console_rule) + "host all all all trust\nhost all +staff all trust\n");
  PgConnection console = pgweir.console();
  const PgResult answer = console.exec("RELOAD");
  CHECK(answer.message().find("hba:3: auth.hba_file: groups") != std::string::npos);
  CHECK(refused(pgweir, "user=trust_user").find("no entry of hba_file") != std::string::npos);
}
