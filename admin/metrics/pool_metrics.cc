// The metrics that PgBouncer's exporter does not have.

#include <array>
#include <string>

#include "admin/metrics/metrics_table.h"
#include "pool/state_kind.h"
#include "pool/time.h"

namespace pgweir {
namespace {

using Type = MetricType;
using View = MetricsView;

double seconds(Duration span) { return in_seconds(span); }

constexpr std::array<Bytes, wait_reasons> wait_reason_labels{"none", "pool_full", "limit", "opening",
                                                             "server_down"};
constexpr std::array<Bytes, give_ups> give_up_labels{"timed_out", "cancelled", "gone", "refused"};

// Time is counted at or below these numbers of servers.
constexpr std::array concurrency_levels{0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

const std::vector<MetricLabel> of_pool{{"database"}, {"user"}};

std::vector<MetricLabel> of_pool_and(Bytes label) { return {{"database"}, {"user"}, {label}}; }

MetricLabels labels_of(const PoolSnapshot& pool) {
  return {{"database", pool.database}, {"user", pool.user}};
}

MetricLabels labels_of(const PoolSnapshot& pool, Bytes name, Bytes value) {
  return {{"database", pool.database}, {"user", pool.user}, {name, value}};
}

template <Histogram PoolMeasure::*values>
Metric durations(Bytes name, std::string doc) {
  return {.name = name,
          .type = Type::histogram,
          .unit = "seconds",
          .labels = of_pool,
          .write =
              [](const View& view, Exposition& out) {
                for (const PoolSnapshot& pool : view.pools) out.add(labels_of(pool), pool.measure.*values);
              },
          .doc = std::move(doc)};
}

// `get` is a lambda without captures that returns a number of a pool.
template <class Get>
Metric of_pools(Bytes name, Type type, Get, std::string doc) {
  return {.name = name,
          .type = type,
          .labels = of_pool,
          .write =
              [](const View& view, Exposition& out) {
                for (const PoolSnapshot& pool : view.pools)
                  out.add(labels_of(pool), static_cast<double>(Get{}(pool)));
              },
          .doc = std::move(doc)};
}

template <class Get>
Metric of_process(Bytes name, Type type, Bytes unit, Get, std::string doc) {
  return {.name = name,
          .type = type,
          .unit = unit,
          .write = [](const View& view, Exposition& out) { out.add({}, static_cast<double>(Get{}(view))); },
          .doc = std::move(doc)};
}

void write_waits(const View& view, Exposition& out) {
  for (const PoolSnapshot& pool : view.pools) {
    for (std::size_t i = 1; i < wait_reasons; ++i)
      out.add(labels_of(pool, "reason", wait_reason_labels[i]),
              static_cast<double>(pool.measure.waits_by_reason[i].count));
  }
}

void write_waiting(const View& view, Exposition& out) {
  for (const PoolSnapshot& pool : view.pools) {
    for (std::size_t i = 1; i < wait_reasons; ++i)
      out.add(labels_of(pool, "reason", wait_reason_labels[i]),
              seconds(pool.measure.waits_by_reason[i].time));
  }
}

void write_abandoned(const View& view, Exposition& out) {
  for (const PoolSnapshot& pool : view.pools) {
    for (std::size_t i = 0; i < give_ups; ++i)
      out.add(labels_of(pool, "how", give_up_labels[i]), static_cast<double>(pool.measure.gave_up[i]));
  }
}

void write_connection_time(const View& view, Exposition& out) {
  struct Level {
    Bytes state;
    LevelTimes PoolMeasure::*times;
  };
  constexpr std::array levels{Level{"open", &PoolMeasure::open}, Level{"held", &PoolMeasure::held},
                              Level{"executing", &PoolMeasure::executing},
                              Level{"idle_in_transaction", &PoolMeasure::idle_in_transaction},
                              Level{"waiting", &PoolMeasure::waiting}};
  for (const PoolSnapshot& pool : view.pools) {
    for (const Level& level : levels)
      out.add(labels_of(pool, "state", level.state), seconds((pool.measure.*level.times).level_time()));
  }
}

void write_concurrency(const View& view, Exposition& out) {
  for (const PoolSnapshot& pool : view.pools) {
    std::array<double, concurrency_levels.size()> at_most{};
    double all = 0;
    pool.measure.held.for_each([&](int level, Duration time) {
      all += seconds(time);
      for (std::size_t i = 0; i < concurrency_levels.size(); ++i) {
        if (level <= concurrency_levels[i]) at_most[i] += seconds(time);
      }
    });
    for (std::size_t i = 0; i < concurrency_levels.size(); ++i)
      out.add(labels_of(pool, "at_most", std::to_string(concurrency_levels[i])), at_most[i]);
    out.add(labels_of(pool, "at_most", "+Inf"), all);
  }
}

void write_pins(const View& view, Exposition& out) {
  for (const PoolSnapshot& pool : view.pools) {
    for (const StateKindRow& it : state_kinds)
      out.add(labels_of(pool, "kind", it.label),
              static_cast<double>(pool.pin_costs[static_cast<std::size_t>(it.kind)].pins));
  }
}

void write_pinned(const View& view, Exposition& out) {
  for (const PoolSnapshot& pool : view.pools) {
    for (const StateKindRow& it : state_kinds)
      out.add(labels_of(pool, "kind", it.label),
              seconds(pool.pin_costs[static_cast<std::size_t>(it.kind)].time));
  }
}

void write_events(const View& view, Exposition& out) {
  const auto& workers = view.world.workers;
  if (workers.empty()) return;
  for (std::size_t i = 0; i < workers.front().events.size(); ++i) {
    const EventCount& event = workers.front().events[i];
    std::uint64_t count = 0;
    for (const WorkerSnapshot& worker : workers) {
      if (i < worker.events.size()) count += worker.events[i].count;
    }
    out.add({{"kind", event.kind}, {"reason", event.reason}, {"sqlstate", event.sqlstate}},
            static_cast<double>(count));
  }
}

void write_alerts(const View& view, Exposition& out) {
  for (const AlertKindRow& kind : alert_kinds) {
    for (const Bytes severity : alert_severities) {
      int active = 0;
      for (const Alert& alert : view.facts.alerts) {
        active += !alert.ended && alert.finding.key.kind == kind.kind &&
                  word_of(alert.finding.severity) == severity;
      }
      out.add({{"alert", kind.label}, {"severity", severity}}, active);
    }
  }
}

void write_alert_values(const View& view, Exposition& out, double AlertFinding::*number) {
  std::size_t written = 0;
  for (const Alert& alert : view.facts.alerts) {
    if (alert.ended) continue;
    const AlertFinding& it = alert.finding;
    out.add({{"alert", row(it.key.kind).label},
             {"subject", it.key.subject},
             {"detail", it.key.detail},
             {"severity", word_of(it.severity)},
             {"unit", it.unit}},
            it.*number);
    if (++written == most_metric_pools) return;
  }
}

const std::vector<MetricLabel> of_alert{{"alert"}, {"subject"}, {"detail"}, {"severity"}, {"unit"}};

}  // namespace

std::vector<Metric> own_metrics() {
  std::vector<Metric> rows;
  rows.push_back({.name = "pgweir_build",
                  .type = Type::info,
                  .labels = {{"version"}},
                  .write =
                      [](const View&, Exposition& out) {
                        out.add({{"version", PGWEIR_VERSION}}, 1);
                      },
                  .doc = "The version of pgweir."});
  rows.push_back(of_process(
      "pgweir_start_time_seconds", Type::gauge, "seconds",
      [](const View& it) { return seconds(it.facts.started.time_since_epoch() + it.facts.wall_offset); },
      "When the process started, in seconds since 1970."));
  rows.push_back(of_process(
      "pgweir_workers", Type::gauge, {}, [](const View& it) { return it.facts.workers.size(); },
      "Threads that serve connections."));
  rows.push_back(of_process(
      "pgweir_draining", Type::gauge, {}, [](const View& it) { return it.facts.draining; },
      "1 while the process is about to stop: transactions may finish, new clients are refused."));
  rows.push_back(of_process(
      "pgweir_metrics_omitted_pools", Type::gauge, {}, [](const View& it) { return it.omitted; },
      "Pools that are not told apart here, because there are more than " + std::to_string(most_metric_pools) +
          "; those with the most transactions are."));

  rows.push_back(durations<&PoolMeasure::waits>(
      "pgweir_wait_seconds",
      "How long clients waited for a server that then served them; 0 when one was free."));
  rows.push_back(durations<&PoolMeasure::abandoned_waits>(
      "pgweir_abandoned_wait_seconds", "How long clients waited for a server that never got one."));
  rows.push_back(durations<&PoolMeasure::links>(
      "pgweir_link_seconds", "From getting a server until it can take the client's first message."));
  rows.push_back(
      durations<&PoolMeasure::queries>("pgweir_query_seconds", "From sending a query to its ReadyForQuery."));
  rows.push_back(durations<&PoolMeasure::transactions>(
      "pgweir_transaction_seconds", "From the server to the end of the transaction, without the wait."));
  rows.push_back(durations<&PoolMeasure::holdings>("pgweir_server_held_seconds",
                                                   "From getting a server to giving it back."));

  rows.push_back({.name = "pgweir_waits",
                  .type = Type::counter,
                  .labels = of_pool_and("reason"),
                  .write = write_waits,
                  .doc = "Clients that had to wait and were served, by what they waited for."});
  rows.push_back({.name = "pgweir_waiting_seconds",
                  .type = Type::counter,
                  .unit = "seconds",
                  .labels = of_pool_and("reason"),
                  .write = write_waiting,
                  .doc = "How long they waited together."});
  rows.push_back({.name = "pgweir_abandoned_waits",
                  .type = Type::counter,
                  .labels = of_pool_and("how"),
                  .write = write_abandoned,
                  .doc = "Clients that never got the server they waited for, by how it ended."});
  rows.push_back({.name = "pgweir_connection_seconds",
                  .type = Type::counter,
                  .unit = "seconds",
                  .labels = of_pool_and("state"),
                  .write = write_connection_time,
                  .doc = "Connections times time. Its rate is how many there were on average: servers that "
                         "were open, held by a client, executing, idle in a transaction; clients waiting."});
  rows.push_back({.name = "pgweir_concurrency_seconds",
                  .type = Type::counter,
                  .unit = "seconds",
                  .labels = of_pool_and("at_most"),
                  .write = write_concurrency,
                  .doc = "Time in which at most so many servers were held by clients; +Inf is all time."});

  rows.push_back(of_pools(
      "pgweir_pool_size", Type::gauge, [](const PoolSnapshot& it) { return it.pool_size; },
      "Servers that the pool may have."));
  rows.push_back(of_pools(
      "pgweir_reserve_pool_size", Type::gauge, [](const PoolSnapshot& it) { return it.reserve_pool_size; },
      "More servers for clients that waited too long."));
  rows.push_back(of_pools(
      "pgweir_pool_slots", Type::gauge, [](const PoolSnapshot& it) { return it.slots; },
      "Servers that the workers may have open now."));
  rows.push_back(of_pools(
      "pgweir_arrivals", Type::counter, [](const PoolSnapshot& it) { return it.measure.arrivals; },
      "Times that a client needed a server."));
  rows.push_back(of_pools(
      "pgweir_late_begins", Type::counter, [](const PoolSnapshot& it) { return it.savings.late_begins; },
      "Transactions that took their server at their first statement."));
  rows.push_back(of_pools(
      "pgweir_transactions_saved", Type::counter,
      [](const PoolSnapshot& it) { return it.savings.transactions_saved; },
      "Transactions that began and ended without a server."));
  rows.push_back(
      {.name = "pgweir_pins",
       .type = Type::counter,
       .labels = of_pool_and("kind"),
       .write = write_pins,
       .doc = "Times that a client kept its server behind its transaction, by what it left there."});
  rows.push_back({.name = "pgweir_pinned_seconds",
                  .type = Type::counter,
                  .unit = "seconds",
                  .labels = of_pool_and("kind"),
                  .write = write_pinned,
                  .doc = "How long servers were kept so."});

  rows.push_back({.name = "pgweir_events",
                  .type = Type::counter,
                  .labels = {{"kind"}, {"reason"}, {"sqlstate"}},
                  .write = write_events,
                  .doc = "What went wrong, as in SHOW ERRORS: errors that pgweir itself sent to clients "
                         "(refused), servers that it closed (closed)."});
  rows.push_back({.name = "pgweir_alerts",
                  .labels = {{"alert"}, {"severity"}},
                  .write = write_alerts,
                  .doc = "Active alerts, as in SHOW ALERTS."});
  rows.push_back({.name = "pgweir_alert_value",
                  .labels = of_alert,
                  .write = [](const View& view,
                              Exposition& out) { write_alert_values(view, out, &AlertFinding::value); },
                  .doc = "Of each active alert: what was measured, in its unit."});
  rows.push_back({.name = "pgweir_alert_limit",
                  .labels = of_alert,
                  .write = [](const View& view,
                              Exposition& out) { write_alert_values(view, out, &AlertFinding::limit); },
                  .doc = "Of each active alert: the limit that it passed."});
  return rows;
}

}  // namespace pgweir
