#include "pool/histogram.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

Histogram of(const std::vector<Duration>& values) {
  Histogram histogram;
  for (const Duration value : values) histogram.record(value);
  return histogram;
}

}  // namespace

TEST_CASE("histogram: every microsecond up to 16 has its own bucket, then 16 to the octave") {
  CHECK(Histogram::bucket_of(0ns) == 0);
  CHECK(Histogram::bucket_of(999ns) == 0);
  CHECK(Histogram::bucket_of(-5us) == 0);
  CHECK(Histogram::bucket_of(1us) == 1);
  CHECK(Histogram::bucket_of(15us) == 15);
  CHECK(Histogram::bucket_of(16us) == 16);
  CHECK(Histogram::bucket_of(17us) == 17);
  CHECK(Histogram::bucket_of(31us) == 31);
  CHECK(Histogram::bucket_of(32us) == 32);
  CHECK(Histogram::bucket_of(33us) == 32);
  CHECK(Histogram::bucket_of(34us) == 33);
  const auto top = std::chrono::microseconds(std::int64_t{1} << 32);
  CHECK(Histogram::bucket_of(top - 1us) == 463);
  CHECK(Histogram::bucket_of(top) == 463);
  CHECK(Histogram::bucket_of(top * 1000) == 463);
  CHECK(Histogram::upper_edge(463) == top);
}

TEST_CASE("histogram: the edges of all buckets meet and belong to the right bucket") {
  CHECK(Histogram::lower_edge(0) == 0us);
  for (std::size_t i = 0; i < Histogram::buckets; ++i) {
    const Duration low = Histogram::lower_edge(i), high = Histogram::upper_edge(i);
    CHECK(low < high);
    CHECK(Histogram::bucket_of(low) == i);
    CHECK(Histogram::bucket_of(high - 1ns) == i);
    if (i >= 16)
      CHECK(static_cast<double>((high - low).count()) <= 0.0625 * static_cast<double>(low.count()));
  }
}

TEST_CASE("histogram: a quantile is at most 6.25 % above the truth and never below") {
  std::mt19937_64 random(7);
  std::vector<Duration> values;
  for (int i = 0; i < 20000; ++i)
    values.push_back(Duration(
        20000 + static_cast<std::int64_t>(std::exp(static_cast<double>(random() % 1600) / 100.0) * 1e3)));
  const Histogram histogram = of(values);
  std::sort(values.begin(), values.end());
  for (const double q : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const Duration truth = values[static_cast<std::size_t>(std::ceil(q * 20000)) - 1];
    CHECK(histogram.quantile(q) >= truth);
    CHECK(static_cast<double>(histogram.quantile(q).count()) <=
          1.0625 * static_cast<double>(truth.count()) + 1000);
  }
  CHECK(histogram.quantile(1) == values.back());
}

TEST_CASE("histogram: zeros count and answer as zero") {
  const Histogram histogram = of({0ns, 0ns, 0ns, 5ms});
  CHECK(histogram.count() == 4);
  CHECK(histogram.quantile(0.5) == 0ns);
  CHECK(histogram.quantile(0.99) == 5ms);
  CHECK(histogram.share_above(0ns) == doctest::Approx(0.25));
}

TEST_CASE("histogram: the share above a limit") {
  const Histogram histogram = of({1ms, 2ms, 50ms, 100ms});
  CHECK(histogram.share_above(10ms) == doctest::Approx(0.5));
  CHECK(histogram.share_above(200ms) == 0);
  // Inside a bucket it is shared out: [64, 68) us has 16 values.
  Histogram inside;
  for (int i = 0; i < 16; ++i) inside.record(65us);
  CHECK(inside.share_above(65us) == doctest::Approx(0.75));
}

TEST_CASE("histogram: sum and max are exact, beyond the last bucket too") {
  const Histogram histogram = of({1500ns, 10h});
  CHECK(histogram.sum() == 10h + 1500ns);
  CHECK(histogram.max() == 10h);
  CHECK(histogram.quantile(0.99) == 10h);
  CHECK(histogram.count_in(463) == 1);
}

TEST_CASE("histogram: merging is adding, packed or not") {
  const Histogram a = of({0ns, 3us, 17us, 2s}), b = of({3us, 900us, 2h});
  Histogram both = of({0ns, 3us, 17us, 2s, 3us, 900us, 2h});
  Histogram merged = a;
  merged.merge(b);
  Histogram packed = a.pack().unpack();
  packed.add(b.pack());
  for (const Histogram& it : {merged, packed}) {
    CHECK(it.count() == both.count());
    CHECK(it.sum() == both.sum());
    CHECK(it.max() == both.max());
    for (std::size_t i = 0; i < Histogram::buckets; ++i) CHECK(it.count_in(i) == both.count_in(i));
  }
  CHECK(a.pack().entries.size() == 4);
}

TEST_CASE("histogram: walking over it shows each bucket in use once, in order") {
  const Histogram histogram = of({3us, 3us, 100us});
  std::vector<std::uint64_t> counts;
  Duration last{};
  histogram.for_each([&](Duration low, Duration high, std::uint64_t count) {
    CHECK(low >= last);
    CHECK(high > low);
    last = high;
    counts.push_back(count);
  });
  CHECK(counts == std::vector<std::uint64_t>{2, 1});
}

TEST_CASE("histogram: an empty one answers zero") {
  const Histogram empty;
  CHECK(empty.quantile(0.99) == 0ns);
  CHECK(empty.mean() == 0ns);
  CHECK(empty.share_above(1ms) == 0);
  CHECK(empty.pack().entries.empty());
}
