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

}  // namespace pgweir
