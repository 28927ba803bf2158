#include "admin/metrics/metrics_reference.h"

#include "admin/metrics/metrics_table.h"

namespace pgweir {
namespace {

constexpr Bytes introduction =
    R"(# Metrics

With `metrics.port` set, an HTTP server of its own answers there, on `metrics.address`:

| path | answer |
|---|---|
| `/metrics` | The metrics below, in OpenMetrics 1.0 for readers that ask for it, else in Prometheus' text format. |
| `/healthz` | 200 when all threads answer, else 503. |
| `/readyz` | 200 when clients are served; 503 while the process drains, is paused, or does not answer. |

It has neither TLS nor passwords: names of databases and users, counts and times are what it shows. Leave it on a
loopback address, or on one that only the monitoring reaches. However many readers there are, the workers are asked at
most once a second. This page is made from the same table as the answer.

Histograms have the bounds 1 us (nothing) and all powers of two from 64 us to 67 s. What is counted is counted since the
start of the process.

)";

void section(std::string& out, Bytes title, Bytes text, bool (*wanted)(const Metric&)) {
  out += "## " + std::string(title) + "\n\n" + std::string(text) +
         "\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n";
  for (const Metric& metric : metrics_table()) {
    if (!wanted(metric)) continue;
    std::string labels;
    for (const MetricLabel& label : metric.labels)
      labels += (labels.empty() ? "`" : ", `") + std::string(label.name) + "`";
    out += "| `" + sample_name(metric) + "` | " + std::string(word_of(metric.type)) + " | " + labels + " | " +
           metric.doc + " |\n";
  }
}

bool is_pgweirs(const Metric& metric) { return metric.name.starts_with("pgweir_"); }

}  // namespace

std::string metrics_reference_markdown() {
  std::string out(introduction);
  section(out, "Of pgweir", "What PgBouncer does not measure.", is_pgweirs);
  out += '\n';
  section(out, "As PgBouncer's exporter names them",
          "Columns of the console under the names of prometheus-community/pgbouncer_exporter, so that its "
          "dashboards and alert rules work.",
          [](const Metric& metric) { return !is_pgweirs(metric); });
  return out;
}

}  // namespace pgweir
