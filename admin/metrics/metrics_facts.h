#pragma once
// What /metrics is made from: values that the control thread hands over to the thread that serves them.

#include <functional>
#include <memory>
#include <vector>

#include "admin/world.h"

namespace pgweir {

struct MetricsFacts {
  std::shared_ptr<const Settings> settings;
  std::vector<WorkerSnapshot> workers{};
  Instant now{};
  Duration wall_offset{};  // an Instant plus this is the time since 1970
  Instant started{};       // the process
  std::vector<Alert> alerts{};
  bool draining = false;
  Gates gates{};

  // As the console sees it; refers to this.
  World world() const {
    return {.settings = *settings,
            .workers = workers,
            .now = now,
            .wall_offset = wall_offset,
            .started = started,
            .alerts = alerts,
            .gates = gates};
  }
};

// Called by the control thread; only passes the facts on.
using MetricsReply = std::function<void(MetricsFacts)>;

}  // namespace pgweir
