#pragma once
// Findings for the tests of alerts.

#include <string>

#include "admin/alerts/alert.h"

namespace pgweir {

inline Instant at(Duration after) { return Instant(std::chrono::hours(1)) + after; }

inline AlertFinding finding_of(AlertKind kind, const std::string& subject,
                               AlertSeverity severity = AlertSeverity::warning, bool holds = false) {
  return {.key = {kind, subject},
          .severity = severity,
          .holds = holds,
          .value = 3,
          .limit = 1,
          .unit = "%",
          .reason = "too much",
          .action = "do less"};
}

}  // namespace pgweir
