#pragma once
// One client's use of a server, from the moment it needs one until the server is free again. A plain value,
// kept by whoever leads the client and written by the Meter. A new one says "needs nothing".

#include <cstdint>

#include "pool/time.h"

namespace pgweir {

struct Use {
  enum class State : std::uint8_t { none, arrived, queued, linking, executing, idle_in_transaction, other };
  State state = State::none;
  bool in_transaction = false;
  bool opening = false;           // it waited for a connection to be opened
  std::uint16_t host_level = 0;   // executing on the host when the present query began, with this one
  std::uint32_t client = 0;       // the same number: the same client; for the trace
  std::uint32_t outstanding = 0;  // queries without their ReadyForQuery
  Instant arrived{};
  Duration wait{};
  Instant served{};
  Instant state_since{};
  Duration executing{}, idle_in_transaction{};  // before state_since
  Instant transaction_since{};
  Instant query_since{};
  std::uint64_t longest_class = 0;  // of its queries; 0: not known
  Duration longest_query{};
};

}  // namespace pgweir
