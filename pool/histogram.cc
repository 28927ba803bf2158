#include "pool/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pgweir {

Duration Histogram::lower_edge(std::size_t bucket) {
  if (bucket < 16) return std::chrono::microseconds(bucket);
  const std::size_t octave = bucket / 16;
  return std::chrono::microseconds((std::int64_t{16} + static_cast<std::int64_t>(bucket % 16))
                                   << (octave - 1));
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ = saturated_sum(sum_, other.sum_);
  max_ = std::max(max_, other.max_);
}

Duration Histogram::mean() const {
  return count_ == 0 ? Duration::zero() : Duration(sum_.count() / static_cast<std::int64_t>(count_));
}

Duration Histogram::quantile(double q) const {
  if (count_ == 0) return Duration::zero();
  const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
  std::uint64_t seen = counts_[0];
  if (seen >= rank) return Duration::zero();
  for (std::size_t i = 1; i + 1 < buckets; ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(upper_edge(i), max_);
  }
  return max_;
}

double Histogram::share_above(Duration limit) const {
  if (count_ == 0) return 0;
  const std::size_t at = bucket_of(limit);
  std::uint64_t above = 0;
  for (std::size_t i = at + 1; i < buckets; ++i) above += counts_[i];
  double partial = 0;
  if (at > 0) {
    const auto low = static_cast<double>(lower_edge(at).count());
    const auto high =
        static_cast<double>((at + 1 < buckets ? upper_edge(at) : std::max(upper_edge(at), max_)).count());
    const double part = (high - static_cast<double>(limit.count())) / (high - low);
    partial = static_cast<double>(counts_[at]) * std::clamp(part, 0.0, 1.0);
  }
  return (static_cast<double>(above) + partial) / static_cast<double>(count_);
}

PackedHistogram Histogram::pack() const {
  PackedHistogram packed;
  packed.sum = sum_;
  packed.max = max_;
  packed.entries.reserve(
      static_cast<std::size_t>(std::count_if(counts_.begin(), counts_.end(), [](auto n) { return n != 0; })));
  for (std::size_t i = 0; i < buckets; ++i) {
    if (counts_[i] == 0) continue;
    const auto count = std::min<std::uint64_t>(counts_[i], std::numeric_limits<std::uint32_t>::max());
    packed.entries.push_back({static_cast<std::uint16_t>(i), static_cast<std::uint32_t>(count)});
  }
  return packed;
}

void Histogram::add(const PackedHistogram& packed) {
  for (const auto& entry : packed.entries) {
    counts_[entry.bucket] += entry.count;
    count_ += entry.count;
  }
  add_extremes(packed.sum, packed.max);
}

void Histogram::add_extremes(Duration sum, Duration max) {
  sum_ = saturated_sum(sum_, sum);
  max_ = std::max(max_, max);
}

}  // namespace pgweir
