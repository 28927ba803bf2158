#pragma once
// What outlives the process: the measures of all pools and hosts, as entries that are written one after the
// other, and put together again when they are read. Values; bounded; belongs to one thread.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "pool/pool_history.h"
#include "pool/profile.h"
#include "pool/route.h"
#include "pool/trace_store.h"

namespace pgweir {

// pgweir has run since `start`, `until` now.
struct RunEntry {
  Instant start{}, until{};
};
// One worker's part of a closed minute, its virtual demand final; or later all parts together, instead of
// them.
struct MinuteEntry {
  Route route;
  WindowRef minute;
};
struct PeriodEntry {
  Route route;
  Tier tier = Tier::ten_minutes;
  PeriodRef period;
};
// Of all workers; its statement classes are numbered by `classes`.
struct TraceEntry {
  Route route;
  TraceRef trace;
  std::vector<std::uint64_t> classes;
};
// Without its windows, periods and traces, which have entries of their own. The last one counts.
struct ProfileEntry {
  Route route;
  std::shared_ptr<const PoolProfile> profile;
};
// With all evidence that there is of this process; what another process saw is added.
struct HostEntry {
  HostProfile host;
};
// What was set or given back to the file, and what followed; what the autopilot would have set (advised), and
// what became of that (checked).
struct AdviceEntry {
  enum class Kind : std::uint8_t { advised, set, followed, reset, checked };
  enum class Effect : std::uint8_t { none, better, same, worse, unclear };
  Route route;
  Instant at{};
  Kind kind = Kind::advised;
  int from = 0, to = 0;          // sizes
  std::string text;              // in words
  int configured = 0;            // what the file said then
  Effect effect = Effect::none;  // of what followed or was checked
  bool by_autopilot = false;     // else by an operator
};

using StateEntry =
    std::variant<RunEntry, MinuteEntry, PeriodEntry, TraceEntry, ProfileEntry, HostEntry, AdviceEntry>;

class State {
 public:
  // Beyond, the one that was in use longest ago goes, unless all have been in use lately: then a new one is
  // not kept.
  static constexpr std::size_t most_pools = 200;
  // Pools with traces, which cost up to 24 MiB each; of more, those with the least load have none.
  static constexpr std::size_t most_traced = 32;
  static constexpr std::size_t most_hosts = 64;
  static constexpr std::size_t most_evidence = 30;  // of one host
  static constexpr std::size_t most_advice = 1000;

  struct Pool {
    explicit Pool(Duration wall_offset) : history(wall_offset) {}
    PoolHistory history;
    TraceStore traces;
    std::shared_ptr<const PoolProfile> profile;  // may be null
  };

  // An Instant plus `wall_offset` is the time since 1970.
  explicit State(Duration wall_offset) : wall_offset_(wall_offset) {}

  void add(const StateEntry& entry);
  // One worker's part of a trace; its statement classes are numbered by `classes`. Parts of the same minute
  // are put together.
  void add_trace(const Route& route, TraceSegment part, const std::vector<std::uint64_t>& classes);
  // Closes the periods that are over, and returns them, to be written, with the minutes of which all parts
  // have come.
  std::vector<StateEntry> close(Instant now);

  Duration wall_offset() const { return wall_offset_; }
  const std::map<Route, Pool>& pools() const { return pools_; }
  const std::map<std::string, HostProfile>& hosts() const { return hosts_; }
  const RunTimes& runs() const { return runs_; }
  // Oldest first. What set the present size of a pool stays.
  const std::deque<AdviceEntry>& advice() const { return advice_; }
  // The profile of one pool with all that is known of it; what no entry said is left empty.
  PoolProfile profile(const Route& route) const;
  // visit(StateEntry) for all that is kept, so that adding it to another State gives the same.
  template <class Visit>
  void for_each(Visit visit) const;
  // Forgets all traces.
  void drop_traces();
  // Forgets the pool that was in use longest ago; false when there is none.
  bool drop_oldest_pool();

 private:
  // Null: it is not to be kept.
  Pool* pool(const Route& route, Instant at);
  std::map<Route, Pool>::iterator oldest_pool();
  void bound_traces();
  void put(const RunEntry& entry);
  void put(const MinuteEntry& entry);
  void put(const PeriodEntry& entry);
  void put(const TraceEntry& entry);
  void put(const ProfileEntry& entry);
  void put(const HostEntry& entry);
  void put(const AdviceEntry& entry);

  Duration wall_offset_;
  RunTimes runs_;
  std::map<Route, Pool> pools_;
  std::map<std::string, HostProfile> hosts_;
  std::deque<AdviceEntry> advice_;
};

template <class Visit>
void State::for_each(Visit visit) const {
  for (const auto& [start, until] : runs_.all()) visit(StateEntry(RunEntry{start, until}));
  for (const auto& [name, host] : hosts_) visit(StateEntry(HostEntry{host}));
  for (const auto& [route, pool] : pools_) {
    if (pool.profile) visit(StateEntry(ProfileEntry{route, pool.profile}));
    for (const Tier tier : {Tier::days, Tier::hours, Tier::ten_minutes}) {
      for (const PeriodRef& period : pool.history.periods(tier))
        visit(StateEntry(PeriodEntry{route, tier, period}));
    }
    for (const WindowRef& minute : pool.history.minutes()) visit(StateEntry(MinuteEntry{route, minute}));
    for (const TraceRef& trace : pool.traces.segments())
      visit(StateEntry(TraceEntry{route, trace, pool.traces.classes()}));
  }
  for (const AdviceEntry& entry : advice_) visit(StateEntry(entry));
}

// Minutes that were incidents, also those that an earlier process saw, whose profile may be null; ascending.
std::vector<Instant> incidents_of(const TraceStore& traces, const PoolProfile* earlier);
// For the pool of a profile that stands alone: "database/user".
std::string name_of(const Route& route);

}  // namespace pgweir
