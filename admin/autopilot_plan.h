#pragma once
// What the autopilot has found to do with a pool. A value.

#include <optional>
#include <string>

#include "admin/settings.h"
#include "pool/route.h"

namespace pgweir {

struct AutopilotPlan {
  Route route;
  AutopilotMode mode = AutopilotMode::off;
  bool acts = false;  // else it only notes
  int size = 0, least = 0, most = 0;
  std::optional<int> to;  // the size to set now
  std::string why;        // to set it, or to hold
  std::string note;       // why it only notes although it is to act by itself
};

}  // namespace pgweir
