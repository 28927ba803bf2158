#pragma once
// Which alerts are on. Findings in, changes out; deterministic, time is an argument. Belongs to one thread.
//
// An alert begins when its cause has been found for `before`, and ends when it has not been found, not even
// in its weaker form (AlertFinding::holds), for `after`. It gets worse at once, and milder when it has been
// no worse for `after`. So no alert can begin or end twice within `after`, whatever its cause does.

#include <cstddef>
#include <map>
#include <vector>

#include "admin/alerts/alert.h"

namespace pgweir {

class AlertBook {
 public:
  static constexpr std::size_t most_active = 1000;
  static constexpr std::size_t most_ended = 100;

  // All findings of this moment; `now` never goes back. Of two with the same key the worse counts.
  std::vector<AlertTransition> look(const std::vector<AlertFinding>& findings, Instant now, Duration after);

  // Active ones first, the worst and oldest first; then those that ended, the latest first.
  std::vector<Alert> list() const;
  std::size_t active() const;
  // Causes that are no alert because there are too many alerts.
  std::uint64_t left_out() const { return left_out_; }

 private:
  struct Entry {
    Instant found_since{};  // without a break
    Instant found_last{};
    Instant as_bad_last{};  // when it was last found as bad as the alert says
    bool on = false;
    Alert alert{};
  };

  std::map<AlertKey, Entry> entries_;
  std::vector<Alert> ended_;  // oldest first
  std::uint64_t ids_ = 0, left_out_ = 0;
};

// How long a cause must last before it is an alert.
Duration alert_delay(AlertKind kind);

}  // namespace pgweir
