#pragma once
// What alerts on a pool are judged from, once a second: sums since the start, so that a lost or late one
// harms nothing. A plain value, a few words long; a worker cuts it without looking at its connections.

#include <cstdint>
#include <string>

#include "pool/time.h"

namespace pgweir {

struct PoolPulse {
  Duration target{};              // what a client may wait by the promise; `late` was counted against it
  std::uint64_t served = 0;       // clients that got a server
  std::uint64_t late = 0;         // of those, the ones that waited longer than `target`
  std::uint64_t gave_up = 0;      // clients that got none
  std::uint64_t refused = 0;      // of those, the ones that were sent away
  Duration held{};                // connection-time in use
  int clients = 0;                // connected now
  Instant failing_since = never;  // every attempt to open a connection has failed since
  std::string failure{};          // what the last one met, in words
  Instant retry_at{};             // when the next attempt may be made, after one that failed

  void add(const PoolPulse& other) {
    target = target > other.target ? target : other.target;
    served += other.served;
    late += other.late;
    gave_up += other.gave_up;
    refused += other.refused;
    held += other.held;
    clients += other.clients;
    retry_at = retry_at > other.retry_at ? retry_at : other.retry_at;
    if (other.failing_since < failing_since) {
      failing_since = other.failing_since;
      failure = other.failure;
    }
  }
};

}  // namespace pgweir
