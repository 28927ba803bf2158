#pragma once
// What names a pool.

#include <compare>
#include <string>

namespace pgweir {

// The database and the user of a pool, as the client named them.
struct Route {
  std::string database;
  std::string user;
  friend auto operator<=>(const Route&, const Route&) = default;
};

}  // namespace pgweir
