#pragma once
// The two formats in which metrics are read: Prometheus' text format 0.0.4 and OpenMetrics 1.0. Pure.

#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "pool/histogram.h"
#include "protocol/bytes.h"

namespace pgweir {

enum class MetricsFormat : std::uint8_t { prometheus, openmetrics };
Bytes content_type(MetricsFormat format);

enum class MetricType : std::uint8_t { gauge, counter, histogram, info };
Bytes word_of(MetricType type);

using MetricLabels = std::vector<std::pair<Bytes, Bytes>>;

// The upper bounds of all histograms in microseconds: nothing, then the powers of two from 64 us to 67 s.
// Each is an edge of a bucket of Histogram, so the counts are exact, with one difference: what took exactly
// as long as a bound is counted above it.
std::vector<std::int64_t> histogram_bounds_us();

// Writes one family after the other; samples belong to the family that was begun last. Whatever comes in, the
// text is well formed: texts are escaped, bytes that are not UTF-8 are written as \xNN, and a set of labels
// that came before in the family is left out.
class Exposition {
 public:
  explicit Exposition(MetricsFormat format) : format_(format) {}

  // `name`: without _total or _info.
  void begin(Bytes name, MetricType type, Bytes unit, Bytes help);
  void add(const MetricLabels& labels, double value);
  void add(const MetricLabels& labels, const Histogram& values);
  // The whole text; this is then empty.
  std::string finish();

 private:
  bool fresh(const std::string& labels);
  void sample(Bytes suffix, const std::string& labels, Bytes value);

  MetricsFormat format_;
  std::string out_, name_;
  MetricType type_{};
  std::unordered_set<std::string> seen_;
};

// "12", "0.5", "1e-06", "+Inf", "NaN": as short as it can be and still be the same number.
std::string metric_number(double value);

}  // namespace pgweir
