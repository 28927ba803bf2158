#include "admin/metrics/exposition.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

std::string gauge(const MetricLabels& labels, double value, Bytes help = "H.") {
  Exposition out(MetricsFormat::openmetrics);
  out.begin("x", MetricType::gauge, "", help);
  out.add(labels, value);
  return out.finish();
}

std::string sample(const std::string& label) {
  const std::string all = gauge({{"a", label}}, 1);
  return all.substr(all.find("\nx{") + 1, all.find("# EOF") - all.find("\nx{") - 2);
}

}  // namespace

TEST_CASE("metrics: the two formats name counters and information as their readers expect") {
  const auto both = [](MetricsFormat format) {
    Exposition out(format);
    out.begin("c_seconds", MetricType::counter, "seconds", "Time.");
    out.add({}, 1.5);
    out.begin("b", MetricType::info, "", "Version.");
    out.add({{"version", "1"}}, 1);
    return out.finish();
  };
  CHECK(both(MetricsFormat::openmetrics) ==
        "# TYPE c_seconds counter\n# UNIT c_seconds seconds\n# HELP c_seconds Time.\nc_seconds_total 1.5\n"
        "# TYPE b info\n# HELP b Version.\nb_info{version=\"1\"} 1\n# EOF\n");
  CHECK(both(MetricsFormat::prometheus) ==
        "# TYPE c_seconds_total counter\n# HELP c_seconds_total Time.\nc_seconds_total 1.5\n"
        "# TYPE b_info gauge\n# HELP b_info Version.\nb_info{version=\"1\"} 1\n");
}

TEST_CASE("metrics: labels are escaped, and what is not UTF-8 is written in hexadecimal") {
  CHECK(sample("plain") == "x{a=\"plain\"} 1");
  CHECK(sample("a\"b\\c\nd") == "x{a=\"a\\\"b\\\\c\\nd\"} 1");
  CHECK(sample("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\x98") == "x{a=\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\x98\"} 1");
  CHECK(sample("\xFF") == "x{a=\"\\\\xff\"} 1");
  CHECK(sample("\xC3") == "x{a=\"\\\\xc3\"} 1");
  CHECK(sample("\xC0\xAF") == "x{a=\"\\\\xc0\\\\xaf\"} 1");             // overlong
  CHECK(sample("\xED\xA0\x80") == "x{a=\"\\\\xed\\\\xa0\\\\x80\"} 1");  // a surrogate
  CHECK(sample("\xF4\x90\x80\x80") == "x{a=\"\\\\xf4\\\\x90\\\\x80\\\\x80\"} 1");
  CHECK(sample(std::string("\0\r\x1b[", 4)) == "x{a=\"\\\\x00\\\\x0d\\\\x1b[\"} 1");
}

TEST_CASE("metrics: help is escaped too") {
  CHECK(gauge({}, 1, "a\\b\nc").find("# HELP x a\\\\b\\nc\n") != std::string::npos);
}

TEST_CASE("metrics: numbers are exact, and infinity and NaN have their words") {
  CHECK(metric_number(0) == "0");
  CHECK(metric_number(12) == "12");
  CHECK(metric_number(0.1) == "0.1");
  CHECK(metric_number(1e-6) == "1e-06");
  CHECK(metric_number(9007199254740993.0) == "9007199254740992");
  CHECK(metric_number(std::numeric_limits<double>::infinity()) == "+Inf");
  CHECK(metric_number(-std::numeric_limits<double>::infinity()) == "-Inf");
  CHECK(metric_number(std::nan("")) == "NaN");
}

TEST_CASE("metrics: the same labels come once in a family") {
  Exposition out(MetricsFormat::prometheus);
  for (const char* name : {"x", "y"}) {
    out.begin(name, MetricType::gauge, "", "H.");
    out.add({{"a", "1"}}, 1);
    out.add({{"a", "2"}}, 2);
    out.add({{"a", "1"}}, 3);
  }
  const std::string text = out.finish();
  CHECK(text.find("x{a=\"1\"} 1\nx{a=\"2\"} 2\n# TYPE y") != std::string::npos);
  CHECK(text.ends_with("y{a=\"1\"} 1\ny{a=\"2\"} 2\n"));
}

TEST_CASE("metrics: the buckets of a histogram are cumulative and end with all of it") {
  Histogram values;
  values.record(0us);
  values.record(0us);
  values.record(63us);
  values.record(64us);  // counted above the bound of 64 us
  values.record(1ms);
  values.record(100s);
  Exposition out(MetricsFormat::openmetrics);
  out.begin("x_seconds", MetricType::histogram, "seconds", "H.");
  out.add({{"a", "1"}}, values);
  const std::string text = out.finish();
  const auto has = [&](Bytes line) { return text.find(line) != std::string::npos; };
  CHECK(has("x_seconds_bucket{a=\"1\",le=\"1e-06\"} 2\n"));
  CHECK(has("x_seconds_bucket{a=\"1\",le=\"6.4e-05\"} 3\n"));
  CHECK(has("x_seconds_bucket{a=\"1\",le=\"0.000128\"} 4\n"));
  CHECK(has("x_seconds_bucket{a=\"1\",le=\"0.001024\"} 5\n"));
  CHECK(has("x_seconds_bucket{a=\"1\",le=\"67.108864\"} 5\n"));
  CHECK(has("x_seconds_bucket{a=\"1\",le=\"+Inf\"} 6\n"));
  CHECK(has("x_seconds_count{a=\"1\"} 6\nx_seconds_sum{a=\"1\"} 100.001127\n"));
}

TEST_CASE("metrics: the bounds of histograms are edges of their buckets") {
  std::int64_t before = 0;
  for (const std::int64_t bound : histogram_bounds_us()) {
    CHECK(bound > before);
    before = bound;
    const Duration edge = std::chrono::microseconds(bound);
    CHECK(Histogram::lower_edge(Histogram::bucket_of(edge)) == edge);
  }
}
