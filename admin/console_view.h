#pragma once
// Databases and users as the console lists them: those of the configuration, those of the pools, and the
// console's own. Pure; any thread.

#include <map>
#include <string>

#include "admin/world.h"

namespace pgweir {

// Connections of one database or user, over all its pools.
struct ConnectionCounts {
  int clients = 0;
  int servers = 0;
};

// By name. "*" is not among them.
std::map<std::string, ConnectionCounts> listed_databases(const World& world);
std::map<std::string, ConnectionCounts> listed_users(const World& world);

// Connections to the console: as far as the snapshots hold clients, and the one that asks.
int console_clients(const World& world);

}  // namespace pgweir
