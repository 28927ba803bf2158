#pragma once
// The profiles on which advice rests, put together from what the workers hold and what was kept. Pure; any
// thread.

#include <span>
#include <vector>

#include "admin/world.h"
#include "pool/profile.h"
#include "pool/snapshot.h"

namespace pgweir {

// `pools` as merge_pools() gives them, with minutes; `world` with snapshots that have traces.
std::vector<PoolProfile> pool_profiles(std::span<const PoolSnapshot> pools, const World& world);
// Every host that a pool has been on.
std::vector<HostProfile> host_profiles(const World& world);

}  // namespace pgweir
