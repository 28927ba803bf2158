#pragma once
// Writes the trace of one shard, minute by minute: what is read is a TraceSegment. Belongs to the shard's
// worker. Allocates once for each 4096 transactions; a minute with more than most_records is cut short, and
// not thinned, which would destroy its bursts.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "pool/time.h"
#include "pool/trace.h"
#include "pool/use.h"

namespace pgweir {

class TraceRecorder {
 public:
  static constexpr std::size_t most_records = std::size_t{1} << 17;

  explicit TraceRecorder(Instant now) : start_(now) {}

  // A use has ended; `flags` are TraceRecord's.
  void ended(const Use& use, std::uint8_t flags, Instant now);
  // The minute so far, with the uses that have not ended. The host's levels are the caller's to add.
  TraceSegment segment(std::span<const Use* const> live, Instant now) const;
  // The next minute.
  void begin(Instant now);

  // What TraceRecord::statement_class counts in here: classes[0] is 0, all the rest.
  const std::vector<std::uint64_t>& classes() const { return classes_; }

 private:
  static constexpr std::size_t chunk = 4096;

  TraceRecord record(const Use& use, std::uint8_t flags, Instant now) const;
  std::uint8_t number_of(std::uint64_t statement_class);

  Instant start_;
  Instant full_{never};  // when most_records was reached
  std::vector<std::unique_ptr<TraceRecord[]>> chunks_;
  std::size_t size_ = 0;
  std::vector<std::uint64_t> classes_{0};
  std::unordered_map<std::uint64_t, std::uint8_t> numbers_;
};

}  // namespace pgweir
