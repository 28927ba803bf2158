#pragma once
// How many connections a server takes, asked of the server itself once a minute by each worker: on a
// connection of a pool that has just become free, and while no client waits for it if that can be. It takes
// about a millisecond. Any role may ask: of other users' sessions it only counts how many there are.

#include <map>
#include <optional>
#include <string>

#include "pool/host_limits.h"
#include "pool/time.h"
#include "protocol/bytes.h"

namespace pgweir {

// The query, in a session in which clients may have set anything, and the row of its answer.
extern const Bytes limits_question;
std::optional<HostLimits> read_limits(Bytes data_row);

// When to ask. Belongs to one worker.
class LimitsClock {
 public:
  static constexpr Duration period = std::chrono::minutes(1);

  // So much later also when no other server of the pool is idle, and a client that comes meanwhile may have
  // one opened; and when clients are waiting.
  static constexpr Duration without_idle = std::chrono::minutes(1);
  static constexpr Duration while_waiting = std::chrono::minutes(5);
  // After the first transaction: the pools are being filled then.
  static constexpr Duration settling = std::chrono::seconds(1);

  // True once in a period for each host.
  bool due(const std::string& host, Duration later, Instant now) {
    const auto [it, fresh] = next_.try_emplace(host, now + settling);
    if (now < it->second + later) return false;
    it->second = now + period;
    return true;
  }

 private:
  std::map<std::string, Instant> next_;
};

}  // namespace pgweir
