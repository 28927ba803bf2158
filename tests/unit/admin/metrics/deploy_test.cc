// The dashboard and the alert rules that are shipped name metrics that exist.

#include <doctest/doctest.h>

#include <regex>
#include <set>

#include "admin/metrics/metrics_table.h"
#include "tests/support/temp_dir.h"

using namespace pgweir;

namespace {

std::set<std::string> series_names() {
  std::set<std::string> names;
  for (const Metric& metric : metrics_table()) {
    const std::string name = sample_name(metric);
    if (metric.type != MetricType::histogram) names.insert(name);
    if (metric.type == MetricType::histogram)
      names.insert({name + "_bucket", name + "_count", name + "_sum"});
  }
  return names;
}

// The labels that a metric may be asked for: its own, and those that Prometheus adds.
bool has_label(const std::string& series, const std::string& label) {
  if (label == "instance" || label == "job" || label == "le") return true;
  for (const Metric& metric : metrics_table()) {
    const std::string name = sample_name(metric);
    if (series != name && series != name + "_bucket") continue;
    for (const MetricLabel& it : metric.labels) {
      if (it.name == label) return true;
    }
  }
  return false;
}

void check_names(const std::string& file, std::size_t least) {
  CAPTURE(file);
  const std::string text = read_file(std::string(PGWEIR_SOURCE_DIR) + "/admin/deploy/" + file);
  const std::set<std::string> known = series_names();
  const std::regex series("\\b(pg(?:weir|bouncer)_[a-z0-9_]+)(?:\\{([^}]*)\\})?");
  const std::regex label("([a-z_]+)(?:=~|!~|!=|=)");
  std::set<std::string> seen;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), series); it != std::sregex_iterator(); ++it) {
    const std::string name = (*it)[1], selector = (*it)[2];
    CAPTURE(name);
    seen.insert(name);
    CHECK(known.contains(name));
    for (auto at = std::sregex_iterator(selector.begin(), selector.end(), label);
         at != std::sregex_iterator(); ++at) {
      const std::string wanted = (*at)[1];
      CAPTURE(wanted);
      CHECK(has_label(name, wanted));
    }
  }
  CHECK(seen.size() >= least);
}

}  // namespace

TEST_CASE("metrics: the alert rules name what there is") { check_names("pgweir.rules.yml", 8); }

TEST_CASE("metrics: the dashboard names what there is") { check_names("pgweir-dashboard.json", 15); }
