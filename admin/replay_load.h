#pragma once
// Recorded transactions as a load to be replayed: with the slowdown of the host taken out of their executing
// times, and those that were never served given the times of others. Pure.

#include <cstdint>

#include "admin/replay.h"
#include "admin/speed_curve.h"
#include "pool/trace.h"

namespace pgweir {

ReplayLoad replay_load(const TraceSegment& segment, const SpeedCurve& curve);

// A few long transactions that carry half of the load may have been few by chance: below 300 of them, as many
// more as one and a half standard deviations of their load amount to. `slow_half`: see TraceFigures.
ReplayLoad with_hidden_slow(const ReplayLoad& load, std::uint64_t slow_half);

// What would be without a part of it.
ReplayLoad without_think(ReplayLoad load);
ReplayLoad without_other(ReplayLoad load);
ReplayLoad without_class(const ReplayLoad& load, std::uint8_t statement_class);

}  // namespace pgweir
