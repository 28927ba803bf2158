#pragma once
// Alerts on the control thread: when to look, and who is told. Pure, as ControlCore is, which owns it.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "admin/alerts/alert_queue.h"
#include "admin/alerts/alert_watch.h"
#include "proxy/session/control_host.h"

namespace pgweir {

class AlertDesk {
 public:
  AlertDesk(ControlHost& host, Instant now, Duration wall_offset)
      : host_(host), wall_offset_(wall_offset), watch_(wall_offset), next_look_(now + AlertWatch::period) {}

  // What a look needs of the workers.
  static constexpr SnapshotParts parts() { return {.pulses = true, .quick = true}; }
  // True once in a period, unless the last look has not come about yet.
  bool due(Instant now);
  Instant next_look() const { return next_look_; }
  void look(std::span<const WorkerSnapshot> workers, const Settings& settings, Instant now);
  // The hook has ended, in whatever way; what came meanwhile goes to the next run.
  void hook_ended(const Settings& settings);

  AlertWatch& watch() { return watch_; }
  const AlertWatch& watch() const { return watch_; }
  // From whoever knows what the servers allow.
  void set_budgets(std::vector<ConnectionBudget> budgets) { budgets_ = std::move(budgets); }

 private:
  void say(LogLevel level, std::string text);
  void log(std::span<const AlertTransition> transitions);
  void run_hook(const Settings& settings);

  ControlHost& host_;
  const Duration wall_offset_;
  AlertWatch watch_;
  AlertQueue queue_;
  std::vector<ConnectionBudget> budgets_;
  bool asked_ = false;         // a look is under way
  bool hook_running_ = false;  // one at a time
  Instant next_look_;
};

}  // namespace pgweir
