#pragma once
// What followed a change of a pool's size: the minutes after it against minutes before it at a like rate of
// arrivals. Pure; any thread.
//
// Method: up to ten minutes after the change, from the first full one; of those before it, back to the change
// before, the last ten whose arrival rate is within a third of the median after it. Worse or better needs
// both a difference that matters (10 % of the mean response, or the p99 wait on the other side of the target)
// and minutes that agree on it: of all pairs of a minute before and one after, 85 % (with five minutes on
// each side that is a Mann-Whitney test at about 5 %, with ten at 1 %). Responses are means: windows keep no
// distribution of them.

#include <string>
#include <vector>

#include "admin/size_change.h"
#include "pool/state.h"

namespace pgweir {

// After that long the minutes after a change are known.
inline constexpr Duration effect_delay = std::chrono::minutes(16);

struct SizeEffect {
  AdviceEntry::Effect effect = AdviceEntry::Effect::unclear;
  std::string text;
};
// `minutes` oldest first; `earlier`: the change before this one, Instant::min() when there was none.
SizeEffect judge_size(const std::vector<WindowRef>& minutes, Instant changed, Instant earlier,
                      Duration target_wait);

// The last change of each pool that is due to be judged and was not, as the entries to add. A change that was
// followed by the next one too soon is not judged.
std::vector<AdviceEntry> effects_due(const State& state, Instant now, Duration target_wait);

const char* to_string(AdviceEntry::Kind kind);
const char* to_string(AdviceEntry::Effect effect);

}  // namespace pgweir
