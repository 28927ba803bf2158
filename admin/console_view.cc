#include "admin/console_view.h"

#include <algorithm>

#include "admin/console_parameters.h"
#include "admin/pool_view.h"

namespace pgweir {
namespace {

void add(ConnectionCounts& counts, const PoolSnapshot& pool) {
  counts.clients += clients_of(pool.counts);
  counts.servers += servers_of(pool.counts);
}

template <class Key>
std::map<std::string, ConnectionCounts> counts_by(const World& world, Key key) {
  std::map<std::string, ConnectionCounts> all;
  for (const WorkerSnapshot& worker : world.workers) {
    for (const PoolSnapshot& pool : worker.pools) add(all[key(pool)], pool);
  }
  all[std::string(console_database)].clients += console_clients(world);
  return all;
}

}  // namespace

std::map<std::string, ConnectionCounts> listed_databases(const World& world) {
  auto all = counts_by(world, [](const PoolSnapshot& pool) { return pool.database; });
  for (const auto& [name, database] : world.settings.databases) {
    if (name != "*") all.try_emplace(name);
  }
  return all;
}

std::map<std::string, ConnectionCounts> listed_users(const World& world) {
  auto all = counts_by(world, [](const PoolSnapshot& pool) { return pool.user; });
  for (const auto& [name, user] : world.settings.users) all.try_emplace(name);
  return all;
}

int console_clients(const World& world) {
  int clients = 0;
  for (const WorkerSnapshot& worker : world.workers) {
    for (const ClientSnapshot& client : worker.clients) clients += client.state == ClientState::console;
  }
  return std::max(clients, 1);
}

}  // namespace pgweir
