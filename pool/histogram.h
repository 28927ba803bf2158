#pragma once
// A histogram of durations in fixed memory. A plain value: one thread writes it, copies may go anywhere.
//
// Layout 1 (fixed for ever; a change needs a new number, because histograms of different processes are added
// up): whole microseconds, 16 linear buckets in each octave, 464 buckets.
//   buckets 0..15    one microsecond each; bucket 0 is [0, 1 us), that is "nothing" and has it to itself
//   bucket 16*k + s  with k = 1..28, s = 0..15: [(16 + s) * 2^(k-1) us, (17 + s) * 2^(k-1) us)
// The last bucket ends at 2^32 us (71.6 minutes) and also holds whatever is longer; sum and max stay exact.
// So a bucket is at most 1/16 = 6.25 % wide from 16 us up, and one microsecond below.
// This is the layout of HdrHistogram for one significant figure (32 sub-buckets, of which the upper 16 are
// used in every octave but the first; https://github.com/HdrHistogram/HdrHistogram_c).

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pool/time.h"

namespace pgweir {

struct PackedHistogram;

class Histogram {
 public:
  static constexpr int layout = 1;
  static constexpr std::size_t buckets = 464;

  static constexpr std::size_t bucket_of(Duration value) {
    if (value < std::chrono::microseconds(1)) return 0;
    const auto us = static_cast<std::uint64_t>(micros(value));
    if (us < 16) return static_cast<std::size_t>(us);
    const int octave = static_cast<int>(std::bit_width(us)) - 1;
    if (octave > 31) return buckets - 1;
    return static_cast<std::size_t>(octave - 4) * 16 + static_cast<std::size_t>(us >> (octave - 4));
  }
  // First value of the bucket, and first value behind it.
  static Duration lower_edge(std::size_t bucket);
  static Duration upper_edge(std::size_t bucket) { return lower_edge(bucket + 1); }

  // A negative value counts as zero.
  void record(Duration value) {
    if (value < Duration::zero()) value = Duration::zero();
    ++counts_[bucket_of(value)];
    ++count_;
    sum_ = sum_ > Duration::max() - value ? Duration::max() : sum_ + value;
    if (value > max_) max_ = value;
  }
  void merge(const Histogram& other);
  void clear() { *this = Histogram{}; }

  std::uint64_t count() const { return count_; }
  std::uint64_t count_in(std::size_t bucket) const { return counts_[bucket]; }
  Duration sum() const { return sum_; }
  Duration max() const { return max_; }
  Duration mean() const;  // 0 when empty

  // The value that a share `q` of all values does not exceed: the upper edge of the bucket in which it lies,
  // so never less than the truth and at most 6.25 % (or 1 us) more; never above max(). Bucket 0 answers 0.
  // 0 when empty.
  Duration quantile(double q) const;
  // Share of values above `limit`; values in the bucket of `limit` are taken as evenly spread. 0 when empty.
  double share_above(Duration limit) const;

  // visit(lower edge, upper edge, count) for every bucket that is not empty, from short to long.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t i = 0; i < buckets; ++i)
      if (counts_[i] != 0) visit(lower_edge(i), upper_edge(i), counts_[i]);
  }

  PackedHistogram pack() const;
  void add(const PackedHistogram& packed);
  // What was counted elsewhere, with the sum of the values and the longest.
  void add_counts(std::size_t bucket, std::uint64_t count) {
    counts_[bucket] += count;
    count_ += count;
  }
  void add_extremes(Duration sum, Duration max);

 private:
  std::array<std::uint64_t, buckets> counts_{};
  std::uint64_t count_ = 0;
  Duration sum_{}, max_{};
};

// The same without its empty buckets, for windows that are kept. A bucket counts to 2^32 - 1 and stays there.
struct PackedHistogram {
  struct Entry {
    std::uint16_t bucket = 0;
    std::uint32_t count = 0;
  };
  std::vector<Entry> entries;  // by bucket
  Duration sum{}, max{};

  Histogram unpack() const {
    Histogram histogram;
    histogram.add(*this);
    return histogram;
  }
};

}  // namespace pgweir
