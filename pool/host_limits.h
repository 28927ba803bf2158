#pragma once
// What a PostgreSQL server says of its connections. A value; what is not known is empty.

#include <optional>
#include <string>

#include "pool/time.h"

namespace pgweir {

struct HostLimits {
  Instant at{};         // when it was asked
  std::string refused;  // why it did not say; empty: it did
  int max_connections = 0;
  int superuser_reserved = 0;  // superuser_reserved_connections
  int reserved = 0;            // reserved_connections, of PostgreSQL 16 and later
  int clients = 0;             // client connections then, pgweir's among them

  bool known() const { return refused.empty() && max_connections > 0; }
};

// The same over time.
struct HostLimitsKnown {
  HostLimits last;
  std::optional<int> others;  // connections that are not pgweir's: the most within the last hour
  int others_now = 0;
};

}  // namespace pgweir
