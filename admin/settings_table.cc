#include "admin/settings_table.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "protocol/secrets.h"

namespace pgweir {
namespace {

using namespace std::chrono_literals;
using std::int64_t;
using Texts = std::vector<std::string>;

constexpr auto restart = TakesEffect::restart;

// Bounds.
constexpr int64_t most_servers = 10'000;         // of one pool
constexpr int64_t most_connections = 1'000'000;  // of one process
constexpr int64_t longest = Duration(24h * 365).count();
constexpr int64_t longest_text = 65535;  // what a password message may hold (PG_MAX_AUTH_TOKEN_LENGTH)
// sockaddr_un has 108 bytes, of which "/.s.PGSQL.65535" and the final zero take 16.
constexpr int64_t longest_socket_dir = 92;
constexpr int64_t longest_path = 4000;  // PATH_MAX is 4096, and the file is written anew under a longer name
constexpr int64_t longest_user = 255;   // LOGIN_NAME_MAX without its final zero
constexpr int64_t longest_host = 255;   // of the domain name system (RFC 1035)
// No iteration count below the one of RFC 7677: some drivers refuse it.
constexpr int64_t least_iterations = 4096;

constexpr std::array sections{
    SettingsSection{"", "", "The process."},
    SettingsSection{"listen", "", "Where clients connect."},
    SettingsSection{
        "pool", "",
        "Limits and times of the pools. A pool holds the servers of one database and user. Names and "
        "meanings are PgBouncer's."},
    SettingsSection{
        "databases", "shop",
        "One section for each database that clients may ask for, [databases.NAME]. [databases.\"*\"] "
        "serves every name that has no section of its own. Without any such section every name goes to "
        "the default host and port. What is set here counts before [pool]."},
    SettingsSection{"users", "alice",
                    "One section for each user who may log in, [users.NAME]. What is set here counts before "
                    "[databases.NAME] and [pool]."},
    SettingsSection{"auth", "", "How clients prove who they are, and what servers may ask of pgweir."},
    SettingsSection{"client_tls", "", "Encryption of the connections that clients make."},
    SettingsSection{"server_tls", "", "Encryption of the connections to servers."},
    SettingsSection{"log", "", "What is logged, to the standard error."},
    SettingsSection{"console", "",
                    "Who may connect to the database pgweir (also named pgbouncer), the console."},
    SettingsSection{"metrics", "", "Where Prometheus reads, and others ask whether pgweir serves."},
    SettingsSection{"advice", "", "What pool sizes are recommended for."},
    SettingsSection{"alerts", "", "What pgweir warns of (SHOW ALERTS), and whom it tells."},
};

// Rows of the kinds, so that the table below reads as one.

Setting boolean(Bytes section, Bytes name, bool by_default, SettingAccess access, Bytes doc) {
  return {.section = section,
          .name = name,
          .kind = SettingKind::boolean,
          .default_value = by_default,
          .access = access,
          .doc = doc};
}

Setting integer(Bytes section, Bytes name, int64_t by_default, std::pair<int64_t, int64_t> bounds, Bytes unit,
                SettingAccess access, Bytes doc) {
  return {.section = section,
          .name = name,
          .kind = SettingKind::integer,
          .default_value = by_default,
          .least = bounds.first,
          .most = bounds.second,
          .unit = unit,
          .access = access,
          .doc = doc};
}

// A number where 0 means that there is no limit.
Setting limit(Bytes section, Bytes name, Bytes unit, SettingAccess access, Bytes doc) {
  Setting row = integer(section, name, 0, {0, most_connections}, unit, access, doc);
  row.zero_or_none = "no limit";
  return row;
}

Setting duration(Bytes section, Bytes name, Duration by_default, Bytes zero, SettingAccess access,
                 Bytes doc) {
  return {.section = section,
          .name = name,
          .kind = SettingKind::duration,
          .default_value = by_default,
          .most = longest,
          .zero_or_none = zero,
          .access = access,
          .doc = doc};
}

// A duration that cannot be 0.
Setting duration(Bytes section, Bytes name, Duration by_default, std::pair<Duration, Duration> bounds,
                 SettingAccess access, Bytes doc) {
  Setting row = duration(section, name, by_default, Bytes{}, access, doc);
  row.least = bounds.first.count();
  row.most = bounds.second.count();
  return row;
}

Setting string(Bytes section, Bytes name, std::string by_default, Bytes empty, int64_t most,
               SettingAccess access, Bytes doc) {
  const int64_t least = by_default.empty() || !empty.empty() ? 0 : 1;
  return {.section = section,
          .name = name,
          .kind = SettingKind::text,
          .default_value = std::move(by_default),
          .least = least,
          .most = most,
          .zero_or_none = empty,
          .access = access,
          .doc = doc};
}

Setting texts(Bytes section, Bytes name, Texts by_default, Bytes empty, SettingAccess access, Bytes doc) {
  return {.section = section,
          .name = name,
          .kind = SettingKind::text_list,
          .default_value = std::move(by_default),
          .least = 1,
          .most = longest_host,
          .zero_or_none = empty,
          .access = access,
          .doc = doc};
}

template <class Enum>
Setting word(Bytes section, Bytes name, Enum by_default, SettingAccess access, Bytes doc) {
  return {.section = section,
          .name = name,
          .kind = SettingKind::word,
          .default_value = std::string(word_of(by_default)),
          .words = words_of<Enum>,
          .access = access,
          .doc = doc};
}

Setting zero_means(Bytes words, Setting row) {
  row.zero_or_none = words;
  return row;
}

Setting shown_as(Bytes pgbouncer, Setting row) {
  row.pgbouncer = pgbouncer;
  return row;
}

Setting at(TakesEffect effect, Setting row) {
  row.effect = effect;
  return row;
}

Setting secret(Setting row) {
  row.secret = true;
  return row;
}

// The row of a database or user for what the row `general` of [pool] sets for all.
Setting overriding(const std::vector<Setting>& rows, Bytes section, Bytes name, Bytes general,
                   SettingAccess access, Bytes doc) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Setting& row) {
    return row.section == "pool" && row.name == general;
  });
  assert(found != rows.end());
  Setting row = *found;
  row.section = section;
  row.name = name;
  row.pgbouncer = {};
  row.default_value = std::monostate{};
  row.inherits = general;
  row.access = access;
  row.doc = doc;
  return row;
}

std::vector<Setting> make_table() {
  using S = Settings;
  using L = ListenSettings;
  using P = PoolSettings;
  using D = DatabaseSettings;
  using U = UserSettings;
  using A = AuthSettings;
  using G = LogSettings;
  using C = ConsoleSettings;

  std::vector<Setting> rows{
      at(restart, integer("", "workers", 1, {1, 64}, "threads", field<&S::workers>(),
                          "Threads that serve connections.")),
      duration("", "shutdown_timeout", 60s, "no limit", field<&S::shutdown_timeout>(),
               "How long a shutdown waits for running transactions before it closes their connections."),
      at(restart, string("", "state_file", "", "nothing is kept", longest_path, field<&S::state_file>(),
                         "Where measures are kept over a restart. One process at a time uses a file; its "
                         "directory must be writable.")),
      at(restart, string("", "pidfile", "", "none", longest_path, field<&S::pidfile>(),
                         "A file that gets the process id, and is removed at the end.")),
      at(restart,
         string("", "user", "", "nobody else", longest_user, field<&S::run_as>(),
                "Whom the process becomes, when root starts it, once its sockets are bound. All files are "
                "then read and written as that user.")),

      at(restart,
         shown_as(
             "listen_addr",
             texts("listen", "addresses", {"127.0.0.1"}, "no TCP", field<&S::listen, &L::addresses>(),
                   "Addresses to listen on. \"0.0.0.0\" is every IPv4 address of the machine, \"::\" every "
                   "IPv6 address."))),
      at(restart, shown_as("listen_port",
                           integer("listen", "port", 6432, {1, 65535}, "", field<&S::listen, &L::port>(),
                                   "The TCP port, also part of the name of the Unix socket."))),
      at(restart, string("listen", "unix_socket_dir", "", "no Unix socket", longest_socket_dir,
                         field<&S::listen, &L::unix_socket_dir>(), "The directory of the Unix socket.")),
      at(restart, Setting{.section = "listen",
                          .name = "unix_socket_mode",
                          .kind = SettingKind::file_mode,
                          .default_value = int64_t{0770},
                          .least = 0,
                          .most = 0777,
                          .access = field<&S::listen, &L::unix_socket_mode>(),
                          .doc = "Who may connect through the Unix socket, as a file mode in octal digits."}),
      at(restart,
         shown_as(
             "listen_backlog",
             integer("listen", "backlog", 512, {1, 65535}, "connections", field<&S::listen, &L::backlog>(),
                     "Connections that the kernel keeps until they are accepted. The kernel may cut it "
                     "(net.core.somaxconn)."))),

      word("pool", "pool_mode", PoolMode::transaction, field<&S::pool, &P::pool_mode>(),
           "When a server goes back to its pool: at the end of each transaction, of each session, or of each "
           "statement (then transactions of several statements are refused)."),
      word("pool", "session_state", StatePolicy::track, field<&S::pool, &P::session_state>(),
           "What is done about state that a client leaves in its session on a server in transaction mode. "
           "track: it follows the client from server to server where that can be done (parameters, LISTEN), "
           "else as pin; pin: the client keeps its server as long as the state is there; refuse: an error; "
           "allow: nothing, so other clients may see it."),
      boolean("pool", "late_begin", true, field<&S::pool, &P::late_begin>(),
              "Whether BEGIN is answered at once and a server is taken at the first statement behind it."),
      integer(
          "pool", "max_prepared_statements", 200, {0, 100'000}, "statements",
          field<&S::pool, &P::max_prepared_statements>(),
          "How many statements of the extended protocol are kept prepared on each server. With 0 a client "
          "that prepares one under a name keeps its server."),
      integer("pool", "max_client_prepared_statements", 10'000, {1, 1'000'000}, "statements",
              field<&S::pool, &P::max_client_prepared_statements>(),
              "How many prepared statements a client may have."),
      integer("pool", "max_client_prepared_memory", 16'777'216, {1024, 1'073'741'824}, "bytes",
              field<&S::pool, &P::max_client_prepared_memory>(),
              "How large the prepared statements of a client may be together."),
      integer("pool", "max_client_channels", 1000, {1, 100'000}, "channels",
              field<&S::pool, &P::max_client_channels>(),
              "On how many channels a client of transaction mode may LISTEN without keeping its server; with "
              "more it keeps it."),
      integer("pool", "max_pool_channels", 10'000, {1, 1'000'000}, "channels",
              field<&S::pool, &P::max_pool_channels>(),
              "On how many channels the clients of a pool may LISTEN together without keeping their servers; "
              "for more they keep them. Each worker counts for itself."),
      integer("pool", "max_client_notify_memory", 1'048'576, {16'384, 1'073'741'824}, "bytes",
              field<&S::pool, &P::max_client_notify_memory>(),
              "How many bytes of notifications may wait for a client that is in a transaction or does not "
              "read. A client with more is disconnected, since notifications are not lost in silence."),
      string("pool", "server_reset_query", "DISCARD ALL", "nothing is sent", longest_text,
             field<&S::pool, &P::server_reset_query>(), "Cleans a server of session mode behind its client."),
      string(
          "pool", "server_check_query", "<empty>", "no check", longest_text,
          field<&S::pool, &P::server_check_query>(),
          "Asked before a server is used that was idle for server_check_delay; one that does not answer is "
          "replaced, and the client does not notice. \"<empty>\" is an empty query, the cheapest there is."),
      duration("pool", "server_check_delay", 30s, "before each use",
               field<&S::pool, &P::server_check_delay>(),
               "How long a server may be idle and is used without a check."),
      texts("pool", "ignore_startup_parameters", {}, "none", field<&S::pool, &P::ignore_startup_parameters>(),
            "Startup parameters of clients that are not passed on. \"options\" stands for all that come in "
            "it."),
      integer("pool", "default_pool_size", 20, {1, most_servers}, "servers",
              field<&S::pool, &P::default_pool_size>(), "How many servers a pool may have."),
      boolean(
          "pool", "size_trials", true, field<&S::pool, &P::size_trials>(),
          "Whether a pool that was full for a third of 20 seconds holds half of its servers back for half "
          "a second, ten times within a minute and not again for an hour, to measure how much all of them "
          "get done more: only so can the advice tell whether fewer would do, or more would help."),
      integer(
          "pool", "min_pool_size", 0, {0, most_servers}, "servers", field<&S::pool, &P::min_pool_size>(),
          "How many servers a pool that is in use keeps open when fewer would do. Workers that share a pool "
          "keep a part each, once they have clients of it."),
      integer("pool", "reserve_pool_size", 0, {0, most_servers}, "servers",
              field<&S::pool, &P::reserve_pool_size>(),
              "How many servers a pool may have beyond its size once a client has waited for "
              "reserve_pool_timeout."),
      duration("pool", "reserve_pool_timeout", 5s, "no wait", field<&S::pool, &P::reserve_pool_timeout>(),
               "How long a client waits before its pool may use its reserve."),
      word("pool", "autopilot", AutopilotMode::off, field<&S::pool, &P::autopilot>(),
           "Who changes the sizes of pools by the advice. off: the operator, with APPLY RECOMMENDATION; "
           "shadow: the same, and pgweir notes what it would have done and later whether that would have "
           "been right; confirm: the same, and the log says which command to give; auto: pgweir, in small "
           "steps, and takes back what made things worse. SHOW AUTOPILOT says what it will do."),
      integer("pool", "autopilot_min_size", 1, {1, most_servers}, "servers",
              field<&S::pool, &P::autopilot_min_size>(), "The autopilot makes no pool smaller."),
      zero_means("twice the size that it has in this file",
                 integer("pool", "autopilot_max_size", 0, {0, most_servers}, "servers",
                         field<&S::pool, &P::autopilot_max_size>(), "The autopilot makes no pool larger.")),
      duration(
          "pool", "autopilot_trial", 14 * 24h, "no trial", field<&S::pool, &P::autopilot_trial>(),
          "With autopilot = auto, pgweir changes a pool only after it has measured it for this long, and "
          "acts as with confirm until then."),
      limit("pool", "max_db_connections", "servers", field<&S::pool, &P::max_db_connections>(),
            "How many servers all pools of one database may have together."),
      limit("pool", "max_user_connections", "servers", field<&S::pool, &P::max_user_connections>(),
            "How many servers all pools of one user may have together."),
      integer("pool", "max_client_conn", 10'000, {1, most_connections}, "clients",
              field<&S::pool, &P::max_client_conn>(),
              "How many clients may be connected. Others are refused. The console is not counted."),
      limit("pool", "max_db_client_connections", "clients", field<&S::pool, &P::max_db_client_connections>(),
            "How many clients of one database may be connected. Others are refused."),
      limit("pool", "max_user_client_connections", "clients",
            field<&S::pool, &P::max_user_client_connections>(),
            "How many clients of one user may be connected. Others are refused."),
      limit("pool", "max_queue", "clients", field<&S::pool, &P::max_queue>(),
            "How many clients of a pool may wait for a server that others use. The next one's request fails "
            "at once; the client stays connected. Clients whose wait ends when a server has been opened are "
            "not counted. Workers that share a pool have a part each, of one at least."),
      duration("pool", "query_wait_timeout", 120s, "no limit", field<&S::pool, &P::query_wait_timeout>(),
               "How long a request may wait for a server before it fails; the client stays connected."),
      duration("pool", "query_wait_notify", 5s, "no notice", field<&S::pool, &P::query_wait_notify>(),
               "A client that has waited for a server for this long gets a NOTICE that says so."),
      duration("pool", "query_timeout", 0s, "no limit", field<&S::pool, &P::query_timeout>(),
               "How long a query may run on its server, the wait for one not included. Then it is cancelled; "
               "the client gets the error 57014 and stays connected. Only if the cancel does not help are "
               "client and server disconnected."),
      duration("pool", "transaction_timeout", 0s, "no limit", field<&S::pool, &P::transaction_timeout>(),
               "How long a transaction may last, from BEGIN or its first statement. Then what it runs is "
               "cancelled and it is rolled back; the client gets the error 25P04 and stays connected, in a "
               "failed transaction that it has to end."),
      duration(
          "pool", "idle_transaction_timeout", 0s, "no limit", field<&S::pool, &P::idle_transaction_timeout>(),
          "How long a client may do nothing in an open transaction. Then the client is disconnected with "
          "the error 25P03 and the transaction is rolled back."),
      duration("pool", "client_idle_timeout", 0s, "no limit", field<&S::pool, &P::client_idle_timeout>(),
               "How long a client may do nothing outside of a transaction. Then it is disconnected with the "
               "error 57P05. Clients that listen for notifications are left alone."),
      duration("pool", "server_idle_timeout", 600s, "no limit", field<&S::pool, &P::server_idle_timeout>(),
               "A server that nobody used for this long is closed."),
      duration("pool", "server_lifetime", 3600s, "no limit", field<&S::pool, &P::server_lifetime>(),
               "A server that was connected for this long is closed as soon as it is free."),
      duration("pool", "server_connect_timeout", 15s, "no limit",
               field<&S::pool, &P::server_connect_timeout>(),
               "How long connecting and logging in to a server may take."),
      duration("pool", "server_login_retry", 15s, "no pause", field<&S::pool, &P::server_login_retry>(),
               "The longest pause between attempts to reach a server that refuses."),
      duration("pool", "client_login_timeout", 60s, "no limit", field<&S::pool, &P::client_login_timeout>(),
               "How long a client may take to log in."),
      duration("pool", "cancel_wait_timeout", 10s, {100ms, 1h}, field<&S::pool, &P::cancel_wait_timeout>(),
               "How long a request to cancel may take to reach its server."),
  };

  const auto pin_policies = [&](Bytes section, auto access_of) {
    const auto policy = [&](Bytes name, SettingAccess access, Bytes doc) {
      Setting row = word(section, name, StatePolicy::track, access, doc);
      row.default_value = std::monostate{};
      row.inherits = "session_state";
      rows.push_back(row);
    };
    using K = StatePolicies;
    policy("session_state_setting", access_of.template operator()<&K::setting>(),
           "As session_state, for parameters that are set.");
    policy("session_state_listen", access_of.template operator()<&K::listen>(),
           "As session_state, for LISTEN.");
    policy("session_state_temp_table", access_of.template operator()<&K::temp_table>(),
           "As session_state, for temporary tables.");
    policy("session_state_hold_cursor", access_of.template operator()<&K::hold_cursor>(),
           "As session_state, for cursors WITH HOLD.");
    policy("session_state_advisory_lock", access_of.template operator()<&K::advisory_lock>(),
           "As session_state, for advisory locks of the session.");
    policy("session_state_prepared", access_of.template operator()<&K::prepared>(),
           "As session_state, for PREPARE in SQL.");
  };
  pin_policies(
      "pool", []<auto member>() { return field<&S::pool, &P::session_state_of, member>(); });

  rows.push_back(Setting{
      .section = "databases",
      .name = "host",
      .kind = SettingKind::texts,
      .default_value = Texts{"127.0.0.1"},
      .least = 1,
      .most = longest_host,
      .access = field<&D::hosts>(),
      .doc = "The server: a name, an address, or the directory of its Unix socket (begins with /). Several, "
             "as a list or with commas between them, are tried one after the other within "
             "server_connect_timeout until one can be used. Of a name all addresses are tried, and its last "
             "good addresses are used while it cannot be looked up."});
  rows.push_back(Setting{.section = "databases",
                         .name = "port",
                         .kind = SettingKind::integers,
                         .default_value = std::vector<int64_t>{5432},
                         .least = 1,
                         .most = 65535,
                         .access = field<&D::ports>(),
                         .doc = "The port of the server, or a list with one for each host."});
  rows.push_back(word("databases", "load_balance_hosts", LoadBalanceHosts::round_robin,
                      field<&D::load_balance_hosts>(),
                      "Which of several hosts a new server connection is made to. round-robin: the next one "
                      "in turn; disable: the first in the list. Hosts that failed lately, or were not what "
                      "target_session_attrs asks for, come last."));
  rows.push_back(word("databases", "target_session_attrs", SessionAttrs::any,
                      field<&D::target_session_attrs>(),
                      "What a host must be to be used, as in libpq. A server connection that is not any more "
                      "is closed when it is free. prefer-standby: a standby, or else any."));
  rows.push_back(string("databases", "dbname", "", "the name that the client asked for", longest_text,
                        field<&D::dbname>(), "The name of the database on the server."));
  rows.push_back(string("databases", "user", "", "the client's user", longest_text, field<&D::user>(),
                        "The user who logs in to the server, whoever the client is."));
  rows.push_back(secret(string("databases", "password", "", "the password of the client's user", longest_text,
                               field<&D::password>(), "The password for the login to the server.")));
  const auto database = [&](Bytes name, Bytes general, SettingAccess access, Bytes doc) {
    rows.push_back(overriding(rows, "databases", name, general, access, doc));
  };
  database("pool_size", "default_pool_size", field<&D::pool_size>(),
           "How many servers each pool of this database may have.");
  database("min_pool_size", "min_pool_size", field<&D::min_pool_size>(),
           "As pool.min_pool_size, for this database.");
  database("reserve_pool_size", "reserve_pool_size", field<&D::reserve_pool_size>(),
           "As pool.reserve_pool_size, for this database.");
  database("max_db_connections", "max_db_connections", field<&D::max_db_connections>(),
           "How many servers all pools of this database may have together.");
  database("max_db_client_connections", "max_db_client_connections", field<&D::max_db_client_connections>(),
           "How many clients of this database may be connected.");
  database("max_queue", "max_queue", field<&D::max_queue>(),
           "As pool.max_queue, for pools of this database.");
  database("query_wait_timeout", "query_wait_timeout", field<&D::query_wait_timeout>(),
           "As pool.query_wait_timeout, for clients of this database.");
  database("query_timeout", "query_timeout", field<&D::query_timeout>(),
           "As pool.query_timeout, for clients of this database.");
  database("transaction_timeout", "transaction_timeout", field<&D::transaction_timeout>(),
           "As pool.transaction_timeout, for clients of this database.");
  database("idle_transaction_timeout", "idle_transaction_timeout", field<&D::idle_transaction_timeout>(),
           "As pool.idle_transaction_timeout, for clients of this database.");
  database("client_idle_timeout", "client_idle_timeout", field<&D::client_idle_timeout>(),
           "As pool.client_idle_timeout, for clients of this database.");
  database("server_lifetime", "server_lifetime", field<&D::server_lifetime>(),
           "As pool.server_lifetime, for servers of this database.");
  database("pool_mode", "pool_mode", field<&D::pool_mode>(), "As pool.pool_mode, for this database.");
  database("autopilot", "autopilot", field<&D::autopilot>(),
           "As pool.autopilot, for pools of this database.");
  database("autopilot_min_size", "autopilot_min_size", field<&D::autopilot_min_size>(),
           "As pool.autopilot_min_size, for each pool of this database.");
  database("autopilot_max_size", "autopilot_max_size", field<&D::autopilot_max_size>(),
           "As pool.autopilot_max_size, for each pool of this database.");
  database("session_state", "session_state", field<&D::session_state>(),
           "As pool.session_state, for this database.");
  pin_policies(
      "databases", []<auto member>() { return field<&D::session_state_of, member>(); });

  rows.push_back(secret(string(
      "users", "password", "", "a user who cannot log in by password", longest_text, field<&U::password>(),
      "The password, or what PostgreSQL keeps of it (SCRAM-SHA-256$... or md5...).")));
  const auto user = [&](Bytes name, Bytes general, SettingAccess access, Bytes doc) {
    rows.push_back(overriding(rows, "users", name, general, access, doc));
  };
  user("pool_size", "default_pool_size", field<&U::pool_size>(),
       "How many servers each pool of this user may have.");
  user("reserve_pool_size", "reserve_pool_size", field<&U::reserve_pool_size>(),
       "As pool.reserve_pool_size, for pools of this user.");
  user("max_user_connections", "max_user_connections", field<&U::max_user_connections>(),
       "How many servers all pools of this user may have together.");
  user("max_user_client_connections", "max_user_client_connections", field<&U::max_user_client_connections>(),
       "How many clients of this user may be connected.");
  user("max_queue", "max_queue", field<&U::max_queue>(), "As pool.max_queue, for pools of this user.");
  user("query_wait_timeout", "query_wait_timeout", field<&U::query_wait_timeout>(),
       "As pool.query_wait_timeout, for clients of this user.");
  user("query_timeout", "query_timeout", field<&U::query_timeout>(),
       "As pool.query_timeout, for clients of this user.");
  user("transaction_timeout", "transaction_timeout", field<&U::transaction_timeout>(),
       "As pool.transaction_timeout, for clients of this user.");
  user("idle_transaction_timeout", "idle_transaction_timeout", field<&U::idle_transaction_timeout>(),
       "As pool.idle_transaction_timeout, for clients of this user.");
  user("client_idle_timeout", "client_idle_timeout", field<&U::client_idle_timeout>(),
       "As pool.client_idle_timeout, for clients of this user.");
  user("pool_mode", "pool_mode", field<&U::pool_mode>(), "As pool.pool_mode, for this user.");
  user("autopilot", "autopilot", field<&U::autopilot>(), "As pool.autopilot, for pools of this user.");
  user("autopilot_min_size", "autopilot_min_size", field<&U::autopilot_min_size>(),
       "As pool.autopilot_min_size, for each pool of this user.");
  user("autopilot_max_size", "autopilot_max_size", field<&U::autopilot_max_size>(),
       "As pool.autopilot_max_size, for each pool of this user.");
  user("session_state", "session_state", field<&U::session_state>(), "As pool.session_state, for this user.");
  pin_policies(
      "users", []<auto member>() { return field<&U::session_state_of, member>(); });

  rows.push_back(shown_as(
      "auth_type", word("auth", "type", AuthType::scram_sha_256, field<&S::auth, &A::type>(),
                        "How clients log in. With md5, a user with a SCRAM verifier still uses "
                        "SCRAM. With trust nobody is asked for a password. With hba the rules of hba_file "
                        "say it for each client.")));
  rows.push_back(
      string("auth", "auth_file", "", "none", longest_path, field<&S::auth, &A::auth_file>(),
             "A file of users and passwords in PgBouncer's format, a line \"name\" \"password\" for "
             "each; read at the start and at each RELOAD. A password in [users.NAME] counts before it. A "
             "relative path begins at the directory of the configuration."));
  rows.push_back(shown_as(
      "auth_hba_file",
      string("auth", "hba_file", "", "none", longest_path, field<&S::auth, &A::hba_file>(),
             "Rules in the format of pg_hba.conf that say who may log in from where and how; the first that "
             "fits "
             "counts, and whom none fits is refused. Used with type = \"hba\" only; read at the start and at "
             "each "
             "RELOAD. Methods are trust, reject, md5 and scram-sha-256; groups, maps, host names and other "
             "methods are errors. A relative path begins at the directory of the configuration.")));
  rows.push_back(boolean("auth", "server_allow_cleartext", false,
                         field<&S::auth, &A::server_allow_cleartext>(),
                         "Whether a password is sent in clear text to a server that asks for it so."));
  rows.push_back(integer("auth", "scram_iterations", scram_default_iterations, {least_iterations, 1'000'000},
                         "rounds", field<&S::auth, &A::scram_iterations>(),
                         "The cost of a SCRAM login of users whose password stands here in plain."));
  rows.push_back(integer("auth", "server_max_scram_iterations", 100'000, {least_iterations, 10'000'000},
                         "rounds", field<&S::auth, &A::server_max_scram_iterations>(),
                         "A server that asks for a costlier SCRAM login is refused."));

  using T = TlsSettings;
  const auto tls = [&](Bytes shown, Setting row) { rows.push_back(shown_as(shown, std::move(row))); };
  tls("client_tls_sslmode",
      word("client_tls", "sslmode", TlsMode::disable, field<&S::client_tls, &T::mode>(),
           "Whether clients may or must encrypt. disable: they cannot; allow and prefer: they may; require: "
           "they must, but for those on the Unix socket; verify-ca and verify-full: they must, and with a "
           "certificate that ca_file vouches for."));
  tls("client_tls_key_file",
      string("client_tls", "key_file", "", "none", longest_path, field<&S::client_tls, &T::key_file>(),
             "The private key of pgweir, in PEM, without a passphrase."));
  tls("client_tls_cert_file",
      string("client_tls", "cert_file", "", "none", longest_path, field<&S::client_tls, &T::cert_file>(),
             "The certificate that pgweir shows to clients, in PEM, and behind it those between it and the "
             "authority."));
  tls("client_tls_ca_file",
      string("client_tls", "ca_file", "", "none", longest_path, field<&S::client_tls, &T::ca_file>(),
             "The authorities whose certificates clients may show, in PEM; \"system\" for the system's."));
  tls("client_tls_protocols",
      string("client_tls", "protocols", "secure", "", longest_path, field<&S::client_tls, &T::protocols>(),
             "TLS versions: \"secure\" (1.2 and up), \"all\", or a list of tlsv1.0, tlsv1.1, tlsv1.2 and "
             "tlsv1.3, of which all between the least and the greatest are taken."));
  tls("client_tls_ciphers",
      string("client_tls", "ciphers", "default", "", longest_text, field<&S::client_tls, &T::ciphers>(),
             "Ciphers up to TLS 1.2, as OpenSSL names them; \"default\" for OpenSSL's choice."));
  tls("client_tls13_ciphers",
      string("client_tls", "tls13_ciphers", "", "OpenSSL's choice", longest_text,
             field<&S::client_tls, &T::tls13_ciphers>(), "Cipher suites of TLS 1.3, as OpenSSL names them."));
  tls("client_tls_ecdhcurve",
      string("client_tls", "ecdhcurve", "auto", "", longest_text, field<&S::client_tls, &T::ecdhcurve>(),
             "Curves for the key exchange, with colons between them; \"auto\" for OpenSSL's choice."));
  tls("server_tls_sslmode",
      word("server_tls", "sslmode", TlsMode::prefer, field<&S::server_tls, &T::mode>(),
           "Whether connections to servers are encrypted, as in libpq. disable: never; allow and prefer: "
           "where "
           "the server can; require: always; verify-ca: and its certificate is one that ca_file vouches for; "
           "verify-full: and it is for the host that was asked for. Unix sockets are not encrypted."));
  tls("server_tls_ca_file",
      string("server_tls", "ca_file", "", "none", longest_path, field<&S::server_tls, &T::ca_file>(),
             "The authorities whose certificates servers may show, in PEM; \"system\" for the system's."));
  tls("server_tls_key_file",
      string("server_tls", "key_file", "", "none", longest_path, field<&S::server_tls, &T::key_file>(),
             "The private key of the certificate that pgweir shows to servers, in PEM."));
  tls("server_tls_cert_file",
      string("server_tls", "cert_file", "", "none", longest_path, field<&S::server_tls, &T::cert_file>(),
             "The certificate that pgweir shows to servers that ask for one, in PEM."));
  tls("server_tls_protocols",
      string("server_tls", "protocols", "secure", "", longest_path, field<&S::server_tls, &T::protocols>(),
             "TLS versions, as client_tls.protocols."));
  tls("server_tls_ciphers",
      string("server_tls", "ciphers", "default", "", longest_text, field<&S::server_tls, &T::ciphers>(),
             "Ciphers up to TLS 1.2, as client_tls.ciphers."));
  tls("server_tls13_ciphers",
      string("server_tls", "tls13_ciphers", "", "OpenSSL's choice", longest_text,
             field<&S::server_tls, &T::tls13_ciphers>(), "Cipher suites of TLS 1.3, as OpenSSL names them."));

  rows.push_back(shown_as("log_level", word("log", "level", LogLevel::info, field<&S::log, &G::level>(),
                                            "What is less important than this is not logged.")));
  rows.push_back(shown_as("log_format", word("log", "format", LogFormat::text, field<&S::log, &G::format>(),
                                             "Lines of text for people, or one JSON object on each line.")));
  rows.push_back(
      shown_as("log_connections", boolean("log", "connections", true, field<&S::log, &G::connections>(),
                                          "Whether logins of clients and to servers are logged.")));
  rows.push_back(shown_as("log_disconnections",
                          boolean("log", "disconnections", true, field<&S::log, &G::disconnections>(),
                                  "Whether ends of connections are logged, with the reason.")));
  rows.push_back(shown_as("log_pooler_errors",
                          boolean("log", "pooler_errors", true, field<&S::log, &G::pooler_errors>(),
                                  "Whether the errors that pgweir itself sends to clients are logged.")));

  rows.push_back(
      shown_as("log_stats", boolean("log", "stats", true, field<&S::log, &G::stats>(),
                                    "Whether the averages of SHOW STATS over all databases are logged once a "
                                    "minute.")));

  rows.push_back(texts("console", "admin_users", {}, "nobody", field<&S::console, &C::admin_users>(),
                       "Users who may do everything in the console."));
  rows.push_back(texts("console", "stats_users", {}, "nobody", field<&S::console, &C::stats_users>(),
                       "Users who may look at everything in the console that is no secret."));
  rows.push_back(shown_as(
      "console_compat",
      word("console", "console_compat", ConsoleCompat::pgbouncer_1_25, field<&S::console, &C::compat>(),
           "The PgBouncer whose columns the SHOW commands have that it has "
           "too.")));

  rows.push_back(
      at(restart, shown_as("metrics_address",
                           string("metrics", "address", "127.0.0.1", "", longest_host,
                                  field<&S::metrics, &MetricsSettings::address>(),
                                  "The address that /metrics, /healthz and /readyz are served on over HTTP, "
                                  "without encryption and passwords."))));
  Setting metrics_port = integer("metrics", "port", 0, {0, 65535}, "",
                                 field<&S::metrics, &MetricsSettings::port>(), "The TCP port for that.");
  metrics_port.zero_or_none = "not served";
  rows.push_back(at(restart, shown_as("metrics_port", std::move(metrics_port))));

  rows.push_back(shown_as(
      "advice_target_wait",
      duration("advice", "target_wait", 10ms, {1us, 60s}, field<&S::advice, &AdviceSettings::target_wait>(),
               "Recommended sizes keep the wait for a server below this for 99 of 100 transactions.")));

  using W = AlertSettings;
  const auto percent = [](Bytes name, int64_t by_default, SettingAccess access, Bytes doc) {
    Setting row = integer("alerts", name, by_default, {0, 100}, "percent", access, doc);
    row.zero_or_none = "no such alert";
    return row;
  };
  const auto alert = [&](Bytes shown, Setting row) { rows.push_back(shown_as(shown, std::move(row))); };
  alert(
      "alert_pool_utilisation",
      percent("pool_utilisation", 0, field<&S::alerts, &W::pool_utilisation>(),
              "An alert when more than this share of the servers of a pool were in use over the last minute. "
              "A busy pool without waits is well sized, so this is for those who want room."));
  alert("alert_client_utilisation",
        percent("client_utilisation", 90, field<&S::alerts, &W::client_utilisation>(),
                "An alert when more than this share of max_client_conn is connected."));
  alert(
      "alert_exhaustion_horizon",
      duration("alerts", "exhaustion_horizon", 60s, {1s, 1h}, field<&S::alerts, &W::exhaustion_horizon>(),
               "An alert when the first request of a full pool will time out within this time, going by the "
               "pace of its queue. Without query_wait_timeout: when the oldest request has waited for it."));
  alert(
      "alert_growth_horizon",
      duration("alerts", "growth_horizon", 14 * 24h, "no such alert", field<&S::alerts, &W::growth_horizon>(),
               "An alert when the growth of demand over the days may reach the size of the pool within this "
               "time."));
  alert("alert_hold",
        duration("alerts", "hold", 60s, {1s, 24h}, field<&S::alerts, &W::hold>(),
                 "How long the cause of an alert must be gone before the alert ends, or becomes milder."));
  Setting command =
      texts("alerts", "command", {}, "none", field<&S::alerts, &W::command>(),
            "A program, by its path, and its arguments: it is run when an alert begins, changes its "
            "severity, or ends, without a shell, with what happened as a line of JSON for each on its "
            "standard input. One runs at a time; what happens meanwhile waits for the next run.");
  command.most = longest_path;
  alert("alert_command", std::move(command));
  alert("alert_command_timeout",
        duration("alerts", "command_timeout", 10s, {100ms, 10min}, field<&S::alerts, &W::command_timeout>(),
                 "The program is killed when it runs longer."));
  return rows;
}

template <class Owner>
Owner by_default(Owner owner) {
  for (const Setting& row : settings_table()) {
    if (std::holds_alternative<FieldAccess<Owner>>(row.access)) row.set(owner, row.default_value);
  }
  return owner;
}

}  // namespace

std::span<const SettingsSection> settings_sections() { return sections; }

std::span<const Setting> settings_table() {
  static const std::vector<Setting> table = make_table();
  return table;
}

const SettingsSection* find_section(Bytes name) {
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [&](const SettingsSection& section) { return section.name == name; });
  return found == sections.end() ? nullptr : &*found;
}

const Setting* find_setting(Bytes section, Bytes name) {
  for (const Setting& row : settings_table()) {
    if (row.section == section && row.name == name) return &row;
  }
  return nullptr;
}

Settings settings_by_default() { return by_default(Settings{}); }

DatabaseSettings database_by_default(std::string name) {
  DatabaseSettings database;
  database.name = std::move(name);
  return by_default(std::move(database));
}

UserSettings user_by_default(std::string name) {
  UserSettings user;
  user.name = std::move(name);
  return by_default(std::move(user));
}

bool in_bounds(const Setting& setting, const SettingValue& value) {
  struct Check {
    const Setting& row;
    bool within(int64_t number) const { return number >= row.least && number <= row.most; }
    bool operator()(std::monostate) const { return !row.inherits.empty(); }
    bool operator()(bool) const { return true; }
    bool operator()(int64_t number) const { return within(number); }
    bool operator()(Duration span) const { return within(span.count()); }
    bool operator()(const std::string& it) const {
      if (row.kind == SettingKind::word) {
        return std::find(row.words.begin(), row.words.end(), it) != row.words.end();
      }
      return within(static_cast<int64_t>(it.size())) && it.find('\0') == std::string::npos;
    }
    bool operator()(const std::vector<int64_t>& list) const {
      return !list.empty() &&
             std::all_of(list.begin(), list.end(), [this](int64_t it) { return within(it); });
    }
    bool operator()(const Texts& list) const {
      if (row.kind == SettingKind::texts && list.empty()) return false;
      return std::all_of(list.begin(), list.end(), [this](const std::string& item) { return (*this)(item); });
    }
  };
  return std::visit(Check{setting}, value);
}

}  // namespace pgweir
