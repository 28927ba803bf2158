#pragma once
// Which size a pool should have: the recorded transactions of its busiest stretches are replayed at every
// size worth trying, on a host as fast as it was measured to be at each level. Pure: the same profile gives
// the same advice. Any thread; takes up to some seconds for long traces, so not a worker's.
//
// The choice: the smallest size that keeps the waits within the target, with all of the throughput (5 % less
// is all) and an answer as soon as any size (10 % later is). If no size does, PostgreSQL is the limit, and
// the answer is the smallest size with the soonest answers (5 %). Then the bounds: no more than where the
// host was seen to get no faster, no more than half again what was ever seen in use, no more than clients and
// limits allow; and a size that is as good is kept. Without recorded transactions: recommend.h.

#include <optional>

#include "admin/advice.h"
#include "pool/profile.h"

namespace pgweir {

// `share`: what is left for this pool of the connections of its host (budget.h).
Advice advise(const PoolProfile& profile, const HostProfile& host, std::optional<int> share = {});

}  // namespace pgweir
