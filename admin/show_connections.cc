// SHOW CLIENTS, SERVERS and SOCKETS: one list of columns for all, as in PgBouncer.

#include <algorithm>
#include <iterator>

#include "admin/console_parameters.h"
#include "admin/show.h"

namespace pgweir {
namespace {

struct ConnectionRow {
  char type = 'C';
  std::string user, database, application_name;
  ReplicationKind replication = ReplicationKind::none;
  std::string state;
  PeerAddress peer;
  std::string tls, connect_time, request_time;
  Duration wait{};
  bool close_needed = false;
  std::string ptr, link;
  std::int32_t remote_pid = 0;
  std::size_t prepared_statements = 0;
  std::uint64_t id = 0;
};

using type_oid::int4;
using type_oid::text;

const char* word_of(ReplicationKind kind) {
  switch (kind) {
    case ReplicationKind::none:
      return "none";
    case ReplicationKind::logical:
      return "logical";
    case ReplicationKind::physical:
      return "physical";
  }
  return "";
}

constexpr std::array connections_table{
    column<ConnectionRow>(
        "type", text, [](const ConnectionRow& it) { return std::string(1, it.type); },
        "C: client, S: server."),
    column<ConnectionRow>(
        "user", text, [](const ConnectionRow& it) { return it.user; },
        "(nouser) before the client has named it."),
    column<ConnectionRow>(
        "database", text, [](const ConnectionRow& it) { return it.database; },
        "(nodb) before the client has named it."),
    column<ConnectionRow>(
        "replication", text, [](const ConnectionRow& it) { return word_of(it.replication); },
        "none, logical or physical: a replication connection, with a server of its own."),
    column<ConnectionRow>(
        "state", text, [](const ConnectionRow& it) { return it.state; },
        "Clients: login, idle (without a server), active, waiting, active_cancel_req. Servers: new, "
        "idle, active, tested (being reset), being_canceled."),
    column<ConnectionRow>(
        "addr", text, [](const ConnectionRow& it) { return it.peer.address; },
        "Of the peer; unix for a Unix socket."),
    column<ConnectionRow>(
        "port", int4, [](const ConnectionRow& it) { return it.peer.port; }, "Of the peer."),
    column<ConnectionRow>(
        "local_addr", text, [](const ConnectionRow& it) { return it.peer.local_address; }, "Our end."),
    column<ConnectionRow>(
        "local_port", int4, [](const ConnectionRow& it) { return it.peer.local_port; }, "Our end."),
    column<ConnectionRow>(
        "connect_time", text, [](const ConnectionRow& it) { return it.connect_time; },
        "When the connection was made."),
    column<ConnectionRow>(
        "request_time", text, [](const ConnectionRow& it) { return it.request_time; },
        "When the latest request began."),
    column<ConnectionRow>(
        "wait", int4, [](const ConnectionRow& it) { return micros(it.wait) / 1000000; },
        "Seconds that a client that waits has waited."),
    column<ConnectionRow>(
        "wait_us", int4, [](const ConnectionRow& it) { return micros(it.wait) % 1000000; },
        "Microseconds on top of wait."),
    column<ConnectionRow>(
        "close_needed", int4, [](const ConnectionRow& it) { return it.close_needed ? 1 : 0; },
        "1: it is closed when it becomes free."),
    column<ConnectionRow>(
        "ptr", text, [](const ConnectionRow& it) { return it.ptr; },
        "The number that the log gives it: never used again."),
    column<ConnectionRow>(
        "link", text, [](const ConnectionRow& it) { return it.link; },
        "ptr of the server or client at the other end; empty without one."),
    column<ConnectionRow>(
        "remote_pid", int4, [](const ConnectionRow& it) { return it.remote_pid; },
        "Servers: the pid in pg_stat_activity. Clients of the Unix socket: their process; 0 for others."),
    column<ConnectionRow>(
        "tls", text, [](const ConnectionRow& it) { return it.tls; },
        "Version, cipher and key exchange. Empty: not encrypted."),
    column<ConnectionRow>(
        "application_name", text, [](const ConnectionRow& it) { return it.application_name; },
        "As the client sets it, and as the server knows it."),
    column<ConnectionRow>(
        "prepared_statements", int4, [](const ConnectionRow& it) { return it.prepared_statements; },
        "Clients: names for statements; servers: statements that pgweir keeps there. 0 in session mode."),
    column<ConnectionRow>(
        "id", int4, [](const ConnectionRow& it) { return it.id; },
        "The same as ptr, as far as int4 holds it."),
};

const char* state_word(ClientState state) {
  switch (state) {
    case ClientState::login:
      return "login";
    case ClientState::idle:
      return "idle";
    case ClientState::waiting:
      return "waiting";
    case ClientState::active:
    case ClientState::console:
    case ClientState::closing:
      return "active";
    case ClientState::cancel_request:
      return "active_cancel_req";
  }
  return "";
}

const char* state_word(ServerState state) {
  switch (state) {
    case ServerState::login:
      return "new";
    case ServerState::idle:
      return "idle";
    case ServerState::active:
    case ServerState::closing:
      return "active";
    case ServerState::canceling:
      return "being_canceled";
    case ServerState::resetting:
      return "tested";
  }
  return "";
}

std::string pointer(std::uint64_t id) { return id == 0 ? std::string() : std::to_string(id); }

template <class Snapshot>
ConnectionRow row_of(const World& world, const Snapshot& connection) {
  ConnectionRow row;
  row.user = connection.user.empty() ? "(nouser)" : connection.user;
  row.database = connection.database.empty() ? "(nodb)" : connection.database;
  row.application_name = connection.application_name;
  row.replication = connection.replication;
  row.state = state_word(connection.state);
  row.peer = connection.peer;
  row.tls = connection.tls;
  row.connect_time = time_text(world, connection.connected);
  row.request_time = time_text(world, std::max(connection.requested, connection.connected));
  row.ptr = pointer(connection.id);
  row.link = pointer(connection.link);
  row.prepared_statements = connection.prepared_statements;
  row.id = connection.id & INT32_MAX;
  return row;
}

std::vector<ConnectionRow> client_rows(const World& world) {
  std::vector<ConnectionRow> rows;
  for (const WorkerSnapshot& worker : world.workers) {
    for (const ClientSnapshot& client : worker.clients) {
      ConnectionRow row = row_of(world, client);
      row.wait = client.waiting;
      row.remote_pid = client.peer.pid;
      row.close_needed = client.state == ClientState::closing;
      if (client.state == ClientState::console) row.database = console_database;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::vector<ConnectionRow> server_rows(const World& world) {
  std::vector<ConnectionRow> rows;
  for (const WorkerSnapshot& worker : world.workers) {
    for (const ServerSnapshot& server : worker.servers) {
      ConnectionRow row = row_of(world, server);
      row.type = 'S';
      row.close_needed = server.close_needed;
      row.remote_pid = server.backend_pid;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

// PgBouncer's places in its buffers, of which pgweir has none; the columns are there for who counts them.
constexpr std::array<Bytes, 7> buffer_columns{"recv_pos",    "pkt_pos",   "pkt_remain", "send_pos",
                                              "send_remain", "pkt_avail", "send_avail"};

constexpr auto sockets_table = [] {
  std::array<ShowColumn<ConnectionRow>, connections_table.size() + buffer_columns.size()> all;
  for (std::size_t i = 0; i < connections_table.size(); ++i) all[i] = connections_table[i];
  for (std::size_t i = 0; i < buffer_columns.size(); ++i) {
    all[connections_table.size() + i] = column<ConnectionRow>(
        buffer_columns[i], int4, [](const ConnectionRow&) { return 0; }, "Always 0.");
  }
  return all;
}();

// A server on its way in has another name here.
std::string socket_state(const ConnectionRow& row) {
  const std::string& state = row.state;
  if (row.type == 'S') return "sv_" + (state == "new" ? std::string("login") : state);
  return "cl_" + state;
}

CommandOutcome write_sockets(CommandCall& call, bool only_active) {
  std::vector<ConnectionRow> rows = client_rows(call.world);
  std::vector<ConnectionRow> servers = server_rows(call.world);
  std::move(servers.begin(), servers.end(), std::back_inserter(rows));
  if (only_active) std::erase_if(rows, [](const ConnectionRow& row) { return row.state == "idle"; });
  for (ConnectionRow& row : rows) row.state = socket_state(row);
  write_rows(call.out, sockets_table, rows);
  return {};
}

}  // namespace

CommandOutcome show_clients(CommandCall& call) {
  write_rows(call.out, connections_table, client_rows(call.world));
  return {};
}

CommandOutcome show_servers(CommandCall& call) {
  write_rows(call.out, connections_table, server_rows(call.world));
  return {};
}

CommandOutcome show_sockets(CommandCall& call) { return write_sockets(call, false); }
CommandOutcome show_active_sockets(CommandCall& call) { return write_sockets(call, true); }
std::vector<ColumnInfo> sockets_columns() { return describe<sockets_table>(); }

std::vector<ColumnInfo> connections_columns() { return describe<connections_table>(); }

}  // namespace pgweir
