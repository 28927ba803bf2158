#pragma once
// What the operator has closed, by PAUSE, DISABLE, KILL, SUSPEND, and how often RECONNECT was said: one
// value, mailed as a whole to every worker when it changes. By the names of databases as clients say them.

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace pgweir {

struct Gates {
  enum class All : std::uint8_t { open, paused, suspended };

  All all = All::open;
  std::set<std::string> paused{};    // clients wait, servers are closed as they become free
  std::set<std::string> disabled{};  // no new clients
  std::uint64_t renewals = 0;        // RECONNECT without a database
  std::map<std::string, std::uint64_t> renewals_of{};

  bool is_paused(const std::string& database) const {
    return all == All::paused || paused.contains(database);
  }
  // No client gets a server.
  bool is_shut(const std::string& database) const { return all == All::suspended || is_paused(database); }
  // Grows with each RECONNECT: a server that was opened under a smaller number is closed when it is free.
  std::uint64_t age(const std::string& database) const {
    const auto found = renewals_of.find(database);
    return renewals + (found == renewals_of.end() ? 0 : found->second);
  }
};

}  // namespace pgweir
