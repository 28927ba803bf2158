#pragma once
// Settings as values. One `Settings` is made by the loader, checked, and from then on immutable: threads
// hold it by shared pointer and get the next one by mail. The rows of the settings table (settings_table.h)
// name, default, bound and document every field that stands here.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "admin/hba.h"
#include "pool/route.h"
#include "pool/state_kind.h"
#include "pool/time.h"

namespace pgweir {

enum class PoolMode : std::uint8_t { transaction, session, statement };
// What is done about state that a client leaves in its session. track: it follows the client from server to
// server where that can be done, else pin; pin: the client keeps its server; refuse: an error; allow:
// nothing.
enum class StatePolicy : std::uint8_t { track, pin, refuse, allow };
// Who changes the sizes of pools by the advice (admin/autopilot.h).
enum class AutopilotMode : std::uint8_t { off, shadow, confirm, automatic };
// Which of several hosts is tried first for a new server: the first of the list, or the next one in turn.
enum class LoadBalanceHosts : std::uint8_t { disable, round_robin };
// What a server must be to be used; libpq's words and meanings.
enum class SessionAttrs : std::uint8_t { any, read_write, read_only, primary, standby, prefer_standby };
// Whether connections are encrypted; libpq's words and meanings.
enum class TlsMode : std::uint8_t { disable, allow, prefer, require, verify_ca, verify_full };
enum class AuthType : std::uint8_t { trust, md5, scram_sha_256, hba };
// The PgBouncer whose columns the SHOW commands have.
enum class ConsoleCompat : std::uint8_t { pgbouncer_1_25 };
enum class LogFormat : std::uint8_t { text, json };
enum class LogLevel : std::uint8_t { debug, info, warning, error };

struct ListenSettings {
  std::vector<std::string> addresses;
  int port = 0;
  std::string unix_socket_dir;  // empty: no Unix socket
  int unix_socket_mode = 0;
  int backlog = 0;
};

// Policies for single kinds of session state; not set: `session_state` of the same section counts.
struct StatePolicies {
  std::optional<StatePolicy> setting, listen, temp_table, hold_cursor, advisory_lock, prepared;

  std::optional<StatePolicy> of(StateKind kind) const {
    switch (kind) {
      case StateKind::setting:
        return setting;
      case StateKind::listen:
        return listen;
      case StateKind::temp_table:
        return temp_table;
      case StateKind::hold_cursor:
        return hold_cursor;
      case StateKind::advisory_lock:
        return advisory_lock;
      case StateKind::prepared:
        return prepared;
    }
    return {};
  }
};

// Limits and times of pools; a database or a user may have its own value of some.
struct PoolSettings {
  PoolMode pool_mode = PoolMode::transaction;
  StatePolicy session_state = StatePolicy::track;
  StatePolicies session_state_of;
  bool late_begin = false;
  int max_prepared_statements = 0;  // of one server; 0: they are not kept track of
  int max_client_prepared_statements = 0;
  int max_client_prepared_memory = 0;  // bytes
  int max_client_channels = 0;         // of LISTEN, that the listening connection serves
  int max_pool_channels = 0;           // the same of all clients of a pool on one worker
  int max_client_notify_memory = 0;    // bytes
  std::string server_reset_query;
  std::string server_check_query;  // "<empty>": an empty query; empty: no check
  Duration server_check_delay{};
  std::vector<std::string> ignore_startup_parameters;
  int default_pool_size = 0;  // servers of one pool, that is of one database and user
  bool size_trials = false;
  int min_pool_size = 0;
  int reserve_pool_size = 0;
  Duration reserve_pool_timeout{};
  AutopilotMode autopilot = AutopilotMode::off;
  int autopilot_min_size = 0;
  int autopilot_max_size = 0;  // 0: twice the size of the file
  Duration autopilot_trial{};
  int max_db_connections = 0;  // 0: no limit, as everywhere below
  int max_user_connections = 0;
  int max_client_conn = 0;
  int max_db_client_connections = 0;
  int max_user_client_connections = 0;
  int max_queue = 0;
  Duration query_wait_timeout{};
  Duration query_wait_notify{};
  Duration query_timeout{};
  Duration transaction_timeout{};
  Duration idle_transaction_timeout{};
  Duration client_idle_timeout{};
  Duration server_idle_timeout{};
  Duration server_lifetime{};
  Duration server_connect_timeout{};
  Duration server_login_retry{};
  Duration client_login_timeout{};
  Duration cancel_wait_timeout{};
};

// One [databases.NAME], or [databases."*"] for every name that has none of its own.
struct DatabaseSettings {
  std::string name;
  std::vector<std::string>
      hosts;               // each a name, an address, or a directory (starts with '/') of Unix sockets
  std::vector<int> ports;  // one for all hosts, or one for each
  LoadBalanceHosts load_balance_hosts = LoadBalanceHosts::round_robin;
  SessionAttrs target_session_attrs = SessionAttrs::any;
  std::string dbname;  // empty: the name that the client asked for
  std::string user;    // empty: the client's user
  std::string password;
  std::optional<int> pool_size, min_pool_size, reserve_pool_size, max_db_connections;
  std::optional<int> max_db_client_connections, max_queue;
  std::optional<Duration> query_wait_timeout, server_lifetime;
  std::optional<Duration> query_timeout, transaction_timeout, idle_transaction_timeout, client_idle_timeout;
  std::optional<PoolMode> pool_mode;
  std::optional<AutopilotMode> autopilot;
  std::optional<int> autopilot_min_size, autopilot_max_size;
  std::optional<StatePolicy> session_state;
  StatePolicies session_state_of;
};

struct UserSettings {
  std::string name;
  std::string password;  // plain, SCRAM-SHA-256$... or md5...; empty: this user cannot log in by password
  std::optional<int> pool_size, reserve_pool_size, max_user_connections;
  std::optional<int> max_user_client_connections, max_queue;
  std::optional<Duration> query_wait_timeout;
  std::optional<Duration> query_timeout, transaction_timeout, idle_transaction_timeout, client_idle_timeout;
  std::optional<PoolMode> pool_mode;
  std::optional<AutopilotMode> autopilot;
  std::optional<int> autopilot_min_size, autopilot_max_size;
  std::optional<StatePolicy> session_state;
  StatePolicies session_state_of;
};

struct AuthSettings {
  AuthType type = AuthType::scram_sha_256;
  std::string auth_file;                // its users stand in Settings::users; empty: none
  std::string hba_file;                 // empty: none
  std::vector<HbaRule> hba;             // what stands in it; counts with type hba only
  bool server_allow_cleartext = false;  // whether a server may ask for a password in clear text
  int scram_iterations = 0;             // for verifiers made from plain passwords
  int server_max_scram_iterations = 0;  // a server that asks for more is refused
};

// TLS of the connections to one side.
struct TlsSettings {
  TlsMode mode = TlsMode::disable;
  std::string key_file, cert_file;
  std::string ca_file;               // whom certificates are trusted from; "system": the system's own
  std::string protocols = "secure";  // see tls_versions.h
  std::string ciphers = "default";   // up to TLS 1.2, in OpenSSL's words
  std::string tls13_ciphers;         // empty: OpenSSL's choice
  std::string ecdhcurve = "auto";    // clients only
};

struct LogSettings {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  bool connections = false, disconnections = false, pooler_errors = false, stats = false;
};

struct ConsoleSettings {
  std::vector<std::string> admin_users, stats_users;
  ConsoleCompat compat = ConsoleCompat::pgbouncer_1_25;
};

struct MetricsSettings {
  std::string address;
  int port = 0;  // 0: no endpoint
};

struct AdviceSettings {
  Duration target_wait{};  // the promise that sizes are chosen for: p99 of the wait for a server
};

struct AlertSettings {
  int pool_utilisation = 0;    // percent; 0: no alert
  int client_utilisation = 0;  // percent
  Duration exhaustion_horizon{}, growth_horizon{};
  Duration hold{};
  std::vector<std::string> command;  // the program and its arguments; none: no hook
  Duration command_timeout{};
};

struct Settings {
  int workers = 1;
  Duration shutdown_timeout{};  // how long a drain may take; 0: for ever
  std::string state_file;       // empty: none
  std::string pidfile, run_as;  // empty: none
  ListenSettings listen;
  PoolSettings pool;
  AuthSettings auth;
  TlsSettings client_tls, server_tls;
  LogSettings log;
  ConsoleSettings console;
  MetricsSettings metrics;
  AdviceSettings advice;
  AlertSettings alerts;
  std::map<std::string, DatabaseSettings> databases;  // by name; "*" is the fallback
  std::map<std::string, UserSettings> users;
  // Sizes that APPLY RECOMMENDATION has set, which count before those of the file. In no file: the state
  // holds them.
  std::map<Route, int> applied_sizes;

  // The database that serves `name`, its own entry before "*"; null if there is none.
  const DatabaseSettings* find_database(const std::string& name) const {
    auto found = databases.find(name);
    if (found == databases.end()) found = databases.find("*");
    return found == databases.end() ? nullptr : &found->second;
  }
  const UserSettings* find_user(const std::string& name) const {
    const auto found = users.find(name);
    return found == users.end() ? nullptr : &found->second;
  }

  // A time that a user and a database may have their own value of: the user's counts first.
  Duration time_of(Duration PoolSettings::*general, std::optional<Duration> DatabaseSettings::*of_database,
                   std::optional<Duration> UserSettings::*of_user, const DatabaseSettings& database,
                   const UserSettings* user) const {
    if (user != nullptr && user->*of_user) return *(user->*of_user);
    return (database.*of_database).value_or(pool.*general);
  }
  // How many clients may be connected to `database`, or as `user`; 0: no limit.
  int clients_of_database(const std::string& database) const {
    const DatabaseSettings* const own = find_database(database);
    return own == nullptr ? 0 : own->max_db_client_connections.value_or(pool.max_db_client_connections);
  }
  int clients_of_user(const std::string& user) const {
    const UserSettings* const own = find_user(user);
    return own == nullptr ? pool.max_user_client_connections
                          : own->max_user_client_connections.value_or(pool.max_user_client_connections);
  }
  // The user's own value, or the database's, or the general one.
  template <class Field>
  Field own_of(Field PoolSettings::*general, std::optional<Field> DatabaseSettings::*of_database,
               std::optional<Field> UserSettings::*of_user, const std::string& database,
               const std::string& user) const {
    const UserSettings* const own = find_user(user);
    if (own != nullptr && own->*of_user) return *(own->*of_user);
    const DatabaseSettings* const its = find_database(database);
    return its == nullptr ? pool.*general : (its->*of_database).value_or(pool.*general);
  }
  // Servers that a pool may have: as the file says, and as it is.
  int configured_size(const std::string& database, const std::string& user) const {
    return own_of(&PoolSettings::default_pool_size, &DatabaseSettings::pool_size, &UserSettings::pool_size,
                  database, user);
  }
  int size_of(const std::string& database, const std::string& user) const {
    const auto applied = applied_sizes.find({database, user});
    return applied == applied_sizes.end() ? configured_size(database, user) : applied->second;
  }
  int reserve_of(const std::string& database, const std::string& user) const {
    return own_of(&PoolSettings::reserve_pool_size, &DatabaseSettings::reserve_pool_size,
                  &UserSettings::reserve_pool_size, database, user);
  }
  PoolMode mode_of(const DatabaseSettings* database, const UserSettings* user) const {
    if (user != nullptr && user->pool_mode) return *user->pool_mode;
    if (database != nullptr && database->pool_mode) return *database->pool_mode;
    return pool.pool_mode;
  }
  StatePolicy policy_of(StateKind kind, const DatabaseSettings* database, const UserSettings* user) const {
    const auto own = [kind](const auto* section) -> std::optional<StatePolicy> {
      if (section == nullptr) return {};
      const std::optional<StatePolicy> special = section->session_state_of.of(kind);
      return special ? special : section->session_state;
    };
    if (const auto policy = own(user)) return *policy;
    if (const auto policy = own(database)) return *policy;
    return pool.session_state_of.of(kind).value_or(pool.session_state);
  }
};

}  // namespace pgweir
