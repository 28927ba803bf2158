#pragma once
// What the autopilot does with a pool now, or why it does nothing. Pure; any thread.
//
// It grows fast (half again, ten minutes after the last change) and only where waits for a connection decide;
// it shrinks slowly (a fifth an hour) and only when a whole day agrees, and not in the hour before the
// busiest one of the day before; it takes back what made things worse, and then holds for a day. Whoever took
// back two of its changes in a week is only trusted to advise until somebody applies a size by hand. The
// emergency brake (autopilot_brake.h) needs no advice.

#include <string>
#include <vector>

#include "admin/advice.h"
#include "admin/autopilot_plan.h"
#include "admin/settings.h"
#include "admin/world.h"
#include "pool/state.h"

namespace pgweir {

struct AutopilotPool {
  Route route;
  AutopilotMode mode = AutopilotMode::off;
  int least = 1, most = 1;  // sizes
  Duration trial{};
  std::string blocked;               // why nothing is to be changed at present, whatever is advised; or empty
  const PoolHistory* history;        // may be null
  const RunTimes* runs;              // not null
  std::vector<AdviceEntry> entries;  // its own, oldest first
};

AutopilotPlan plan_size(const AutopilotPool& pool, const Advice& advice, Instant now);

// Of every pool that has an autopilot. `world` with profiles; takes seconds for long traces.
std::vector<AutopilotPlan> plan_sizes(const World& world);

// Any pool may have one.
bool has_autopilot(const Settings& settings);

}  // namespace pgweir
