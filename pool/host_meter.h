#pragma once
// How many statements execute on one host, of all pools of one worker, and how fast they are at each level:
// what tells a server that is saturated from one that is not. Belongs to the worker.
//
// The level is kept as one sample for each millisecond of the last two minutes. A statement's time is put to
// the levels that it met: to those of its first and last moment when it was short, else to the samples.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pool/profile.h"
#include "pool/time.h"

namespace pgweir {

class HostMeter {
 public:
  // Classes that are told apart; the others count together.
  static constexpr std::size_t most_classes = 64;
  static constexpr int highest_level = 4095;

  // Where workers share a host each sees its own part: `workers` times its level is taken for the whole.
  HostMeter(Instant now, int workers) : workers_(workers) { evidence_.start = now; }

  // Executing now, with a statement that begins.
  std::uint16_t begun(Instant now);
  // A statement that began at `start`, when it was the `level`th, is done.
  void ended(std::uint64_t statement_class, Instant start, std::uint16_t level, Instant now);

  // This worker's level at `from`, and each millisecond after it, until before `to`.
  std::vector<std::uint16_t> samples(Instant from, Instant to) const;
  SpeedEvidence evidence(Instant now) const;

 private:
  static constexpr std::int64_t cells = 1 << 17;  // 131 s

  static std::int64_t cell_of(Instant at);
  void pass(Instant now);
  int sample(std::int64_t cell) const;
  SpeedEvidence::Level& at(std::vector<SpeedEvidence::Level>& levels, int level) const;

  int workers_;
  int level_ = 0;
  std::int64_t last_cell_ = 0;  // the last that has been written
  std::vector<std::uint16_t> ring_;
  SpeedEvidence evidence_;
};

// Puts what two workers saw of the same host together.
void merge(SpeedEvidence& evidence, const SpeedEvidence& other);

}  // namespace pgweir
