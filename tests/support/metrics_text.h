#pragma once
// A strict reader of metrics in both formats, for tests: it accepts no more than the formats allow.

#include <map>
#include <string>
#include <vector>

namespace pgweir {

struct MetricsText {
  std::map<std::string, std::string> types;  // of families, by the name in their TYPE line
  std::map<std::string, double> samples;     // "name{labels}" as it stands there
  std::vector<std::string> mistakes;         // lines that break a rule, with the rule; empty: well formed

  // The value of a sample; NaN when it is not there.
  double value(const std::string& series) const;
  bool has(const std::string& series) const { return samples.contains(series); }
  // The sum of the samples of this name whose labels contain `part`.
  double sum(const std::string& name, const std::string& part = {}) const;
};

MetricsText read_metrics(const std::string& text, bool openmetrics);

}  // namespace pgweir
