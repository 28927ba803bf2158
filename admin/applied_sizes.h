#pragma once
// Sizes of pools that count before those of the file: which there are by the history, and what a new file
// does to them. Pure; any thread.

#include <map>
#include <vector>

#include "admin/settings.h"
#include "admin/size_change.h"
#include "pool/state.h"

namespace pgweir {

// The entry that set the size, for each pool whose size is not the file's.
std::map<Route, AdviceEntry> applied_entries(const State& state);

struct AppliedSizes {
  std::map<Route, int> sizes;    // for Settings::applied_sizes
  std::vector<SizeChange> lost;  // the file says another size than when these were set, and wins
};
AppliedSizes applied_under(const std::map<Route, AdviceEntry>& entries, const Settings& settings);

}  // namespace pgweir
