#pragma once
// Minutes of a pool, closed and kept to be looked at again: plain values, never changed once they are closed,
// so that threads may share them.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "pool/histogram.h"
#include "pool/level_series.h"
#include "pool/levels.h"
#include "pool/time.h"

namespace pgweir {

// Why a client had to wait for a server.
enum class WaitReason : std::uint8_t {
  none,         // it did not
  pool_full,    // all servers that the pool may have were in use
  limit,        // a limit of the database, the user or the process left no slot to this pool
  opening,      // a connection was being opened
  server_down,  // connections could not be opened
};
inline constexpr std::size_t wait_reasons = 5;

// How a client ended that never got the server it waited for.
enum class GaveUp : std::uint8_t { timed_out, cancelled, gone, refused };
inline constexpr std::size_t give_ups = 4;

struct WaitTotal {
  std::uint64_t count = 0;
  Duration time{};
};

// Whether more clients at the pool mean fewer arrivals: sums for the regression of the arrival rate on the
// number of clients that wait or are served. Independent of the unit of the level.
struct ArrivalTrend {
  double time = 0;        // seconds
  double level_time = 0;  // level * seconds
  double level_squared_time = 0;
  double arrivals = 0;
  double arrival_levels = 0;  // sum of the levels that arrivals met

  void add_time(int level, Duration span);
  void add_arrival(int level) {
    arrivals += 1;
    arrival_levels += level;
  }
  double mean_level() const { return time > 0 ? level_time / time : 0; }
  // Change of the arrival rate by one more client at the pool, scaled so that -1 means that each of `clients`
  // sends again only after it was answered, 0 that arrivals do not care, above 0 that they come in bursts.
  // NaN when the level did not vary enough to tell.
  double feedback(double clients) const;
};

struct MinuteWindow {
  Instant start{};
  Duration duration{};
  Duration idle{};  // stretches of a second or more in which no client needed a server, taken together

  std::uint64_t arrivals = 0;     // clients that began to need a server
  std::uint64_t completions = 0;  // servers given back
  std::array<WaitTotal, wait_reasons> waits_by_reason{};
  std::array<std::uint64_t, give_ups> gave_up{};
  PackedHistogram waits;  // of all who were served, zeros included

  LevelTimes held;  // servers in use; arrivals and completions at each level
  LevelTimes
      virtual_demand;  // the same as if nobody had waited; its total() says how much of the window is known
  bool virtual_final = true;       // false: clients still waited, and there is more to come
  Duration executing{};            // connection-time in which PostgreSQL had something to do
  Duration idle_in_transaction{};  // connection-time in which it waited for the client
  double holding_seconds = 0;      // sum over completions
  double holding_seconds_squared = 0;
  ArrivalTrend trend;

  int highest_open = 0;
  int highest_waiting = 0;
  int highest_needing = 0;  // waiting or served
  int clients = 0;          // connected, at the most; 0: not known
  int pool_size = 0;        // at the end
  int shards = 1;           // workers whose parts are in it
  bool estimated = false;   // the levels, see LevelTimes::combine: how parts moved together was not known

  // How the levels moved, so that the parts of several workers can be put together exactly: there only while
  // parts may still come, and where there is more than one worker. Not kept.
  LevelSeriesRef held_series, demand_series, needing_series;

  Duration active() const { return duration - idle; }
  std::uint64_t abandoned() const;
  // Connections that would have been in use on average, over the active time.
  double offered_load() const;
  // Virtual demand over the active time; what was held when nothing of it is known.
  LevelTimes demand() const;
  // Whether enough of the virtual demand is known to stand for the window.
  bool covers_virtual() const;
};

using WindowRef = std::shared_ptr<const MinuteWindow>;

// `later` is of the same shard; the gap between them counts for nothing.
void append(MinuteWindow& window, const MinuteWindow& later);
// Shorter pauses are part of the load.
inline constexpr Duration shortest_idle = std::chrono::seconds(1);

// `other` is of another shard of the same pool, for the same time. Exact when both have their series.
void combine(MinuteWindow& window, const MinuteWindow& other);

// The last closed windows of a shard, oldest first. When it is full, the oldest goes: long before that its
// virtual demand was final, and the window handed on (Meter::take_final) to who keeps the pool's history.
class Windows {
 public:
  static constexpr std::size_t capacity = 15;
  // So many of them keep their series.
  static constexpr std::size_t with_series = 3;

  void push(WindowRef window);
  // The oldest window whose virtual demand is still open gets it.
  void complete(const LevelTimes& virtual_demand, LevelSeriesRef series = {});

  std::size_t size() const { return windows_.size(); }
  const MinuteWindow& operator[](std::size_t i) const { return *windows_[i]; }
  const std::vector<WindowRef>& all() const { return windows_; }

 private:
  std::vector<WindowRef> windows_;
};

// The window, without how its levels moved.
WindowRef without_series(const WindowRef& window);
// All windows that begin at or after `from` and before `to`, as one.
MinuteWindow sum(const std::vector<WindowRef>& windows, Instant from, Instant to);
// The one with the highest offered load; null when there is none.
WindowRef busiest(const std::vector<WindowRef>& windows);

}  // namespace pgweir
