#pragma once
// Plain copies of what a worker holds, cut by the worker and mailed to the control thread for the console.
// Values only: nothing in here refers to a live object.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pool/host_part.h"
#include "pool/ids.h"
#include "pool/meter.h"
#include "pool/pin_clock.h"
#include "pool/profile.h"
#include "pool/pulse.h"
#include "pool/query_classes.h"
#include "pool/session_use.h"
#include "pool/state_kind.h"
#include "pool/time.h"

namespace pgweir {

// Where a connection comes from, as SHOW CLIENTS and SHOW SERVERS print it.
struct PeerAddress {
  std::string address;  // "127.0.0.1", or "unix"
  int port = 0;
  std::string local_address;
  int local_port = 0;
  // At a Unix socket: the process at the other end, 0 elsewhere, and whether its user is pgweir's own.
  std::int32_t pid = 0;
  bool own_user = false;
};

// What is cut beside the pools and their counts.
struct SnapshotParts {
  bool connections = false;  // clients and servers
  bool measures = false;     // of the pools
  bool statements = false;
  bool pins = false;
  bool applications = false;  // of the pools
  bool queries = false;       // of the pools
  bool traces = false;        // of the pools, and what their hosts showed
  bool pulses = false;        // of the pools
  // Leaves out what needs a look at each connection: how many are in which state beside those of the pools'
  // queues and servers, and pins. For what is asked every second.
  bool quick = false;

  void add(const SnapshotParts& other) {
    connections |= other.connections;
    measures |= other.measures;
    statements |= other.statements;
    pins |= other.pins;
    applications |= other.applications;
    queries |= other.queries;
    traces |= other.traces;
    pulses |= other.pulses;
    quick &= other.quick;
  }
  friend bool operator==(const SnapshotParts&, const SnapshotParts&) = default;
};

enum class ClientState : std::uint8_t { login, idle, waiting, active, cancel_request, console, closing };
enum class ServerState : std::uint8_t { login, idle, active, canceling, resetting, closing };

enum class ReplicationKind : std::uint8_t { none, logical, physical };

struct PoolCounts {
  int cl_active = 0;  // logged in and not waiting, with or without a server, as PgBouncer counts them
  int cl_waiting = 0;
  int cl_active_cancel_req = 0;
  int cl_waiting_cancel_req = 0;
  int sv_active = 0;
  int sv_active_cancel = 0;   // connections that carry a cancel to the server
  int sv_being_canceled = 0;  // servers kept back until a cancel is settled
  int sv_idle = 0;
  int sv_used = 0;
  int sv_tested = 0;  // being rolled back or reset
  int sv_login = 0;
};

// What a pool has spared its servers, since the start.
struct PoolSavings {
  std::uint64_t transactions_saved = 0;  // begun and ended without a server
  std::uint64_t late_begins = 0;         // begun at their first statement
  std::uint64_t parses_asked = 0;        // by clients
  std::uint64_t parses_sent = 0;         // to servers
};

struct ApplicationSnapshot {
  std::string name{};
  bool others = false;  // all that have no entry of their own, together
  ApplicationUse use{};
};

// Of a pool so many are mailed and shown, those that took the most time.
inline constexpr std::size_t most_queries_listed = 100;

struct PoolSnapshot {
  std::string database;
  std::string user;
  bool replication = false;  // the counts of one replication connection, which is in no pool
  PoolCounts counts;
  Duration oldest_wait{};  // of the client that waits longest now
  int pool_size = 0;
  int reserve_pool_size = 0;
  int slots = 0;  // granted to this worker
  PoolSavings savings;
  PinCosts pin_costs{};  // with those of the present pins so far
  std::vector<ApplicationSnapshot> applications;
  std::vector<QueryClass> queries;  // at most most_queries_listed, and the rest
  PoolMeasure measure;
  PoolPulse pulse;
  std::string host;    // a HostSnapshot's name
  TraceSegment trace;  // of the present minute
  std::vector<std::uint64_t> trace_classes;
};

// What a worker saw of a host.
struct HostSnapshot {
  std::string name;
  SpeedEvidence evidence;
  std::optional<HostPart> part;  // of the present minute, when other workers share the host
};

struct ClientSnapshot {
  std::uint64_t id = 0;
  std::uint64_t link = 0;  // id of the server, 0 without one
  std::string user, database, application_name;
  ReplicationKind replication = ReplicationKind::none;
  ClientState state = ClientState::login;
  PeerAddress peer;
  std::string tls;  // empty: in clear
  Instant connected{};
  Instant requested{};  // start of the latest request
  Duration waiting{};   // so far, when it waits
  std::size_t prepared_statements = 0;
};

// What a server's client does with it now.
struct HolderSnapshot {
  bool idle_in_transaction = false;  // else PostgreSQL executes
  Duration in_state{};               // for so long
  Duration held{};                   // since the client has it
  std::string query;                 // class of the latest query that ended, or of the one that runs
};

struct ServerSnapshot {
  std::uint64_t id = 0;
  std::uint64_t link = 0;  // id of the client, 0 without one
  std::string user, database, application_name;
  ReplicationKind replication = ReplicationKind::none;
  ServerState state = ServerState::login;
  PeerAddress peer;  // address and port are PostgreSQL's
  std::string tls;   // empty: in clear
  Instant connected{};
  Instant requested{};
  std::int32_t backend_pid = 0;
  bool close_needed = false;
  bool pinned = false;  // its client keeps it, whatever it says, because its ledger is uncertain
  std::size_t prepared_statements = 0;
  std::optional<HolderSnapshot> holder{};  // while a query runs, or a transaction is open
};

// A server that its client keeps because of what it has left there.
struct PinSnapshot {
  std::uint64_t client = 0, server = 0;  // ids
  std::string database, user, application_name;
  std::int32_t backend_pid = 0;
  StateKinds kinds;
  Instant since{};  // the first of them
};

// A prepared statement of the extended protocol.
struct StatementSnapshot {
  std::uint64_t id = 0;    // the same on all workers for the same text and parameter types
  std::string text;        // its beginning
  std::size_t length = 0;  // of the whole text
  int parameters = 0;
  std::uint64_t clients = 0;  // names that clients have for it
  std::uint64_t servers = 0;
  std::uint64_t executions = 0, parses_avoided = 0, evictions = 0;
  std::uint64_t bytes = 0;
};

struct StatementTotals {
  std::uint64_t statements = 0;
  std::uint64_t clients = 0, servers = 0;
  std::uint64_t executions = 0, parses_avoided = 0, evictions = 0;
  std::uint64_t bytes = 0;
};

// So many are mailed and shown, those with the most executions.
inline constexpr std::size_t most_statements_listed = 1000;

// How often something went wrong; the texts are constants.
struct EventCount {
  std::string_view kind;      // "refused" for a client, "closed" for a server
  std::string_view reason;    // its label
  std::string_view sqlstate;  // of refusals
  std::string_view doc;
  std::uint64_t count = 0;
};

struct WorkerSnapshot {
  WorkerId worker;
  std::vector<PoolSnapshot> pools;
  std::vector<HostSnapshot> hosts;
  std::vector<ClientSnapshot> clients;
  std::vector<ServerSnapshot> servers;
  std::vector<PinSnapshot> pins;
  std::vector<StatementSnapshot> statements;  // at most most_statements_listed
  StatementTotals statement_totals;           // of all of them
  std::vector<EventCount> events;  // a row for everything that can go wrong, in the same order everywhere
  int login_clients = 0;
  int free_clients = 0, used_clients = 0;
  int free_servers = 0, used_servers = 0;
};

}  // namespace pgweir
