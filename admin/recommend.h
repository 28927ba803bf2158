#pragma once
// Which size a pool should have, from the sums of its minutes alone: what advise() (advise.h) falls back to
// when no transactions were recorded. Pure: the same measure and input give the same advice. Any thread.
//
// Method: in the busiest and the worst minutes take the demand as if nobody had waited (virtual_demand.h),
// add headroom, and take the smallest size at which at most 1 % wait longer than the target (erlang.h). The
// advice never goes beyond one and a half times what was ever seen in use, nor beyond the number of clients,
// and small differences leave the size as it is. What the measure cannot know lowers the confidence and is
// said.

#include "admin/advice.h"
#include "pool/meter.h"
#include "pool/time.h"

namespace pgweir {

struct AdviceInput {
  int pool_size = 0;          // as it is now, of the whole pool
  int reserve_pool_size = 0;  // on top of it
  Duration target_wait = std::chrono::milliseconds(10);
  int connected_clients = 0;  // now; 0 when that is not known
  double headroom = 0.2;      // more traffic that the advice is to stand
  Duration wall_offset{};  // an Instant plus this is the time since 1970; 0: times are said relative to now
};

Advice recommend(const PoolMeasure& measure, const AdviceInput& input);

}  // namespace pgweir
