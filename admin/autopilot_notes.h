#pragma once
// Whether what the autopilot only noted would have been right, by the hour that followed. Pure; any thread.

#include <vector>

#include "pool/state.h"

namespace pgweir {

// The notes that are due to be checked and were not, as the entries to add. To grow was right (better) when
// the p99 wait of the hour was over the target, else not needed (same); to shrink was right when fewer than
// 1 % of the time more were in use, else worse. Unclear: the size was changed meanwhile, or too little came.
std::vector<AdviceEntry> notes_due(const State& state, Instant now, Duration target_wait);

}  // namespace pgweir
