#include "pool/levels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

namespace pgweir {

std::size_t LevelTimes::slot_of(int level) {
  if (level <= 0) return 0;
  if (level < exact_levels) return static_cast<std::size_t>(level);
  const auto value = static_cast<unsigned>(level);
  const int octave = static_cast<int>(std::bit_width(value)) - 1;
  if (octave > 19) return max_slots - 1;
  return 1024 + static_cast<std::size_t>(octave - 10) * 64 + ((value >> (octave - 6)) - 64);
}

int LevelTimes::level_of(std::size_t slot) {
  if (slot < 1024) return static_cast<int>(slot);
  const std::size_t octave = (slot - 1024) / 64;  // counted from 2^10
  const std::size_t width = std::size_t{16} << octave;
  return static_cast<int>((64 + (slot - 1024) % 64) * width + width / 2);
}

void LevelTimes::reserve(int level) {
  const std::size_t slots = slot_of(level) + 1;
  if (times_.size() < slots) times_.resize(slots);
}

void LevelTimes::add_time(int level, Duration time) {
  if (time <= Duration::zero()) return;
  reserve(level);
  times_[slot_of(level)] += time.count();
}

void LevelTimes::add_counts(int level, std::uint64_t arrivals, std::uint64_t completions) {
  if (arrivals > 0) slot_in(arrivals_, level) += arrivals;
  if (completions > 0) slot_in(completions_, level) += completions;
}

void LevelTimes::remove_idle(Duration time) {
  if (!times_.empty()) times_[0] -= std::clamp<std::int64_t>(time.count(), 0, times_[0]);
}

Duration LevelTimes::time_at(int level) const {
  const std::size_t slot = slot_of(level);
  return Duration(slot < times_.size() ? times_[slot] : 0);
}

Duration LevelTimes::total() const {
  std::int64_t sum = 0;
  for (const std::int64_t time : times_) sum += time;
  return Duration(sum);
}

Duration LevelTimes::level_time() const {
  double sum = 0;
  std::int64_t exact = 0;
  for_each([&](int level, Duration time) {
    sum += level * static_cast<double>(time.count());
    if (sum < 9e18) exact += level * time.count();
  });
  return sum < 9e18 ? Duration(exact) : Duration::max();
}

double LevelTimes::mean() const {
  double sum = 0, all = 0;
  for_each([&](int level, Duration time) {
    all += static_cast<double>(time.count());
    sum += level * static_cast<double>(time.count());
  });
  return all > 0 ? sum / all : 0;
}

double LevelTimes::variance() const {
  const double middle = mean();
  double sum = 0, all = 0;
  for_each([&](int level, Duration time) {
    all += static_cast<double>(time.count());
    sum += (level - middle) * (level - middle) * static_cast<double>(time.count());
  });
  return all > 0 ? sum / all : 0;
}

int LevelTimes::quantile(double q) const {
  const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(total().count());
  double seen = 0;
  for (std::size_t slot = 0; slot < times_.size(); ++slot) {
    seen += static_cast<double>(times_[slot]);
    if (times_[slot] > 0 && seen >= wanted) return level_of(slot);
  }
  return highest();
}

int LevelTimes::highest() const {
  for (std::size_t slot = times_.size(); slot > 0; --slot)
    if (times_[slot - 1] > 0) return level_of(slot - 1);
  return 0;
}

double LevelTimes::share_at_or_above(int level) const {
  const Duration all = total();
  if (all <= Duration::zero()) return 0;
  std::int64_t above = 0;
  for (std::size_t slot = slot_of(level); slot < times_.size(); ++slot) above += times_[slot];
  return static_cast<double>(above) / static_cast<double>(all.count());
}

void LevelTimes::merge(const LevelTimes& other) {
  const auto add = [](auto& to, const auto& from) {
    if (to.size() < from.size()) to.resize(from.size());
    for (std::size_t slot = 0; slot < from.size(); ++slot) to[slot] += from[slot];
  };
  add(times_, other.times_);
  add(arrivals_, other.arrivals_);
  add(completions_, other.completions_);
}

LevelTimes LevelTimes::combine(const LevelTimes& a, const LevelTimes& b) {
  const auto total_a = static_cast<double>(a.total().count());
  const auto total_b = static_cast<double>(b.total().count());
  if (total_a <= 0 || total_b <= 0) {
    LevelTimes one = total_a > 0 ? a : b;
    one.arrivals_.clear();
    one.completions_.clear();
    return one;
  }
  std::vector<double> shares(max_slots);
  a.for_each([&](int level_a, Duration time_a) {
    b.for_each([&](int level_b, Duration time_b) {
      shares[slot_of(level_a + level_b)] +=
          static_cast<double>(time_a.count()) / total_a * (static_cast<double>(time_b.count()) / total_b);
    });
  });
  LevelTimes sum;
  for (std::size_t slot = 0; slot < max_slots; ++slot)
    sum.add_time(level_of(slot), Duration(std::llround(shares[slot] * std::max(total_a, total_b))));
  return sum;
}

void LevelTimes::clear() {
  std::fill(times_.begin(), times_.end(), 0);
  std::fill(arrivals_.begin(), arrivals_.end(), 0);
  std::fill(completions_.begin(), completions_.end(), 0);
}

LevelTimes LevelTimes::packed() const {
  const auto trim = [](const auto& values) {
    auto end = values.end();
    while (end != values.begin() && *(end - 1) == 0) --end;
    return std::remove_cvref_t<decltype(values)>(values.begin(), end);
  };
  LevelTimes copy;
  copy.times_ = trim(times_);
  copy.arrivals_ = trim(arrivals_);
  copy.completions_ = trim(completions_);
  return copy;
}

std::uint64_t& LevelTimes::slot_in(std::vector<std::uint64_t>& values, int level) {
  const std::size_t slot = slot_of(level);
  if (values.size() <= slot) values.resize(slot + 1);
  return values[slot];
}

std::uint64_t LevelTimes::at(const std::vector<std::uint64_t>& values, int level) {
  const std::size_t slot = slot_of(level);
  return slot < values.size() ? values[slot] : 0;
}

void LevelGauge::set(int level, Instant now) {
  times_.add_time(level_, now - since_);
  if (now > since_) since_ = now;
  level_ = std::max(level, 0);
  times_.reserve(level_);
}

LevelTimes LevelGauge::times(Instant now) const {
  LevelTimes copy = times_.packed();
  copy.add_time(level_, now - since_);
  return copy;
}

LevelTimes LevelGauge::take(Instant now) {
  times_.add_time(level_, now - since_);
  if (now > since_) since_ = now;
  LevelTimes copy = times_.packed();
  times_.clear();
  return copy;
}

}  // namespace pgweir
