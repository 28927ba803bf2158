#pragma once
// All that a console command may look at. Values and one settings object; lives for the call.

#include <map>
#include <string>
#include <vector>

#include "admin/alerts/alert.h"
#include "admin/alerts/growth.h"
#include "admin/settings.h"
#include "admin/stats_history.h"
#include "pool/gates.h"
#include "pool/host_limits.h"
#include "pool/snapshot.h"
#include "pool/state.h"
#include "pool/time.h"

namespace pgweir {

struct World {
  const Settings& settings;
  std::vector<WorkerSnapshot> workers{};  // as far as the plan of the query asks for them
  Instant now{};
  Duration wall_offset{};                 // an Instant plus this is the time since 1970
  Instant started{};                      // the process
  const StatsHistory* history = nullptr;  // null: averages begin at `started`
  // What workers that share hosts have seen of them together, but for the present minute; may be null.
  const std::map<std::string, SpeedEvidence>* hosts = nullptr;
  std::map<std::string, HostLimitsKnown> limits{};  // what hosts say of their connections
  const State* state = nullptr;           // all minutes that have passed, with their traces; may be null
  std::vector<Alert> alerts{};            // as they are to be listed
  std::vector<PoolForecast> forecasts{};  // by pool
  Gates gates{};
};

// "2026-03-01 10:04:05 UTC".
std::string time_text(const World& world, Instant at);

}  // namespace pgweir
