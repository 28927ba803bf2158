#pragma once
// What names a pool.

#include <compare>
#include <cstdint>
#include <string>

namespace pgweir {

// The database and the user of a pool, as the client named them. A replication connection has a pool of its
// own, of one server: `replication` is then the client's number, and else 0.
struct Route {
  std::string database;
  std::string user;
  std::uint64_t replication = 0;
  friend auto operator<=>(const Route&, const Route&) = default;
};

}  // namespace pgweir
