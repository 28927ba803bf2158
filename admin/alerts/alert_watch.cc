#include "admin/alerts/alert_watch.h"

#include <algorithm>

#include "admin/alerts/thresholds.h"
#include "admin/pool_view.h"
#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {
namespace {

using namespace std::chrono_literals;

constexpr Duration lately = 60s;
constexpr Duration forgotten = 24h * 3;  // a pool that is gone
constexpr std::size_t most_query_text = 80;
constexpr std::ptrdiff_t minutes_looked_at = 5;  // of those that a worker mails every minute

Duration timeout_of(const Settings& settings, const PoolSnapshot& pool) {
  const DatabaseSettings* const database = settings.find_database(pool.database);
  if (database == nullptr) return settings.pool.query_wait_timeout;
  return settings.time_of(&PoolSettings::query_wait_timeout, &DatabaseSettings::query_wait_timeout,
                          &UserSettings::query_wait_timeout, *database, settings.find_user(pool.user));
}

int max_queue_of(const Settings& settings, const PoolSnapshot& pool) {
  if (const UserSettings* const user = settings.find_user(pool.user); user != nullptr && user->max_queue)
    return *user->max_queue;
  const DatabaseSettings* const database = settings.find_database(pool.database);
  return database == nullptr ? settings.pool.max_queue
                             : database->max_queue.value_or(settings.pool.max_queue);
}

}  // namespace

AlertWatch::Pool* AlertWatch::pool_named(const std::string& name, Instant now) {
  auto found = pools_.find(name);
  if (found == pools_.end()) {
    if (pools_.size() >= most_pools) return nullptr;
    found = pools_.try_emplace(name).first;
  }
  found->second.seen = now;
  return &found->second;
}

std::int64_t AlertWatch::day_of(Instant at) const {
  return std::chrono::floor<std::chrono::days>(at.time_since_epoch() + wall_offset_).count();
}

void AlertWatch::judge_pool(const PoolSnapshot& snapshot, Pool& pool, const Settings& settings, Instant now,
                            std::vector<AlertFinding>& findings) {
  const std::string name = pool_name(snapshot);
  const PoolPulse& pulse = snapshot.pulse;
  const auto take = [&findings](std::optional<AlertFinding> finding) {
    if (finding) findings.push_back(std::move(*finding));
  };

  // A worker that has lost its pool begins anew.
  if (!pool.pulses.empty() && pulse.served < pool.pulses.back().second.served) pool.pulses.clear();
  pool.pulses.emplace_back(now, pulse);
  while (pool.pulses.size() > 1 && now - pool.pulses[1].first >= lately) pool.pulses.pop_front();
  const auto& [then, before] = pool.pulses.front();
  const std::uint64_t refused = pulse.refused - std::min(before.refused, pulse.refused);
  // A failure that is not tried again is an old story.
  const bool asked = snapshot.counts.cl_waiting > 0 || now - pulse.retry_at < lately;
  const bool failing = pulse.failing_since != never;

  pool.promise.add(pulse, now);
  take(judge_promise(pool.promise, name, pulse, now));

  const PoolState state{.size = snapshot.pool_size,
                        .in_use = snapshot.counts.sv_active,
                        .waiting = snapshot.counts.cl_waiting,
                        .oldest_wait = snapshot.oldest_wait,
                        .timeout = timeout_of(settings, snapshot)};
  pool.queue.add(state, now);
  const AlertSettings& wanted = settings.alerts;
  if (!failing) take(judge_exhaustion(pool.queue, name, state, wanted.exhaustion_horizon, now, wall_offset_));
  take(judge_server(snapshot, name, asked, now));
  if (!failing)
    take(judge_queue(name, refused, snapshot.counts.cl_waiting, max_queue_of(settings, snapshot)));

  const double span = in_seconds(now - then);
  if (now - then >= lately / 2 && snapshot.pool_size > 0) {
    const double held = in_seconds(pulse.held - before.held);
    take(judge_pool_utilisation(name, held / span / snapshot.pool_size, snapshot.pool_size,
                                wanted.pool_utilisation));
  }

  pool.slow.settle(now);
  const auto text_of = [&](std::uint64_t id) {
    const auto found = pool.texts.find(id);
    return found == pool.texts.end() ? "a query" : line_text(found->second, most_query_text);
  };
  for (AlertFinding& finding : pool.slow.judge(name, text_of, now)) findings.push_back(std::move(finding));

  pool.size = snapshot.pool_size;
  if (const std::int64_t today = day_of(now); today != pool.forecast_day || pool.size != pool.forecast_size) {
    pool.forecast = forecast_growth(pool.demand.whole_days(today), pool.size);
    pool.forecast_day = today;
    pool.forecast_size = pool.size;
  }
  take(judge_growth(pool.forecast, name, pool.size, wanted.growth_horizon));
}

std::uint64_t AlertWatch::unreached_lately(std::span<const WorkerSnapshot> workers, Instant now) {
  std::uint64_t count = 0;
  for (const WorkerSnapshot& worker : workers) {
    for (const EventCount& event : worker.events) {
      if (event.kind == "refused" && event.reason == "server_unreachable") count += event.count;
    }
  }
  unreached_.emplace_back(now, count);
  while (unreached_.size() > 1 && now - unreached_[1].first >= lately) unreached_.pop_front();
  return count - unreached_.front().second;
}

std::vector<AlertTransition> AlertWatch::look(std::span<const WorkerSnapshot> workers,
                                              const Settings& settings,
                                              std::span<const ConnectionBudget> budgets, Instant now) {
  std::vector<AlertFinding> findings;
  int clients = 0;
  for (const PoolSnapshot& snapshot : merge_pools(workers, MeasureDepth::none)) {
    clients += snapshot.pulse.clients;
    if (Pool* const pool = pool_named(pool_name(snapshot), now))
      judge_pool(snapshot, *pool, settings, now, findings);
  }
  const bool known = std::any_of(findings.begin(), findings.end(), [](const AlertFinding& it) {
    return it.key.kind == AlertKind::server_unreachable;
  });
  if (auto finding = judge_refusals(unreached_lately(workers, now)); finding && !known)
    findings.push_back(std::move(*finding));
  if (auto finding = judge_client_utilisation(clients, settings.pool.max_client_conn,
                                              settings.alerts.client_utilisation))
    findings.push_back(std::move(*finding));
  for (const ConnectionBudget& budget : budgets) {
    if (auto finding = judge_budget(budget.host, budget.pool_sizes, budget.allowed))
      findings.push_back(std::move(*finding));
  }
  std::erase_if(pools_, [now](const auto& entry) { return now - entry.second.seen >= forgotten; });
  return book_.look(findings, now, settings.alerts.hold);
}

void AlertWatch::add_minutes(std::vector<WorkerSnapshot>& workers, Instant now) {
  for (WorkerSnapshot& worker : workers) {
    for (PoolSnapshot& pool : worker.pools) {
      auto& windows = pool.measure.windows;
      if (std::ssize(windows) > minutes_looked_at)
        windows.erase(windows.begin(), windows.end() - minutes_looked_at);
    }
  }
  for (const PoolSnapshot& snapshot : merge_pools(workers, MeasureDepth::minutes)) {
    Pool* const pool = pool_named(pool_name(snapshot), now);
    if (pool == nullptr) continue;
    pool->texts.clear();
    for (const QueryClass& query : snapshot.queries) pool->texts.emplace(query.id, query.text);
    for (const WindowRef& window : snapshot.measure.windows) {
      if (!window->virtual_final || (pool->minutes_until && window->start < *pool->minutes_until)) continue;
      pool->minutes_until = window->start + window->duration;
      add_demand(*pool, *window);
    }
  }
}

void AlertWatch::restore(const State& kept, Instant now) {
  for (const auto& [route, pool] : kept.pools()) {
    Pool* const its = pool_named(route.database + "/" + route.user, now);
    if (its == nullptr) return;
    for (const Tier tier : {Tier::days, Tier::hours, Tier::ten_minutes}) {
      for (const PeriodRef& past : pool.history.periods(tier))
        if (past->busiest) add_demand(*its, *past->busiest);
    }
    for (const WindowRef& minute : pool.history.minutes()) add_demand(*its, *minute);
  }
}

void AlertWatch::add_demand(Pool& pool, const MinuteWindow& minute) {
  pool.demand.add_minute(day_of(minute.start), minute.demand().quantile(0.99));
}

void AlertWatch::add_trace(const Route& route, const TraceSegment& part,
                           const std::vector<std::uint64_t>& classes) {
  const auto found = pools_.find(route.database + "/" + route.user);
  if (found != pools_.end()) found->second.slow.add(part, classes);
}

std::vector<PoolForecast> AlertWatch::forecasts() const {
  std::vector<PoolForecast> all;
  for (const auto& [name, pool] : pools_) {
    all.push_back({name, pool.size, pool.forecast, forecast_text(pool.forecast, pool.size)});
  }
  return all;
}

}  // namespace pgweir
