#include "tests/support/metrics_text.h"

#include <cmath>
#include <cstdlib>
#include <regex>
#include <set>
#include <sstream>

namespace pgweir {
namespace {

const std::regex name_rule("[a-zA-Z_:][a-zA-Z0-9_:]*");
const std::regex sample_rule(
    R"re(([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,(?=[a-zA-Z_]))?)*)\})? (\S+))re");

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

class Reader {
 public:
  Reader(MetricsText& result, bool open) : result_(result), open_(open) {}

  void read(const std::string& text) {
    if (text.empty() || text.back() != '\n') wrong("the end", "no line end at the end");
    if (open_ && !ends_with(text, "\n# EOF\n")) wrong("the end", "no # EOF at the end");
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (ended_) wrong(line, "a line behind # EOF");
      read_line(line);
    }
    end_family();
  }

 private:
  void wrong(const std::string& line, const std::string& rule) {
    result_.mistakes.push_back(rule + ": " + line);
  }

  void read_line(const std::string& line) {
    if (line == "# EOF") {
      if (!open_) wrong(line, "# EOF is not of this format");
      ended_ = true;
    } else if (line.rfind("# ", 0) == 0) {
      read_meta(line);
    } else {
      read_sample(line);
    }
  }

  void read_meta(const std::string& line) {
    std::istringstream words(line);
    std::string hash, what, name, rest;
    words >> hash >> what >> name;
    std::getline(words >> std::ws, rest);
    if (!std::regex_match(name, name_rule)) wrong(line, "not a name");
    if (name != family_) {
      end_family();
      if (!families_.insert(name).second) wrong(line, "a family that comes twice");
      family_ = name;
    }
    if (what == "TYPE") {
      type_ = result_.types[name] = rest;
      static const std::set<std::string> known{"gauge", "counter", "histogram", "info"};
      if (!known.contains(rest) || (!open_ && rest == "info")) wrong(line, "not a type");
    } else if (what == "HELP") {
      help_ = !rest.empty();
    } else if (what == "UNIT") {
      if (!open_) wrong(line, "UNIT is not of this format");
      if (!ends_with(name, "_" + rest)) wrong(line, "a name that does not end in its unit");
    } else {
      wrong(line, "neither TYPE nor HELP nor UNIT");
    }
  }

  void read_sample(const std::string& line) {
    std::smatch parts;
    if (!std::regex_match(line, parts, sample_rule)) return wrong(line, "not a sample");
    const std::string name = parts[1], labels = parts[2], number = parts[3];
    char* end = nullptr;
    const double value = std::strtod(number.c_str(), &end);
    if (*end != '\0') wrong(line, "not a number");
    const std::string series = labels.empty() ? name : name + "{" + labels + "}";
    if (!result_.samples.emplace(series, value).second) wrong(line, "a series that comes twice");
    if (name.rfind(family_, 0) != 0 || !suffix_allowed(name.substr(family_.size())))
      wrong(line, "not a sample of " + family_);
    if (type_ == "counter" && !(value >= 0)) wrong(line, "a counter below 0");
    if (type_ == "histogram") read_histogram(line, name.substr(family_.size()), labels, value);
  }

  bool suffix_allowed(const std::string& suffix) const {
    if (type_ == "histogram") return suffix == "_bucket" || suffix == "_count" || suffix == "_sum";
    if (type_ == "counter")
      return open_ ? suffix == "_total" : suffix.empty() && ends_with(family_, "_total");
    if (type_ == "info") return suffix == "_info";
    return suffix.empty();
  }

  void read_histogram(const std::string& line, const std::string& suffix, std::string labels, double value) {
    if (suffix == "_bucket") {
      const auto at = labels.rfind("le=\"");
      if (at == std::string::npos) return wrong(line, "a bucket without le");
      const std::string bound = labels.substr(at + 4, labels.size() - at - 5);
      const double edge = bound == "+Inf" ? HUGE_VAL : std::strtod(bound.c_str(), nullptr);
      labels.resize(at == 0 ? 0 : at - 1);
      if (labels == bucket_labels_ && in_buckets_) {
        if (edge <= edge_) wrong(line, "bounds that do not rise");
        if (value < count_) wrong(line, "buckets that are not cumulative");
      } else if (in_buckets_) {
        wrong(line, "buckets without their sum and count");
      }
      in_buckets_ = true;
      bucket_labels_ = labels;
      edge_ = edge;
      count_ = value;
      return;
    }
    if (labels != bucket_labels_ || edge_ != HUGE_VAL) wrong(line, "no bucket +Inf before");
    if (suffix == "_count" && value != count_) wrong(line, "not the count of the last bucket");
    in_buckets_ = false;
  }

  void end_family() {
    if (family_.empty()) return;
    if (type_.empty()) wrong(family_, "no TYPE");
    if (!help_) wrong(family_, "no HELP");
    type_.clear();
    help_ = in_buckets_ = false;
    bucket_labels_.clear();
  }

  MetricsText& result_;
  bool open_;
  bool ended_ = false, help_ = false, in_buckets_ = false;
  std::string family_, type_, bucket_labels_;
  std::set<std::string> families_;
  double edge_ = 0, count_ = 0;
};

}  // namespace

double MetricsText::value(const std::string& series) const {
  const auto found = samples.find(series);
  return found == samples.end() ? std::nan("") : found->second;
}

double MetricsText::sum(const std::string& name, const std::string& part) const {
  double all = 0;
  for (const auto& [series, number] : samples) {
    if (series.substr(0, series.find('{')) == name && series.find(part) != std::string::npos) all += number;
  }
  return all;
}

MetricsText read_metrics(const std::string& text, bool openmetrics) {
  MetricsText result;
  Reader(result, openmetrics).read(text);
  return result;
}

}  // namespace pgweir
