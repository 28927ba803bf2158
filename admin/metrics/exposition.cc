#include "admin/metrics/exposition.h"

#include <charconv>
#include <cmath>

#include "pool/time.h"

namespace pgweir {
namespace {

constexpr int first_bound_bit = 6, last_bound_bit = 26;  // 64 us, 67 s

// The length of the UTF-8 character that `text` begins with, 0 when it is none (RFC 3629).
std::size_t utf8_length(Bytes text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xC2 && first < 0xE0   ? 2
                             : first >= 0xE0 && first < 0xF0 ? 3
                             : first >= 0xF0 && first < 0xF5 ? 4
                                                             : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0u) != 0x80) return 0;
  }
  const unsigned char second = at(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool beyond = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return overlong || beyond ? 0 : length;
}

void append_hex(std::string& out, unsigned char byte) {
  constexpr Bytes digits = "0123456789abcdef";
  out += digits[byte >> 4];
  out += digits[byte & 15u];
}

void escape(std::string& out, Bytes text, bool quotes) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0 || (static_cast<unsigned char>(c) < 0x20 && c != '\n')) {
      out += "\\\\x";
      append_hex(out, static_cast<unsigned char>(c));
      text.remove_prefix(1);
      continue;
    }
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (c == '"' && quotes)) {
      out += '\\';
      out += c;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

std::string labels_text(const MetricLabels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name;
    out += "=\"";
    escape(out, value, true);
    out += '"';
  }
  return out;
}

double seconds_of(std::int64_t us) { return static_cast<double>(us) / 1e6; }

}  // namespace

Bytes content_type(MetricsFormat format) {
  switch (format) {
    case MetricsFormat::prometheus:
      return "text/plain; version=0.0.4; charset=utf-8";
    case MetricsFormat::openmetrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
  }
  return {};
}

Bytes word_of(MetricType type) {
  switch (type) {
    case MetricType::gauge:
      return "gauge";
    case MetricType::counter:
      return "counter";
    case MetricType::histogram:
      return "histogram";
    case MetricType::info:
      return "info";
  }
  return {};
}

std::string metric_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::vector<std::int64_t> histogram_bounds_us() {
  std::vector<std::int64_t> bounds{1};
  for (int bit = first_bound_bit; bit <= last_bound_bit; ++bit) bounds.push_back(std::int64_t{1} << bit);
  return bounds;
}

void Exposition::begin(Bytes name, MetricType type, Bytes unit, Bytes help) {
  name_ = name;
  type_ = type;
  seen_.clear();
  // The older format knows names of samples only, and no information.
  const bool open = format_ == MetricsFormat::openmetrics;
  std::string family(name);
  if (!open && type == MetricType::counter) family += "_total";
  if (!open && type == MetricType::info) family += "_info";
  out_ += "# TYPE " + family + ' ' +
          std::string(!open && type == MetricType::info ? "gauge" : word_of(type)) + '\n';
  if (open && !unit.empty()) out_ += "# UNIT " + family + ' ' + std::string(unit) + '\n';
  out_ += "# HELP " + family + ' ';
  escape(out_, help, open);
  out_ += '\n';
}

bool Exposition::fresh(const std::string& labels) { return seen_.insert(labels).second; }

void Exposition::sample(Bytes suffix, const std::string& labels, Bytes value) {
  out_ += name_;
  out_ += suffix;
  if (!labels.empty()) out_ += '{' + labels + '}';
  out_ += ' ';
  out_ += value;
  out_ += '\n';
}

void Exposition::add(const MetricLabels& labels, double value) {
  const std::string text = labels_text(labels);
  if (!fresh(text)) return;
  const Bytes suffix = type_ == MetricType::counter ? "_total" : type_ == MetricType::info ? "_info" : "";
  sample(suffix, text, metric_number(value));
}

void Exposition::add(const MetricLabels& labels, const Histogram& values) {
  const std::string text = labels_text(labels);
  if (!fresh(text)) return;
  const std::string before = text.empty() ? "le=\"" : text + ",le=\"";
  std::uint64_t below = 0;
  std::size_t bucket = 0;
  for (const std::int64_t bound : histogram_bounds_us()) {
    const std::size_t end = Histogram::bucket_of(std::chrono::microseconds(bound));
    for (; bucket < end; ++bucket) below += values.count_in(bucket);
    sample("_bucket", before + metric_number(seconds_of(bound)) + '"', std::to_string(below));
  }
  const std::string count = std::to_string(values.count());
  sample("_bucket", before + "+Inf\"", count);
  sample("_count", text, count);
  sample("_sum", text, metric_number(in_seconds(values.sum())));
}

std::string Exposition::finish() {
  if (format_ == MetricsFormat::openmetrics) out_ += "# EOF\n";
  return std::exchange(out_, {});
}

}  // namespace pgweir
