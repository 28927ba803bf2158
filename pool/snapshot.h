#pragma once
// Plain copies of what a worker holds, cut by the worker and mailed to the control thread for the console.
// Values only: nothing in here refers to a live object.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pool/ids.h"
#include "pool/meter.h"
#include "pool/time.h"

namespace pgweir {

// Where a connection comes from, as SHOW CLIENTS and SHOW SERVERS print it.
struct PeerAddress {
  std::string address;  // "127.0.0.1", or "unix"
  int port = 0;
  std::string local_address;
  int local_port = 0;
};

enum class ClientState : std::uint8_t { login, idle, waiting, active, cancel_request, console, closing };
enum class ServerState : std::uint8_t { login, idle, active, canceling, resetting, closing };

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

struct PoolSnapshot {
  std::string database;
  std::string user;
  PoolCounts counts;
  Duration oldest_wait{};  // of the client that waits longest now
  int pool_size = 0;
  int reserve_pool_size = 0;
  int slots = 0;  // granted to this worker
  PoolMeasure measure;
};

struct ClientSnapshot {
  std::uint64_t id = 0;
  std::uint64_t link = 0;  // id of the server, 0 without one
  std::string user, database, application_name;
  ClientState state = ClientState::login;
  PeerAddress peer;
  Instant connected{};
  Instant requested{};  // start of the latest request
  Duration waiting{};   // so far, when it waits
};

struct ServerSnapshot {
  std::uint64_t id = 0;
  std::uint64_t link = 0;  // id of the client, 0 without one
  std::string user, database, application_name;
  ServerState state = ServerState::login;
  PeerAddress peer;  // address and port are PostgreSQL's
  Instant connected{};
  Instant requested{};
  std::int32_t backend_pid = 0;
  bool close_needed = false;
  bool pinned = false;  // its client keeps it, whatever it says, because its ledger is uncertain
};

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
  std::vector<ClientSnapshot> clients;
  std::vector<ServerSnapshot> servers;
  std::vector<EventCount> events;  // a row for everything that can go wrong, in the same order everywhere
  int login_clients = 0;
  int free_clients = 0, used_clients = 0;
  int free_servers = 0, used_servers = 0;
};

}  // namespace pgweir
