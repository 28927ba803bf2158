#pragma once
// How long a number stood at each of its values: connections in use, clients waiting, and so on.
//
// LevelTimes is the record, a plain value. LevelGauge is the number itself, which writes its record; it
// belongs to one thread. Levels 0..1023 are exact; above, a slot is 1/64 of an octave (at most 1.6 % wide)
// and the middle of it stands for it; everything from 2^20 up counts as the last slot. The storage is as long
// as the highest level that was reached, so a new highest level may allocate and nothing else does.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pool/time.h"

namespace pgweir {

class LevelTimes {
 public:
  static constexpr int exact_levels = 1024;
  static constexpr std::size_t max_slots = 1024 + 10 * 64;

  static std::size_t slot_of(int level);
  static int level_of(std::size_t slot);

  void add_time(int level, Duration time);
  // Makes room for `level`, so that adding at it does not allocate.
  void reserve(int level);
  void add_arrival(int level) { ++slot_in(arrivals_, level); }
  void add_completion(int level) { ++slot_in(completions_, level); }
  // What was counted elsewhere.
  void add_counts(int level, std::uint64_t arrivals, std::uint64_t completions);
  // Takes at most `time` away from level 0: time in which there was nothing to measure.
  void remove_idle(Duration time);

  Duration time_at(int level) const;
  std::uint64_t arrivals_at(int level) const { return at(arrivals_, level); }
  std::uint64_t completions_at(int level) const { return at(completions_, level); }

  Duration total() const;
  // Sum of level times time: the connection-seconds of Little's law.
  Duration level_time() const;
  double mean() const;  // time-weighted, as all of these; 0 when there is no time
  double variance() const;
  // The smallest level such that the share `q` of the time was spent at it or below.
  int quantile(double q) const;
  int highest() const;  // that lasted for any time
  double share_at_or_above(int level) const;

  // visit(level, time) for every level with time, from low to high.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t slot = 0; slot < times_.size(); ++slot)
      if (times_[slot] > 0) visit(level_of(slot), Duration(times_[slot]));
  }

  // Adds what the same gauge did at another time.
  void merge(const LevelTimes& other);
  // What two gauges, measured side by side, added up to. An approximation: their times say nothing of how
  // they moved together, so they are taken as independent. The mean is right, the spread too small when both
  // rise and fall together. Arrivals and completions by level are not kept.
  static LevelTimes combine(const LevelTimes& a, const LevelTimes& b);

  // Forgets everything but keeps the storage.
  void clear();
  // A copy without unused storage.
  LevelTimes packed() const;

 private:
  static std::uint64_t& slot_in(std::vector<std::uint64_t>& values, int level);
  static std::uint64_t at(const std::vector<std::uint64_t>& values, int level);

  std::vector<std::int64_t> times_;  // nanoseconds
  std::vector<std::uint64_t> arrivals_, completions_;
};

class LevelGauge {
 public:
  explicit LevelGauge(Instant now) : since_(now) { times_.reserve(0); }

  int level() const { return level_; }
  void set(int level, Instant now);
  void add(int by, Instant now) { set(level_ + by, now); }
  // Something came, or was finished, at the present level.
  void arrival() { times_.add_arrival(level_); }
  void completion() { times_.add_completion(level_); }

  // The record up to now.
  LevelTimes times(Instant now) const;
  // The same, and a new record begins.
  LevelTimes take(Instant now);

 private:
  int level_ = 0;
  Instant since_;
  LevelTimes times_;
};

}  // namespace pgweir
