#pragma once
// The metrics table for people. admin/docs/metrics.md is this text; a test compares them. Pure; any thread.

#include <string>

namespace pgweir {

std::string metrics_reference_markdown();

}  // namespace pgweir
