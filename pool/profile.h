#pragma once
// All that advice on the size of a pool rests on, as values: what was measured of the pool and of its host,
// and what the settings say. Made by the measuring side, exported and imported, read by admin/advise.h.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pool/meter.h"
#include "pool/time.h"
#include "pool/trace.h"
#include "pool/windows.h"

namespace pgweir {

// Several minutes as one, and the two of them that a sum would hide.
struct Period {
  MinuteWindow sum;
  WindowRef busiest;  // minute, by offered load; null when there was none
  WindowRef worst;    // minute, by the p99 wait
  bool gap = false;   // pgweir did not run all the time
};
// Never changed once it is closed, so that threads may share it.
using PeriodRef = std::shared_ptr<const Period>;

// The statements that the transactions of one class have in common.
struct StatementClass {
  std::uint64_t fingerprint = 0;  // 0: all the rest
  std::string name;               // for people; never with values
};

// How fast a host worked with so many statements executing at once. For each class and level of executing
// connections (of all pools on the host, counted while the statement itself executes): how many finished
// there, D_k[n], and for how long they executed there together, E_k[n].
struct SpeedEvidence {
  // Classes that are told apart; the others count together.
  static constexpr std::size_t most_classes = 64;
  static constexpr int highest_level = 4095;

  struct Level {
    std::uint64_t completions = 0;
    double exposure = 0;  // seconds, summed over the connections that executed
  };
  Instant start{};
  Duration length{};
  // By fingerprint, then by level: levels[0] stays empty. Levels above 4095 count as 4095.
  std::map<std::uint64_t, std::vector<Level>> classes;
};

// One PostgreSQL server. What is not known is empty.
struct HostProfile {
  std::string name;
  std::vector<SpeedEvidence> evidence;   // a day each at the most, oldest first, the present one last
  std::optional<int> max_connections;    // as the server says
  int reserved_connections = 0;          // superuser_reserved_connections and reserved_connections
  std::optional<int> other_connections;  // clients of the server that do not come through pgweir, at the most
  std::optional<double> other_executing;  // how many of those execute, on average, when the pools are busy
  std::optional<double> lock_waiting;  // share of pgweir's executing connections that wait for a lock, then
  std::optional<int> cores;
};

struct PoolProfile {
  std::string pool;  // "database/user"
  std::string host;  // HostProfile::name
  Instant now{};
  Duration wall_offset{};  // an Instant plus this is the time since 1970; 0: not known

  // Settings.
  int pool_size = 0;
  int reserve_pool_size = 0;
  int min_pool_size = 0;
  std::optional<int> limit;  // what max_db_connections, max_user_connections leave it at the most
  Duration target_wait = std::chrono::milliseconds(10);  // for 99 % of the transactions
  double headroom = 0.2;                                 // more traffic that the size is to stand
  double weight = 1;                                     // of its waiting, when a budget is split

  int connected_clients = 0;  // now; 0: not known
  // pgweir instances that have this pool on this host. The traffic below is that of one of them.
  int instances = 1;

  PoolMeasure measure;                              // since the start; its windows: all minutes that are kept
  std::vector<PeriodRef> ten_minutes, hours, days;  // oldest first
  std::vector<Instant> incidents;       // minutes that are not to decide a size, ascending, in whole minutes
  std::vector<TraceRef> traces;         // the busiest and the worst stretches, oldest first
  std::vector<StatementClass> classes;  // what TraceRecord::statement_class counts; may be empty
};

}  // namespace pgweir
