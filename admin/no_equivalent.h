#pragma once
// PgBouncer's settings that have no counterpart, and what is so instead. With the settings table, whose rows
// carry PgBouncer's names, these are all of PgBouncer 1.25 (a test looks).

#include <algorithm>
#include <array>

#include "protocol/bytes.h"

namespace pgweir {

struct NoEquivalent {
  Bytes name;
  Bytes instead;
};

inline constexpr std::array no_equivalents{
    NoEquivalent{"auth_dbname", "users come from the configuration; there is no auth_query"},
    NoEquivalent{"auth_ident_file", "there is no login by certificate or by the user of the system"},
    NoEquivalent{"auth_ldap_options", "there is no login by LDAP"},
    NoEquivalent{"auth_query", "users come from the configuration: write [users.NAME] for each"},
    NoEquivalent{"auth_user", "users come from the configuration; there is no auth_query"},
    NoEquivalent{"application_name_add_host", "SHOW CLIENTS has the address of each client"},
    NoEquivalent{"autodb_idle_timeout", "databases of \"*\" take no room while nobody uses them"},
    NoEquivalent{"client_tls_dheparams", "keys are exchanged by elliptic curves only"},
    NoEquivalent{"conffile", "it is the argument of --config"},
    NoEquivalent{"disable_pqexec", "simple queries are always served"},
    NoEquivalent{"dns_max_ttl", "names are looked up when a connection is opened"},
    NoEquivalent{"dns_nxdomain_ttl", "names are looked up when a connection is opened"},
    NoEquivalent{"dns_zone_check_period", "names are looked up when a connection is opened"},
    NoEquivalent{"job_name", "it is named by its unit of systemd"},
    NoEquivalent{"logfile", "lines go to the standard error, which systemd keeps"},
    NoEquivalent{"max_packet_size", "messages pass in pieces, whatever their size"},
    NoEquivalent{"peer_id", "one process serves with several threads (workers), so there are no peers"},
    NoEquivalent{"pkt_buf", "buffers belong to the workers and are not set"},
    NoEquivalent{"pool_idle_timeout", "pools without clients and servers are forgotten at once"},
    NoEquivalent{"resolv_conf", "names are looked up by the system"},
    NoEquivalent{"sbuf_loopcnt", "no connection can keep a worker for longer than a turn"},
    NoEquivalent{"server_fast_close", "RECONNECT closes a server of session mode when its client leaves it"},
    NoEquivalent{"server_reset_query_always", "what a client leaves is taken care of, see session_state"},
    NoEquivalent{"server_round_robin", "the server that was used last is used first"},
    NoEquivalent{"service_name", "it is named by its unit of systemd"},
    NoEquivalent{"so_reuseport", "one process serves with several threads: set workers"},
    NoEquivalent{"stats_period", "averages of SHOW STATS are over one to two minutes"},
    NoEquivalent{"suspend_timeout", "SUSPEND gives up after 10 s, as by PgBouncer's default"},
    NoEquivalent{"syslog", "lines go to the standard error, which systemd keeps"},
    NoEquivalent{"syslog_facility", "lines go to the standard error, which systemd keeps"},
    NoEquivalent{"syslog_ident", "lines go to the standard error, which systemd keeps"},
    NoEquivalent{"tcp_defer_accept", "it is not set on sockets"},
    NoEquivalent{"tcp_keepalive", "it is always on: after 60 s, every 5 s, 5 times"},
    NoEquivalent{"tcp_keepcnt", "it is 5"},
    NoEquivalent{"tcp_keepidle", "it is 60 s"},
    NoEquivalent{"tcp_keepintvl", "it is 5 s"},
    NoEquivalent{"tcp_socket_buffer", "the system's size is used"},
    NoEquivalent{"tcp_user_timeout", "it is not set on sockets"},
    NoEquivalent{"track_extra_parameters", "all parameters that clients set are tracked, see session_state"},
    NoEquivalent{"unix_socket_group", "the group is the one of the process; see unix_socket_mode"},
    NoEquivalent{"verbose", "see log.level"},
    // Of databases.
    NoEquivalent{"client_encoding", "what clients ask for follows them from server to server"},
    NoEquivalent{"connect_query", "use ALTER ROLE ... SET or ALTER DATABASE ... SET"},
    NoEquivalent{"datestyle", "what clients ask for follows them from server to server"},
    NoEquivalent{"timezone", "what clients ask for follows them from server to server"},
};

inline const NoEquivalent* find_no_equivalent(Bytes name) {
  const auto found = std::find_if(no_equivalents.begin(), no_equivalents.end(),
                                  [&](const NoEquivalent& it) { return it.name == name; });
  return found == no_equivalents.end() ? nullptr : &*found;
}

}  // namespace pgweir
