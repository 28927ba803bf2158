#pragma once
// What the control thread knows of the past of all pools: in memory as a State, which the console and advice
// read, and on disk by ControlHost::keep, so that it is there after a restart. Workers keep a minute only
// until they have mailed it here.
//
// Written each minute: that the process runs, the workers' minutes, periods that are over. Each hour: the
// traces that are kept of it. Every ten minutes, by keep_profiles(): settings, sums and hosts.

#include <map>
#include <vector>

#include "admin/settings.h"
#include "pool/host_part.h"
#include "pool/state.h"
#include "proxy/session/control_host.h"
#include "proxy/session/mail.h"

namespace pgweir {

class HistoryKeeper {
 public:
  // `wall_offset`: what to add to an Instant to get nanoseconds since 1970.
  HistoryKeeper(int workers, ControlHost& host, Instant started, Duration wall_offset)
      : host_(host),
        started_(started),
        state_(wall_offset),
        hosts_(workers),
        next_profile_(started + run_period) {}

  // What an earlier process kept; before anything else.
  void restore(State state);
  void add(MinutePassed& mail);
  void begin_turn(Instant now);
  // Whether keep_profiles() is due; true once each time.
  bool profiles_due(Instant now);
  // `snapshots` with profile_parts.
  void keep_profiles(std::vector<WorkerSnapshot> snapshots, const Settings& settings,
                     const std::map<std::string, HostLimitsKnown>& limits, Instant now);
  void add(HostMinutePassed& mail, Instant now) { hosts_.add(mail.host, std::move(mail.part), now); }
  const std::map<std::string, SpeedEvidence>& hosts() const { return hosts_.evidence(); }
  Instant next_deadline() const { return std::min(next_run_, next_profile_); }
  // What was not kept yet; nothing comes after it.
  void finish(Instant now);

  const State& state() const { return state_; }

  static constexpr SnapshotParts profile_parts{.measures = true, .queries = true, .traces = true};

 private:
  static constexpr Duration run_period = std::chrono::minutes(1);
  static constexpr Duration profile_period = std::chrono::minutes(10);

  void keep(StateEntry entry);
  void keep_traces(Instant now);

  ControlHost& host_;
  const Instant started_;
  State state_;
  HostParts hosts_;
  std::map<Route, Instant> traced_;  // the last trace of each pool that is on disk
  Instant next_run_ = Instant::min(), next_profile_;
};

}  // namespace pgweir
