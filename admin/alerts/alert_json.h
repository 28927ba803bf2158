#pragma once
// An event as one line of JSON, for other programs. Pure.

#include <string>

#include "admin/alerts/alert.h"

namespace pgweir {

// One object, without a line end. Times are ISO 8601 in UTC; what an alert has not (its end, a subject) is
// left out. Keys stay as they are from version to version; new ones may come.
std::string alert_json(const AlertTransition& transition, Duration wall_offset);

}  // namespace pgweir
