// SHOW HOLDERS: who holds servers, and whether PostgreSQL has anything to do there.

#include <algorithm>
#include <unordered_map>

#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

struct HolderRow {
  ServerSnapshot server;
  ClientSnapshot client;
  HolderSnapshot holder;
};

using type_oid::int4;
using type_oid::int8;
using type_oid::text;

constexpr std::size_t longest_query_shown = 200;  // of a query

constexpr std::array holders_table{
    column<HolderRow>(
        "database", text, [](const HolderRow& it) { return it.client.database; }, "Of the client."),
    column<HolderRow>(
        "user", text, [](const HolderRow& it) { return it.client.user; }, "Of the client."),
    column<HolderRow>(
        "application_name", text,
        [](const HolderRow& it) {
          return line_text(it.client.application_name, ApplicationUses::longest_name);
        },
        "Of the client."),
    column<HolderRow>(
        "addr", text, [](const HolderRow& it) { return it.client.peer.address; }, "Where the client is."),
    column<HolderRow>(
        "port", int4, [](const HolderRow& it) { return it.client.peer.port; }, "Where the client is."),
    column<HolderRow>(
        "state", text,
        [](const HolderRow& it) {
          return it.holder.idle_in_transaction ? "idle in transaction" : "executing";
        },
        "idle in transaction: PostgreSQL waits for the client. executing: the client waits for PostgreSQL."),
    column<HolderRow>(
        "state_ms", int8, [](const HolderRow& it) { return micros(it.holder.in_state) / 1000; },
        "How long it has been so."),
    column<HolderRow>(
        "held_ms", int8, [](const HolderRow& it) { return micros(it.holder.held) / 1000; },
        "How long the client has the server."),
    column<HolderRow>(
        "query", text, [](const HolderRow& it) { return line_text(it.holder.query, longest_query_shown); },
        "The query that runs, or the latest that ended, with $ for every value."),
    column<HolderRow>(
        "backend_pid", int4, [](const HolderRow& it) { return it.server.backend_pid; },
        "The pid in pg_stat_activity."),
    column<HolderRow>(
        "client", text, [](const HolderRow& it) { return std::to_string(it.client.id); },
        "ptr in SHOW CLIENTS."),
};

bool comes_first(const HolderRow& a, const HolderRow& b) {
  if (a.holder.idle_in_transaction != b.holder.idle_in_transaction) return a.holder.idle_in_transaction;
  return a.holder.in_state > b.holder.in_state;
}

}  // namespace

CommandOutcome show_holders(CommandCall& call) {
  std::vector<HolderRow> rows;
  for (const WorkerSnapshot& worker : call.world.workers) {
    std::unordered_map<std::uint64_t, const ClientSnapshot*> clients;
    for (const ClientSnapshot& client : worker.clients) clients.emplace(client.id, &client);
    for (const ServerSnapshot& server : worker.servers) {
      const auto client = clients.find(server.link);
      if (server.holder && client != clients.end()) rows.push_back({server, *client->second, *server.holder});
    }
  }
  std::sort(rows.begin(), rows.end(), comes_first);
  write_rows(call.out, holders_table, rows);
  return {};
}
std::vector<ColumnInfo> holders_columns() { return describe<holders_table>(); }

}  // namespace pgweir
