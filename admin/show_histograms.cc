// SHOW HISTOGRAMS and SHOW LATENCY: durations in buckets that a person can read, and in percentiles.

#include <algorithm>
#include <bit>

#include "admin/picture.h"
#include "admin/pool_view.h"
#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

constexpr int bucket_picture_width = 20;

struct HistogramOf {
  const char* what;
  Histogram PoolMeasure::*values;
};
constexpr HistogramOf histograms[] = {{"wait", &PoolMeasure::waits},
                                      {"gave up", &PoolMeasure::abandoned_waits},
                                      {"query", &PoolMeasure::queries},
                                      {"transaction", &PoolMeasure::transactions},
                                      {"server held", &PoolMeasure::holdings}};
constexpr Bytes what_doc =
    "wait: for a server, 0 when one was free; gave up: the wait of clients that never got one; query; "
    "transaction; "
    "server held: from getting a server to giving it back.";

struct BucketRow {
  std::string pool;
  const char* what = "";
  std::int64_t from_us = 0, to_us = 0;
  std::uint64_t count = 0;
  double share = 0;
  std::string since;
  std::string picture;
};

using type_oid::int8;
using type_oid::text;

constexpr std::array histograms_table{
    column<BucketRow>(
        "pool", text, [](const BucketRow& it) { return it.pool; }, "database/user."),
    column<BucketRow>(
        "what", text, [](const BucketRow& it) { return it.what; }, what_doc),
    column<BucketRow>(
        "from_us", int8, [](const BucketRow& it) { return it.from_us; },
        "As long as this, in microseconds, ..."),
    column<BucketRow>(
        "to_us", int8, [](const BucketRow& it) { return it.to_us; },
        "... and shorter than this. The last bucket also holds whatever is longer."),
    column<BucketRow>(
        "count", int8, [](const BucketRow& it) { return it.count; }, "How many."),
    column<BucketRow>(
        "percent", type_oid::numeric, [](const BucketRow& it) { return number_text(100 * it.share, 3); },
        "Of all of them."),
    column<BucketRow>(
        "since", text, [](const BucketRow& it) { return it.since; }, "The window: from here until now."),
    column<BucketRow>(
        "picture", text, [](const BucketRow& it) { return it.picture; },
        "The count as a bar, the longest of the pool and `what` at full width."),
};

// Fine buckets taken together into powers of two.
std::vector<BucketRow> bucket_rows(const Histogram& values) {
  std::vector<BucketRow> rows;
  values.for_each([&](Duration low, Duration, std::uint64_t count) {
    const auto us = static_cast<std::uint64_t>(micros(low));
    const auto from = static_cast<std::int64_t>(std::bit_floor(us));  // 0 stays 0
    if (rows.empty() || rows.back().from_us != from) {
      rows.emplace_back();
      rows.back().from_us = from;
      rows.back().to_us = std::max<std::int64_t>(2 * from, 1);
    }
    rows.back().count += count;
  });
  return rows;
}

void add_histogram(std::vector<BucketRow>& all, const PoolSnapshot& pool, const HistogramOf& histogram,
                   const World& world) {
  auto rows = bucket_rows(pool.measure.*histogram.values);
  double total = 0;
  std::uint64_t most = 1;
  for (const BucketRow& row : rows) {
    total += static_cast<double>(row.count);
    most = std::max(most, row.count);
  }
  for (BucketRow& row : rows) {
    row.pool = pool_name(pool);
    row.what = histogram.what;
    row.share = static_cast<double>(row.count) / total;
    row.since = time_text(world, pool.measure.since);
    row.picture = bar(static_cast<double>(row.count) / static_cast<double>(most), bucket_picture_width);
    all.push_back(std::move(row));
  }
}

struct LatencyRow {
  std::string pool;
  const char* what = "";
  const Histogram* values = nullptr;
  std::string since;
};

std::int64_t quantile_us(const LatencyRow& row, double q) { return micros(row.values->quantile(q)); }

constexpr std::array latency_table{
    column<LatencyRow>(
        "pool", text, [](const LatencyRow& it) { return it.pool; }, "database/user."),
    column<LatencyRow>(
        "what", text, [](const LatencyRow& it) { return it.what; }, what_doc),
    column<LatencyRow>(
        "count", int8, [](const LatencyRow& it) { return it.values->count(); }, "How many."),
    column<LatencyRow>(
        "mean_us", int8, [](const LatencyRow& it) { return micros(it.values->mean()); },
        "The mean, in microseconds, as all that follow."),
    column<LatencyRow>(
        "p50_us", int8, [](const LatencyRow& it) { return quantile_us(it, 0.5); },
        "Half of them were not longer."),
    column<LatencyRow>(
        "p90_us", int8, [](const LatencyRow& it) { return quantile_us(it, 0.9); }, "90 % were not longer."),
    column<LatencyRow>(
        "p99_us", int8, [](const LatencyRow& it) { return quantile_us(it, 0.99); }, "99 % were not longer."),
    column<LatencyRow>(
        "p999_us", int8, [](const LatencyRow& it) { return quantile_us(it, 0.999); },
        "99.9 % were not longer."),
    column<LatencyRow>(
        "max_us", int8, [](const LatencyRow& it) { return micros(it.values->max()); },
        "The longest, exactly."),
    column<LatencyRow>(
        "since", text, [](const LatencyRow& it) { return it.since; }, "The window: from here until now."),
};

}  // namespace

CommandOutcome show_histograms(CommandCall& call) {
  const auto pools = pools_named(call.arguments, call.world, MeasureDepth::sums);
  if (!pools) return tl::unexpected(pools.error());
  std::vector<BucketRow> rows;
  for (const PoolSnapshot& pool : *pools) {
    for (const HistogramOf& histogram : histograms) add_histogram(rows, pool, histogram, call.world);
  }
  write_rows(call.out, histograms_table, rows);
  return {};
}
std::vector<ColumnInfo> histograms_columns() { return describe<histograms_table>(); }

CommandOutcome show_latency(CommandCall& call) {
  const auto pools = pools_named(call.arguments, call.world, MeasureDepth::sums);
  if (!pools) return tl::unexpected(pools.error());
  std::vector<LatencyRow> rows;
  for (const PoolSnapshot& pool : *pools) {
    for (const HistogramOf& histogram : histograms) {
      rows.push_back({pool_name(pool), histogram.what, &(pool.measure.*histogram.values),
                      time_text(call.world, pool.measure.since)});
    }
  }
  write_rows(call.out, latency_table, rows);
  return {};
}
std::vector<ColumnInfo> latency_columns() { return describe<latency_table>(); }

}  // namespace pgweir
