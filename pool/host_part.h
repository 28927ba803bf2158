#pragma once
// What one of several workers saw of a host in a minute: how its own level of executing statements moved, and
// its statements. Only together do the workers know which levels a statement met. Values.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "pool/level_series.h"
#include "pool/profile.h"
#include "pool/time.h"

namespace pgweir {

struct HostPart {
  struct Statement {
    std::uint32_t begin_us = 0, end_us = 0;  // after the start of the part, which it may have begun before
    std::uint32_t span_us = 0;               // from its real beginning
    std::uint16_t begin_level = 0, end_level = 0;  // of the worker, with the statement itself
    std::uint16_t pick = 0;                        // a random number
    std::uint8_t statement_class = 0;              // index of classes
  };
  LevelSeries level;
  std::vector<std::uint64_t> classes{0};  // 0: all the rest
  std::vector<Statement> statements;
  std::uint16_t mask = 0;  // one of mask + 1 statements is listed, by chance
};

// Belongs to the worker. At most 8192 statements, so that putting them together takes the control thread some
// milliseconds a minute: of more, fewer are listed, by chance.
class HostPartRecorder {
 public:
  static constexpr std::size_t most_statements = std::size_t{1} << 13;

  explicit HostPartRecorder(Instant now) : level_(0, now) { begin(now); }

  void level(int level, Instant now) { level_.change(level, now); }
  // Before its level falls; `begin_level` is what it was when the statement had begun.
  void ended(std::uint64_t statement_class, Instant start, int begin_level, int end_level, Instant now);
  // On whole minutes.
  bool is_due(Instant now) const { return now >= due_; }
  HostPart take(Instant now);
  HostPart so_far(Instant now) const;

 private:
  void begin(Instant now);
  std::uint8_t number_of(std::uint64_t statement_class);

  LevelRecorder level_;
  HostPart part_;
  Instant start_, due_;
  std::unordered_map<std::uint64_t, std::uint8_t> numbers_;
  std::uint64_t count_ = 0;
};

// Adds what the statements of all workers' parts of one minute met.
void add(SpeedEvidence& evidence, std::span<const HostPart* const> parts);
// Puts what was seen of the same host at other times, or by another, together.
void merge(SpeedEvidence& evidence, const SpeedEvidence& other);

// The parts of all workers, put together minute by minute. Belongs to one thread.
class HostParts {
 public:
  explicit HostParts(int workers) : workers_(workers) {}

  void add(const std::string& host, HostPart part, Instant now);
  // Of this process, up to the last minute that is complete.
  const std::map<std::string, SpeedEvidence>& evidence() const { return evidence_; }

 private:
  // A worker that has nothing on the host sends nothing.
  static constexpr Duration lateness = std::chrono::seconds(10);
  struct Minute {
    std::vector<HostPart> parts;
    Instant first;  // when the first of them came
  };
  void close(Instant now);

  int workers_;
  std::map<std::string, std::map<std::int64_t, Minute>> open_;
  std::map<std::string, SpeedEvidence> evidence_;
};

}  // namespace pgweir
