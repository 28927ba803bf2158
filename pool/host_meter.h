#pragma once
// How many statements execute on one host, of all pools of one worker, and how fast they are at each level:
// what tells a server that is saturated from one that is not. Belongs to the worker.
//
// The level is kept as one sample for each millisecond of the last two minutes. A statement's time is put to
// the levels that it met: to those of its first and last moment when it was short, else to the samples.
// A worker that shares the host with others does not know them: it keeps how its own level moved, and its
// statements, and hands them out each minute (HostPart), to be put together with the others'.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "pool/host_part.h"
#include "pool/profile.h"
#include "pool/time.h"

namespace pgweir {

class HostMeter {
 public:
  // `shared`: with other workers.
  HostMeter(Instant now, bool shared);

  // Executing now, with a statement that begins.
  std::uint16_t begun(Instant now);
  // A statement that began at `start`, when it was the `level`th, is done.
  void ended(std::uint64_t statement_class, Instant start, std::uint16_t level, Instant now);

  // This worker's level at `from`, and each millisecond after it, until before `to`.
  std::vector<std::uint16_t> samples(Instant from, Instant to) const;
  // Without a class when the host is shared.
  SpeedEvidence evidence(Instant now) const;

  // Of a shared host, since the last call: each minute. Empty before the minute is over, and where nobody
  // shares.
  std::optional<HostPart> take_part(Instant now);
  // The same so far.
  std::optional<HostPart> part(Instant now) const;

 private:
  static constexpr std::int64_t cells = 1 << 17;  // 131 s

  static std::int64_t cell_of(Instant at);
  void pass(Instant now);
  int sample(std::int64_t cell) const;
  static SpeedEvidence::Level& at(std::vector<SpeedEvidence::Level>& levels, int level);

  int level_ = 0;
  std::int64_t last_cell_ = 0;  // the last that has been written
  std::vector<std::uint16_t> ring_;
  SpeedEvidence evidence_;
  std::optional<HostPartRecorder> shared_;
};

}  // namespace pgweir
