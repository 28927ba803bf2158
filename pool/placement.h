#pragma once
// Which workers host a pool.

#include <vector>

#include "pool/ids.h"
#include "pool/route.h"

namespace pgweir {

// A pure function of its arguments, so that every thread comes to the same answer. A pool of fewer than 16
// servers lives on one worker, where the queue is exactly first in, first out; a larger one has a worker for
// every 8 servers.
std::vector<WorkerId> placement(const Route& route, int pool_size, int workers);

// How much of something that a pool has to have as a whole (min_pool_size) is this worker's part. The parts
// of the hosts differ by one at most and add up to the whole; who is no host has none.
int part_of(int whole, const std::vector<WorkerId>& hosts, WorkerId worker);

}  // namespace pgweir
