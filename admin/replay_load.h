#pragma once
// Recorded transactions as a load to be replayed: with the slowdown of the host taken out of their executing
// times, and those that were never served given the times of others. Pure.

#include "admin/replay.h"
#include "admin/speed_curve.h"
#include "pool/trace.h"

namespace pgweir {

ReplayLoad replay_load(const TraceSegment& segment, const SpeedCurve& curve);

// What would be without a part of it.
ReplayLoad without_think(ReplayLoad load);
ReplayLoad without_other(ReplayLoad load);
ReplayLoad without_class(const ReplayLoad& load, std::uint8_t statement_class);

}  // namespace pgweir
