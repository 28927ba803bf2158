#pragma once
// All that was found while a piece of advice was made: what its sentences are written from.

#include <string>
#include <vector>

#include "admin/advice.h"
#include "admin/size_sweep.h"
#include "admin/speed_curve.h"
#include "admin/trace_figures.h"
#include "pool/profile.h"

namespace pgweir {

// Whether clients send again only after they were answered.
enum class Clients { independent, unclear, push_back };

// A recorded stretch that decides, or that was left out.
struct DesignStretch {
  TraceRef trace;
  TraceFigures figures;
  std::string name;  // in words
  long day = 0;
  Clients clients = Clients::independent;
  int by_formula = 1;  // size by erlang.h, with the headroom
};

struct AdviceFacts {
  AdviceFacts(const PoolProfile& pool_profile, const HostProfile& host_profile)
      : profile(pool_profile), host(host_profile) {}

  const PoolProfile& profile;
  const HostProfile& host;
  std::vector<DesignStretch> design;    // never empty
  std::vector<DesignStretch> excluded;  // incidents, and a day like no other
  const DesignStretch* chosen = nullptr;
  bool outlier = false;  // `excluded` holds a day like no other
  SpeedCurve curve;
  Plateau plateau;
  SizeChoice choice;
  bool headroom_met = true;  // false: only without the headroom is there a size to choose
  int needed_now = 1;        // without the headroom
  int seen = 0;              // connections in use at once, the most
  int step = 0;
  Gap in_gap;            // of the evidence, when the choice was drawn to its middle
  bool climbed = false;  // beyond what the fitted speed says, because throughput still grew
  bool stepped = false, at_ceiling = false, limited_by_clients = false, limited = false, kept_close = false;
  int ceiling = 0;            // the plateau in connections of this pool
  int enough = 0;             // connections that got as much done as all of them, in trials; 0: not known
  bool all_needed = false;    // half of them got clearly less done, in trials
  int clients = 0;            // the most that were connected; 0: not known
  int need_of_excluded = 0;   // size
  std::string busier_window;  // with a busier minute that was not recorded
  int busier_size = 0;
  int smallest_need = 0, largest_need = 0;  // of the stretches alone, by formula
  double rest_executing = 0;                // of other pools on the host
};

// Fills in_short, reasons, missing and confidence.
void explain(Advice& advice, const AdviceFacts& facts);

}  // namespace pgweir
