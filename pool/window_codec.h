#pragma once
// The parts of a state record: windows, periods, traces, evidence and measures, written and read. Readers
// check every value against what can be; after that the ByteReader says whether all was well.

#include "pool/byte_codec.h"
#include "pool/profile.h"

namespace pgweir {

// Wall-clock times of one file, as Instants of this process.
struct WallClock {
  Duration offset{};
  void write(ByteWriter& out, Instant at) const;
  Instant read(ByteReader& in) const;
};

void write(ByteWriter& out, const MinuteWindow& window, const WallClock& clock);
MinuteWindow read_window(ByteReader& in, const WallClock& clock);
void write(ByteWriter& out, const Period& period, const WallClock& clock);
Period read_period(ByteReader& in, const WallClock& clock);
void write(ByteWriter& out, const TraceSegment& segment, const WallClock& clock);
TraceSegment read_trace(ByteReader& in, const WallClock& clock);
void write(ByteWriter& out, const SpeedEvidence& evidence, const WallClock& clock);
SpeedEvidence read_evidence(ByteReader& in, const WallClock& clock);
// Without the windows.
void write(ByteWriter& out, const PoolMeasure& measure, const WallClock& clock);
PoolMeasure read_measure(ByteReader& in, const WallClock& clock);

}  // namespace pgweir
