// A configuration of PgBouncer, with databases, users and TLS, is imported and serves.

#include <doctest/doctest.h>

#include "tests/integration/servers.h"
#include "tests/support/certificates.h"
#include "tests/support/eventually.h"
#include "tests/support/free_port.h"
#include "tests/support/temp_dir.h"

using namespace pgweir;

TEST_CASE("a configuration of PgBouncer is imported, found right, and serves") {
  const Postgres& postgres = shared_postgres();
  const TempDir dir;
  const Authority authority("test");
  const Certificate own = authority.issue({.common_name = "localhost", .names = {"DNS:localhost"}});
  write_file(dir / "key.pem", own.key);
  write_file(dir / "cert.pem", own.certificate);
  write_file(dir / "userlist.txt", "\"scram_user\" \"secret\"\n\"dba\" \"dba\"\n");
  write_file(dir / "hba.conf",
             "hostssl pgbouncer dba 127.0.0.1/32 md5\nhostssl other scram_user 127.0.0.1/32 scram-sha-256\n"
             "host all all 0.0.0.0/0 reject\n");
  const int port = free_port();
  write_file(dir / "databases.ini", "[databases]\nother = host=127.0.0.1 port=" +
                                        std::to_string(postgres.port()) + " dbname=postgres pool_size=2\n");
  write_file(dir / "pgbouncer.ini",
             "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " + std::to_string(port) +
                 "\nunix_socket_dir =\nauth_type = hba\nauth_hba_file = hba.conf\n"
                 "auth_file = userlist.txt\nadmin_users = dba\npool_mode = transaction\n"
                 "client_tls_sslmode = require\nclient_tls_key_file = " +
                 (dir / "key.pem") + "\nclient_tls_cert_file = " + (dir / "cert.pem") +
                 "\nmax_client_conn = 50\n%include databases.ini\n");
  const std::string toml = dir / "pgweir.toml", notes = dir / "notes";
  run_program({"/bin/sh", "-c", "umask 077; \"$0\" --import \"$1\" > \"$2\" 2> \"$3\"", pgweir_binary(),
               dir / "pgbouncer.ini", toml, notes});
  CHECK(read_file(notes).empty());
  CHECK(run_program({pgweir_binary(), "--config", toml, "--check-config"}).find(": ok") != std::string::npos);

  const ChildProcess process({pgweir_binary(), "--config", toml},
                             {.user = {}, .output_file = dir / "log", .environment = {}});
  const std::string where = "host=127.0.0.1 port=" + std::to_string(port) + " user=scram_user dbname=other ";
  REQUIRE(eventually([&] { return PgConnection(where + "password=secret sslmode=require").try_connect(); }));
  PgConnection client = PgConnection::open(where + "password=secret sslmode=require");
  CHECK(client.value("select current_user") == "scram_user");
  CHECK_FALSE(PgConnection(where + "password=wrong sslmode=require").try_connect());
  CHECK_FALSE(PgConnection(where + "password=secret sslmode=disable").try_connect());
  PgConnection other_database(where + "dbname=postgres password=secret sslmode=require");
  CHECK_FALSE(other_database.try_connect());
  CHECK(other_database.error().find("an entry of hba_file rejects") != std::string::npos);
  PgConnection console = PgConnection::open(where + "user=dba dbname=pgbouncer password=dba sslmode=require");
  const PgResult config = console.must("SHOW CONFIG");
  for (int row = 0; row < config.rows(); ++row) {
    if (config.value(row, "key") == "max_client_conn") CHECK(config.value(row, "value") == "50");
  }
}
