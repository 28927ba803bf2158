#pragma once
// Sizes of pools that are not the file's: sets them, keeps them over restarts and reloads, and has their
// effect judged. Pure, as ControlCore is, which owns it. Its memory is the history that is kept.

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "admin/applied_sizes.h"
#include "admin/autopilot_plan.h"
#include "admin/console_error.h"
#include "proxy/session/control_host.h"
#include "proxy/session/history_keeper.h"

namespace pgweir {

class SizeDesk {
 public:
  using SettingsRef = std::shared_ptr<const Settings>;
  SizeDesk(ControlHost& host, HistoryKeeper& history) : host_(host), history_(history) {}

  // The settings with the sizes that still count; those that the file overrules are given up, and `report`
  // gets a line for each.
  SettingsRef with_applied(SettingsRef file, Instant now, std::string& report);
  // The settings with this change, unless the pool has got another size meanwhile.
  tl::expected<SettingsRef, ConsoleError> change(const SettingsRef& settings, SizeChange change,
                                                 const std::string& who, Instant now);
  // The settings with what the autopilot sets; what it only advises is noted, once.
  SettingsRef fly(SettingsRef settings, const std::vector<AutopilotPlan>& plans, Instant now);
  // What the operator should know of a change.
  static std::string note_on(const SizeChange& change, const Settings& settings);
  // Judges the changes and notes that are due.
  void begin_turn(const Settings& settings, Instant now);
  Instant next_deadline() const { return next_look_; }

 private:
  static constexpr Duration look_period = std::chrono::minutes(1);
  static constexpr Duration note_again = std::chrono::hours(24);  // the same note

  void note(const AutopilotPlan& plan, const Settings& settings, Instant now);
  void keep(AdviceEntry entry);

  ControlHost& host_;
  HistoryKeeper& history_;
  Instant next_look_ = Instant::min();
};

}  // namespace pgweir
