#include "admin/import/import.h"

#include <doctest/doctest.h>

#include <map>

#include "admin/no_equivalent.h"
#include "admin/settings_load.h"
#include "admin/settings_table.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

using Files = std::map<std::string, std::string>;

Imported imported_from(Files files) {
  const auto result =
      import_pgbouncer("/etc/p.ini", [&](const std::string& path) -> std::optional<std::string> {
        const auto found = files.find(path);
        return found == files.end() ? std::nullopt : std::optional(found->second);
      });
  REQUIRE(result);
  return *result;
}

Settings settings_of(const Imported& imported) {
  CAPTURE(imported.toml);
  const auto loaded = load_settings_text(imported.toml, "imported.toml");
  if (!loaded) {
    for (const SettingError& error : loaded.error()) FAIL_CHECK(error.text());
  }
  REQUIRE(loaded);
  return loaded->settings;
}

bool noted(const Imported& imported, const std::string& words) {
  for (const std::string& note : imported.notes) {
    if (note.find(words) != std::string::npos) return true;
  }
  return false;
}

// All of PgBouncer 1.25's manual.
constexpr std::array general_settings{
    "logfile",
    "pidfile",
    "listen_addr",
    "listen_port",
    "unix_socket_dir",
    "unix_socket_mode",
    "unix_socket_group",
    "user",
    "pool_mode",
    "max_client_conn",
    "default_pool_size",
    "min_pool_size",
    "reserve_pool_size",
    "reserve_pool_timeout",
    "max_db_connections",
    "max_db_client_connections",
    "max_user_connections",
    "max_user_client_connections",
    "server_round_robin",
    "track_extra_parameters",
    "ignore_startup_parameters",
    "peer_id",
    "disable_pqexec",
    "application_name_add_host",
    "conffile",
    "service_name",
    "job_name",
    "stats_period",
    "max_prepared_statements",
    "scram_iterations",
    "auth_type",
    "auth_hba_file",
    "auth_ident_file",
    "auth_ldap_options",
    "auth_user",
    "auth_query",
    "auth_dbname",
    "syslog",
    "syslog_ident",
    "syslog_facility",
    "log_connections",
    "log_disconnections",
    "log_pooler_errors",
    "log_stats",
    "verbose",
    "admin_users",
    "stats_users",
    "server_reset_query",
    "server_reset_query_always",
    "server_check_delay",
    "server_check_query",
    "server_fast_close",
    "server_lifetime",
    "server_idle_timeout",
    "server_connect_timeout",
    "server_login_retry",
    "client_login_timeout",
    "autodb_idle_timeout",
    "dns_max_ttl",
    "dns_nxdomain_ttl",
    "dns_zone_check_period",
    "resolv_conf",
    "client_tls_sslmode",
    "client_tls_key_file",
    "client_tls_cert_file",
    "client_tls_ca_file",
    "client_tls_protocols",
    "client_tls_ciphers",
    "client_tls13_ciphers",
    "client_tls_ecdhcurve",
    "client_tls_dheparams",
    "server_tls_sslmode",
    "server_tls_ca_file",
    "server_tls_key_file",
    "server_tls_cert_file",
    "server_tls_protocols",
    "server_tls_ciphers",
    "server_tls13_ciphers",
    "query_timeout",
    "query_wait_timeout",
    "query_wait_notify",
    "cancel_wait_timeout",
    "client_idle_timeout",
    "idle_transaction_timeout",
    "transaction_timeout",
    "suspend_timeout",
    "pkt_buf",
    "max_packet_size",
    "listen_backlog",
    "sbuf_loopcnt",
    "so_reuseport",
    "tcp_defer_accept",
    "tcp_socket_buffer",
    "tcp_keepalive",
    "tcp_keepcnt",
    "tcp_keepidle",
    "tcp_keepintvl",
    "tcp_user_timeout",
};
constexpr std::array database_settings{
    "dbname",
    "host",
    "port",
    "user",
    "password",
    "auth_user",
    "auth_query",
    "auth_dbname",
    "pool_size",
    "min_pool_size",
    "reserve_pool",
    "reserve_pool_size",
    "connect_query",
    "pool_mode",
    "max_db_connections",
    "max_db_client_connections",
    "server_lifetime",
    "load_balance_hosts",
    "client_encoding",
    "datestyle",
    "timezone",
    "query_wait_timeout",
};
constexpr std::array user_settings{
    "pool_size",           "reserve_pool_size",           "pool_mode",           "max_user_connections",
    "query_timeout",       "idle_transaction_timeout",    "transaction_timeout", "query_wait_timeout",
    "client_idle_timeout", "max_user_client_connections",
};

bool has_no_equivalent(Bytes name) {
  for (const NoEquivalent& it : no_equivalents) {
    if (it.name == name) return true;
  }
  return false;
}

bool general_row(Bytes name) {
  for (const Setting& row : settings_table()) {
    if (!row.per_database() && !row.per_user() && row.show_name() == name) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("import: each setting of PgBouncer is carried over or named, and not both") {
  for (const Bytes name : general_settings) {
    CAPTURE(name);
    CHECK(general_row(name) != has_no_equivalent(name));
  }
  for (const Bytes name : database_settings) {
    CAPTURE(name);
    const Bytes own = name == "reserve_pool" ? Bytes("reserve_pool_size") : name;
    CHECK((find_setting("databases", own) != nullptr || has_no_equivalent(own)));
  }
  for (const Bytes name : user_settings) {
    CAPTURE(name);
    CHECK(find_setting("users", name) != nullptr);
  }
}

TEST_CASE("import: what has no equivalent is named with its line and loads nonetheless") {
  std::string ini = "[pgbouncer]\n";
  for (const Bytes name : general_settings) {
    if (has_no_equivalent(name)) ini += std::string(name) + " = 1\n";
  }
  const Imported imported = imported_from({{"/etc/p.ini", ini}});
  settings_of(imported);
  for (const Bytes name : general_settings) {
    CAPTURE(name);
    if (has_no_equivalent(name)) CHECK(noted(imported, ": " + std::string(name) + ": "));
  }
  CHECK(imported.notes.front().starts_with("/etc/p.ini:2: "));
  for (const std::string& note : imported.notes) CHECK(imported.toml.find(note) != std::string::npos);
}

TEST_CASE("import: a file of every day") {
  const std::string key = std::string(43, 'A') + "=";
  const Imported imported = imported_from({
      {"/etc/p.ini",
       "; comment\n[databases]\n"
       "shop = host=10.0.0.5,10.0.0.6 port=5433 dbname=shop_db pool_size=30 reserve_pool=3\n"
       "forced = host=db user=service connect_query='select ''x'''\n"
       "* = host=fallback\n"
       "[users]\nalice = pool_mode=session max_user_connections=9\n"
       "[pgbouncer]\nlisten_addr = 127.0.0.1, ::1\nlisten_port=7000\nauth_file = userlist.txt\n"
       "auth_type = scram-sha-256\npool_mode = transaction\nquery_timeout = 1.5\n"
       "log_connections = 0\nunix_socket_mode = 0700\nadmin_users = root, dba\n"
       "client_tls_sslmode = disable\nserver_tls_sslmode = verify-full\nserver_tls_ca_file = /ca\n"
       "%include more.ini\n"},
      {"/ca", "certificate"},
      {"/etc/more.ini", "# more\ndefault_pool_size = 7\n"},
      {"/etc/userlist.txt",
       "\"alice\" \"it\"\"s\"\n\"service\" \"hidden\"\n\"bob\" "
       "\"SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$" +
           key + ":" + key +
           "\"\n"
           "broken\n"},
  });
  const Settings settings = settings_of(imported);
  const DatabaseSettings& shop = settings.databases.at("shop");
  CHECK(shop.hosts == std::vector<std::string>{"10.0.0.5", "10.0.0.6"});
  CHECK(shop.ports == std::vector<int>{5433});
  CHECK(shop.dbname == "shop_db");
  CHECK(shop.pool_size == 30);
  CHECK(shop.reserve_pool_size == 3);
  CHECK(settings.databases.at("forced").password == "hidden");
  CHECK(settings.databases.at("*").hosts == std::vector<std::string>{"fallback"});
  CHECK(settings.users.at("alice").password == "it\"s");
  CHECK(settings.users.at("alice").pool_mode == PoolMode::session);
  CHECK(settings.users.at("alice").max_user_connections == 9);
  CHECK(settings.users.contains("bob"));
  CHECK(settings.listen.addresses == std::vector<std::string>{"127.0.0.1", "::1"});
  CHECK(settings.listen.port == 7000);
  CHECK(settings.listen.unix_socket_mode == 0700);
  CHECK(settings.listen.unix_socket_dir == "/tmp");  // PgBouncer's default
  CHECK(settings.auth.type == AuthType::scram_sha_256);
  CHECK(settings.pool.pool_mode == PoolMode::transaction);
  CHECK(settings.pool.query_timeout == 1500ms);
  CHECK(settings.pool.default_pool_size == 7);
  CHECK(settings.pool.max_client_conn == 100);  // PgBouncer's default
  CHECK_FALSE(settings.log.connections);
  CHECK(settings.console.admin_users == std::vector<std::string>{"root", "dba"});
  CHECK(settings.server_tls.mode == TlsMode::verify_full);
  CHECK(noted(imported, "/etc/p.ini:4: connect_query: "));
  CHECK(noted(imported, "/etc/userlist.txt:4: a user: "));
  CHECK(imported.notes.size() == 2);
  for (const std::string& note : imported.notes) CHECK(note.find("hidden") == std::string::npos);
}

TEST_CASE("import: an empty file is PgBouncer's defaults") {
  const Imported imported = imported_from({{"/etc/p.ini", "[pgbouncer]\n"}});
  const Settings settings = settings_of(imported);
  CHECK(settings.pool.pool_mode == PoolMode::session);
  CHECK(settings.auth.type == AuthType::md5);
  CHECK(settings.listen.addresses.empty());
  CHECK(settings.listen.backlog == 128);
}

TEST_CASE("import: values that cannot be said, and lines that are none, are named and left out") {
  const Imported imported =
      imported_from({{"/etc/p.ini",
                      "junk\n[pgbouncer]\nlisten_port = many\ndefault_pool_size = 0\n"
                      "pool_mode = nonsense\nauth_type = pam\nnothing_known = 1\n%include gone\n"
                      "auth_file = gone.txt\n[databases]\nbad = host\n\"odd \"\" name\" = host=h\n"
                      "[users]\nx = auth_query=1\n[other]\na = b\n"}});
  const Settings settings = settings_of(imported);
  CHECK(settings.listen.port == 6432);
  CHECK(settings.auth.type == AuthType::md5);
  CHECK(settings.databases.at("odd \" name").hosts == std::vector<std::string>{"h"});
  for (const char* words :
       {"p.ini:1: this is neither", "p.ini:3: listen_port: \"many\"", "p.ini:4: default_pool_size: \"0\"",
        "p.ini:5: pool_mode: \"nonsense\"", "p.ini:6: auth_type: pam", "p.ini:7: nothing_known: this is no",
        "p.ini:8: cannot read the included file gone", "p.ini:9: auth_file: cannot read gone.txt",
        "p.ini:11: bad: this is not", "p.ini:14: auth_query: ", "p.ini:16: a: there is no section [other]"}) {
    CAPTURE(words);
    CHECK(noted(imported, words));
  }
}

TEST_CASE("import: files that include each other end") {
  const Imported imported =
      imported_from({{"/etc/p.ini", "%include /etc/p.ini\n[pgbouncer]\nlisten_port = 6432\n"}});
  CHECK(noted(imported, "include each other too deeply"));
}

TEST_CASE("import: what stands in the file cannot get out of its comment or its text") {
  const Imported imported =
      imported_from({{"/etc/p.ini", "[databases]\n\"x\"\"]\n\" = host=h\nd = host='a\"b\\c'\n"}});
  CHECK(settings_of(imported).databases.at("d").hosts == std::vector<std::string>{"a\"b\\c"});
}

TEST_CASE("import: a file that cannot be read is an error") {
  CHECK_FALSE(import_pgbouncer("/gone", [](const std::string&) { return std::optional<std::string>(); }));
}

TEST_CASE("import: HBA rules stay rules, and what cannot be kept is named") {
  const std::string ini = "[pgbouncer]\nauth_type = hba\nauth_hba_file = hba.conf\n";
  Imported imported =
      imported_from({{"/etc/p.ini", ini}, {"/etc/hba.conf", "hostssl all all 10.0.0.0/8 md5\n"}});
  Settings settings = settings_of(imported);
  CHECK(settings.auth.type == AuthType::hba);
  CHECK(settings.auth.hba_file == "/etc/hba.conf");
  CHECK_FALSE(noted(imported, "hba"));

  imported = imported_from({{"/etc/p.ini", ini}, {"/etc/hba.conf", "\nlocal all all peer\n"}});
  CHECK(settings_of(imported).auth.type == AuthType::hba);
  CHECK(noted(imported, "/etc/hba.conf:2: auth_hba_file: method \"peer\""));

  imported = imported_from({{"/etc/p.ini", ini}});
  CHECK(settings_of(imported).auth.type == AuthType::hba);
  CHECK(noted(imported, "auth_hba_file: cannot read hba.conf"));

  imported = imported_from({{"/etc/p.ini", "[pgbouncer]\nauth_type = hba\n"}});
  CHECK(noted(imported, "auth_type = hba: there is no auth_hba_file"));
}

TEST_CASE("import: files of TLS are found beside the file, and one that is missing is named") {
  const std::string ini =
      "[pgbouncer]\nclient_tls_sslmode = prefer\nclient_tls_key_file = srv.key\n"
      "client_tls_cert_file = /tls/srv.crt\nserver_tls_ca_file = ca.crt\n";
  const Imported imported =
      imported_from({{"/etc/p.ini", ini}, {"/etc/srv.key", "key"}, {"/tls/srv.crt", "certificate"}});
  CHECK(imported.toml.find("key_file = \"/etc/srv.key\"") != std::string::npos);
  CHECK(imported.toml.find("cert_file = \"/tls/srv.crt\"") != std::string::npos);
  CHECK(noted(imported, "/etc/p.ini:5: server_tls_ca_file: cannot read ca.crt"));
  CHECK_FALSE(noted(imported, "srv."));
}
