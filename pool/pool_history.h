#pragma once
// The closed minutes of one pool, of all workers together, and what is kept of them for long: ten minutes for
// 3 days, hours for 30 days, days for 400 days, each with its busiest and its worst minute. Periods begin on
// round times of the wall clock (UTC). Bounded; belongs to one thread.

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "pool/profile.h"
#include "pool/time.h"
#include "pool/windows.h"

namespace pgweir {

enum class Tier : std::uint8_t { ten_minutes, hours, days };
inline constexpr std::size_t tiers = 3;

Duration length_of(Tier tier);
// So many periods are kept.
std::size_t capacity_of(Tier tier);

// When pgweir ran.
class RunTimes {
 public:
  static constexpr std::size_t capacity = 1000;
  // The run that began at `start` went on until `until` at least.
  void add(Instant start, Instant until);
  bool covers(Instant from, Instant to) const;
  const std::vector<std::pair<Instant, Instant>>& all() const { return runs_; }  // start and end, ascending

 private:
  std::vector<std::pair<Instant, Instant>> runs_;
};

class PoolHistory {
 public:
  // A period is closed so long after its end: then the virtual demand of its last minute is final in all
  // workers (VirtualDemand::lag, and the minute in which it is cut).
  static constexpr Duration lateness = std::chrono::minutes(4);

  static constexpr std::size_t most_minutes = 180;

  explicit PoolHistory(Duration wall_offset) : wall_offset_(wall_offset) {}

  // One worker's part of a minute, in any order; or all parts together, instead of those that are there.
  void add(const WindowRef& part);
  // The minutes whose parts have all come since the last call, where there was more than one part: put
  // together, to be kept instead of them.
  std::vector<WindowRef> take_whole(Instant now);
  // A period that was closed by an earlier process; they come in the order in which they were closed.
  void restore(Tier tier, PeriodRef period);
  // Closes what is over: the new periods, to be kept.
  std::vector<std::pair<Tier, PeriodRef>> close(Instant now, const RunTimes& runs);

  const std::vector<WindowRef>& minutes() const { return minutes_; }  // oldest first
  const std::vector<PeriodRef>& periods(Tier tier) const { return periods_[static_cast<std::size_t>(tier)]; }
  // The start of the last minute or period.
  Instant latest() const;

 private:
  std::int64_t place(Instant at, Tier tier) const;
  std::vector<PeriodRef>& of(Tier tier) { return periods_[static_cast<std::size_t>(tier)]; }
  void push(Tier tier, PeriodRef period);
  template <class Part, class Start, class AsPeriod>
  void close_parts(Tier tier, const std::vector<Part>& parts, Start start_of, AsPeriod as_period, Instant now,
                   const RunTimes& runs, std::vector<std::pair<Tier, PeriodRef>>& closed);

  Duration wall_offset_;
  std::vector<WindowRef> minutes_;
  std::array<std::vector<PeriodRef>, tiers> periods_;
};

}  // namespace pgweir
