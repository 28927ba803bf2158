#pragma once
// THE metrics, once: /metrics, the reference and the tests walk these rows. Immutable; any thread.
//
// A metric is a column of a console command (then its text is the column's), one row of a command that lists
// names and values, or it is computed from the snapshots.

#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "admin/metrics/exposition.h"
#include "admin/metrics/metrics_facts.h"
#include "admin/pool_view.h"

namespace pgweir {

// So many pools, databases and users are told apart, those with the most transactions; metrics say how many
// are left out. A client may name any database where [databases."*"] is served.
inline constexpr std::size_t most_metric_pools = 500;

// What computed metrics look at.
struct MetricsView {
  const MetricsFacts& facts;
  const World& world;
  const std::vector<PoolSnapshot>& pools;  // merged over the workers, with the sums of their measures
  std::size_t omitted = 0;                 // pools that are not among them
};

struct MetricLabel {
  Bytes name;
  Bytes column{};  // of the command; empty: as the label
};

struct Metric {
  Bytes name;  // without _total and _info
  MetricType type = MetricType::gauge;
  Bytes unit{};
  std::vector<MetricLabel> labels{};
  // Of the console.
  Bytes command{};
  Bytes column{};
  double scale = 1;
  Bytes micros_column{};  // microseconds on top of it
  Bytes key_column{}, key{};
  // Computed; null for one of the console.
  void (*write)(const MetricsView&, Exposition&) = nullptr;
  std::string doc{};
};

std::span<const Metric> metrics_table();

// pool_metrics.cc: the computed ones, which are pgweir's own.
std::vector<Metric> own_metrics();

// The name of what a reader stores: with _total or _info.
std::string sample_name(const Metric& metric);

// The whole answer to GET /metrics.
std::string metrics_text(const MetricsFacts& facts, MetricsFormat format);

}  // namespace pgweir
