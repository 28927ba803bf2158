#pragma once
// What happened at one pool in a stretch of time, transaction by transaction, so that it can be replayed with
// other sizes. Plain values, never changed once a segment is closed; no SQL, no values, no names in them.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "pool/time.h"

namespace pgweir {

// One use of a server by one client: a transaction, or in session pooling a session. 24 bytes. Times are
// whole microseconds; a part that is longer than its field holds (71 minutes) is cut there.
struct TraceRecord {
  enum Flag : std::uint8_t {
    waiting = 1,  // it still waited when the segment ended: `wait` is what it had waited by then
    running = 2,  // it still held its server then: the parts are what they were by then
    gave_up = 4,  // it left without a server (timeout, cancel, gone): `wait` is what it waited
    opening = 8,  // most of its wait was for a connection to be opened, not for a free one
    failed = 16,  // the server refused, or was lost: not to be taken as typical
  };

  std::uint32_t client = 0;     // the same number: the same client
  std::int32_t arrival_us = 0;  // after the segment's start; negative: it was here when the segment began
  std::uint32_t wait_us = 0;
  std::uint32_t executing_us = 0;    // PostgreSQL had something to do
  std::uint32_t think_us = 0;        // idle in transaction
  std::uint8_t statement_class = 0;  // of the statement that executed longest: index of PoolProfile::classes
  std::uint8_t flags = 0;
  std::uint16_t other_code = 0;  // see other_us

  // Link, drain, cleanup: held, but neither executing nor idle in transaction. Kept to 0.1 %.
  std::uint32_t other_us() const {
    return static_cast<std::uint32_t>(other_code & 0x7ff) << (other_code >> 11);
  }
  void set_other_us(std::uint32_t us) {
    std::uint16_t shift = 0;
    while (us >> shift > 0x7ff) ++shift;
    other_code = static_cast<std::uint16_t>(std::uint32_t{shift} << 11 | us >> shift);
  }
  bool is(Flag flag) const { return (flags & flag) != 0; }
  // False: it never had a server.
  bool served() const { return (flags & (waiting | gave_up)) == 0; }
  std::uint64_t held_us() const { return std::uint64_t{executing_us} + think_us + other_us(); }
  // After the segment's start: when its server was free again, or it left, or the segment ended.
  std::int64_t end_us() const {
    return std::int64_t{arrival_us} + wait_us + static_cast<std::int64_t>(held_us());
  }
};
static_assert(sizeof(TraceRecord) == 24);

inline constexpr double microsecond = 1e-6;  // in seconds, which figures of a trace are in
// 0 is no class; see TraceRecord::statement_class.
inline constexpr std::size_t most_trace_classes = std::numeric_limits<std::uint8_t>::max();

struct TraceSegment {
  static constexpr Duration level_step = std::chrono::milliseconds(1);

  Instant start{};
  Duration length{};
  // All transactions that were at the pool at any time of the segment, in any order: also those that came
  // before it began, those that were still waiting or running when it ended, and those that gave up.
  std::vector<TraceRecord> records;
  // Servers of the host that were executing for pgweir, all pools and this one, at start + i * level_step.
  // May be empty: then the pool is taken to be alone on its host.
  std::vector<std::uint16_t> host_executing;
  int pool_size = 0;
  int clients = 0;        // connected, at the most; 0: not known
  bool incident = false;  // transactions took far longer than usual, or errors or a failover fell into it
};
using TraceRef = std::shared_ptr<const TraceSegment>;

}  // namespace pgweir
