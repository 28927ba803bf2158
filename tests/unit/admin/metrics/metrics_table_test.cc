#include "admin/metrics/metrics_table.h"

#include <doctest/doctest.h>

#include <set>

#include "admin/command_table.h"
#include "admin/metrics/metrics_reference.h"
#include "admin/settings_table.h"
#include "tests/support/generated.h"
#include "tests/support/metrics_text.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

PoolSnapshot pool_of(const std::string& database, const std::string& user) {
  PoolSnapshot pool;
  pool.database = database;
  pool.user = user;
  pool.pool_size = 5;
  pool.counts.cl_active = 3;
  pool.counts.sv_active = 2;
  pool.oldest_wait = 1500ms;
  pool.measure.totals.xact_count = 7;
  pool.measure.totals.query_time = 2500ms;
  pool.measure.waits.record(0ms);
  pool.measure.waits.record(3ms);
  pool.measure.waits_by_reason[static_cast<std::size_t>(WaitReason::pool_full)] = {1, 3ms};
  pool.measure.held.add_time(0, 10s);
  pool.measure.held.add_time(3, 2s);
  return pool;
}

MetricsFacts facts_of(std::vector<WorkerSnapshot> workers) {
  Settings settings = settings_by_default();
  settings.databases["shop"] = database_by_default("shop");
  settings.databases["shop"].hosts = {"10.0.0.5"};
  settings.databases["shop"].ports = {5433};
  return {.settings = std::make_shared<const Settings>(std::move(settings)),
          .workers = std::move(workers),
          .now = Instant(1h),
          .wall_offset = 1772532245s,
          .started = Instant(0s)};
}

MetricsFacts shop() {
  std::vector<WorkerSnapshot> workers(2);
  for (WorkerSnapshot& worker : workers) {
    worker.pools.push_back(pool_of("shop", "alice"));
    worker.events = {{"refused", "clients_full", "53300", "Words.", 2}};
  }
  return facts_of(std::move(workers));
}

MetricsText text_of(const MetricsFacts& facts, bool open = true) {
  MetricsText text =
      read_metrics(metrics_text(facts, open ? MetricsFormat::openmetrics : MetricsFormat::prometheus), open);
  for (const std::string& mistake : text.mistakes) FAIL_CHECK(mistake);
  return text;
}

}  // namespace

TEST_CASE("metrics: every row is named once, well, and documented") {
  std::set<std::string> names;
  for (const Metric& metric : metrics_table()) {
    CAPTURE(metric.name);
    CHECK(names.insert(std::string(metric.name)).second);
    CHECK_FALSE(metric.doc.empty());
    CHECK(metric.doc.find_first_of("|\n") == std::string::npos);
    for (const Bytes suffix : {"_total", "_info", "_bucket", "_count", "_sum"})
      CHECK_FALSE(metric.name.ends_with(suffix));
    if (!metric.unit.empty()) CHECK(metric.name.ends_with("_" + std::string(metric.unit)));
    CHECK((metric.write == nullptr) != metric.command.empty());
  }
}

TEST_CASE("metrics: what a row names of the console is there") {
  for (const Metric& metric : metrics_table()) {
    if (metric.command.empty()) continue;
    CAPTURE(metric.name);
    const Command* found = nullptr;
    for (const Command& command : command_table()) {
      if (command.words == metric.command) found = &command;
    }
    REQUIRE(found != nullptr);
    std::set<Bytes> columns{""};
    const auto infos = found->columns();
    for (const ColumnInfo& it : infos) columns.insert(it.name);
    CHECK(columns.contains(metric.column));
    CHECK(columns.contains(metric.micros_column));
    CHECK(columns.contains(metric.key_column));
    for (const MetricLabel& label : metric.labels)
      CHECK(columns.contains(label.column.empty() ? label.name : label.column));
    if (!metric.key.empty())
      CHECK(text_of(facts_of({{}})).has(sample_name(metric)));  // the row exists as well
  }
}

TEST_CASE("metrics: both formats are well formed and hold every row of the table") {
  for (const bool open : {false, true}) {
    CAPTURE(open);
    const MetricsText text = text_of(shop(), open);
    for (const Metric& metric : metrics_table()) {
      const std::string family = open ? std::string(metric.name) : sample_name(metric);
      CHECK(text.types.contains(family));
    }
    CHECK(text.types.size() == metrics_table().size());
  }
}

TEST_CASE("metrics: the values are those of the console and of the measures, over all workers") {
  const MetricsText text = text_of(shop());
  const std::string pool = "{database=\"shop\",user=\"alice\"}";
  CHECK(text.value("pgbouncer_pools_client_active_connections" + pool) == 6);
  CHECK(text.value("pgbouncer_pools_server_active_connections" + pool) == 4);
  CHECK(text.value("pgbouncer_pools_client_maxwait_seconds" + pool) == 1.5);
  CHECK(text.value("pgbouncer_stats_sql_transactions_pooled_total{database=\"shop\"}") == 14);
  CHECK(text.value("pgbouncer_stats_queries_duration_seconds_total{database=\"shop\"}") == 5);
  CHECK(text.value("pgbouncer_databases_pool_size{name=\"shop\",host=\"10.0.0.5\",port=\"5433\","
                   "database=\"shop\",force_user=\"\",pool_mode=\"\"}") == 20);
  CHECK(text.value("pgbouncer_config_max_client_connections") == 10'000);
  CHECK(text.value("pgbouncer_up") == 1);
  CHECK(text.value("pgweir_start_time_seconds") == 1772532245);
  CHECK(text.value("pgweir_workers") == 2);
  CHECK(text.value("pgweir_wait_seconds_count" + pool) == 4);
  CHECK(text.value("pgweir_wait_seconds_bucket{database=\"shop\",user=\"alice\",le=\"1e-06\"}") == 2);
  CHECK(text.value("pgweir_waits_total{database=\"shop\",user=\"alice\",reason=\"pool_full\"}") == 2);
  CHECK(text.value("pgweir_connection_seconds_total{database=\"shop\",user=\"alice\",state=\"held\"}") ==
        doctest::Approx(12));
  CHECK(text.value("pgweir_events_total{kind=\"refused\",reason=\"clients_full\",sqlstate=\"53300\"}") == 4);
  CHECK(text.value("pgweir_pool_size" + pool) == 5);
}

TEST_CASE("metrics: time by concurrency is cumulative") {
  MetricsFacts facts = shop();
  facts.workers.pop_back();
  const MetricsText text = text_of(facts);
  const auto at_most = [&](const std::string& level) {
    return text.value("pgweir_concurrency_seconds_total{database=\"shop\",user=\"alice\",at_most=\"" + level +
                      "\"}");
  };
  CHECK(at_most("0") == 10);
  CHECK(at_most("2") == 10);
  CHECK(at_most("4") == 12);
  CHECK(at_most("+Inf") == 12);
}

TEST_CASE("metrics: alerts are counted by kind while they are active, with their values") {
  MetricsFacts facts = shop();
  Alert active;
  active.finding = {.key = {AlertKind::exhaustion, "shop/alice"},
                    .severity = AlertSeverity::critical,
                    .value = 3,
                    .limit = 60,
                    .unit = "seconds"};
  Alert ended = active;
  ended.finding.key.kind = AlertKind::growth;
  ended.ended = Instant(1s);
  facts.alerts = {active, ended};
  const MetricsText text = text_of(facts);
  CHECK(text.value("pgweir_alerts{alert=\"exhaustion\",severity=\"critical\"}") == 1);
  CHECK(text.value("pgweir_alerts{alert=\"exhaustion\",severity=\"notice\"}") == 0);
  CHECK(text.sum("pgweir_alerts") == 1);
  const std::string labels =
      "{alert=\"exhaustion\",subject=\"shop/alice\",detail=\"\",severity=\"critical\",unit=\"seconds\"}";
  CHECK(text.value("pgweir_alert_value" + labels) == 3);
  CHECK(text.value("pgweir_alert_limit" + labels) == 60);
}

TEST_CASE("metrics: names that clients choose cannot break the text") {
  std::vector<WorkerSnapshot> workers(1);
  for (const char* name : {"a\"b", "a\nb", "a\\", "\xff\xfe", "# EOF", "{}", "{database=\"x\"} 1"})
    workers[0].pools.push_back(pool_of(name, name));
  for (const bool open : {false, true}) {
    const MetricsText text = text_of(facts_of(workers), open);
    CHECK(text.sum("pgweir_pool_size") == 7 * 5);
  }
}

TEST_CASE("metrics: of very many pools the busiest are told apart, and the others counted") {
  std::vector<WorkerSnapshot> workers(1);
  for (std::size_t i = 0; i < most_metric_pools + 10; ++i) {
    workers[0].pools.push_back(pool_of("d" + std::to_string(i), "u"));
    workers[0].pools.back().measure.totals.xact_count = i;
  }
  const MetricsText text = text_of(facts_of(std::move(workers)));
  CHECK(text.value("pgweir_metrics_omitted_pools") == 10);
  CHECK_FALSE(text.has("pgweir_pool_size{database=\"d9\",user=\"u\"}"));
  CHECK(text.has("pgweir_pool_size{database=\"d10\",user=\"u\"}"));
  CHECK(text.sum("pgweir_pool_size") == 5.0 * most_metric_pools);
}

TEST_CASE("the reference of metrics is the one that is committed") {
  const std::string text = metrics_reference_markdown();
  CHECK(committed("admin/docs/metrics.md", text) == text);
}
