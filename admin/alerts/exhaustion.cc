#include "admin/alerts/exhaustion.h"

#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {
namespace {

double seconds(Duration span) { return in_seconds(span); }

constexpr double slowest_ageing = 0.05;  // slower is a queue that moves

}  // namespace

void QueueTrend::add(const PoolState& state, Instant now) {
  if (state.waiting == 0) {
    samples_.clear();
    full_since_ = never;
    return;
  }
  if (full_since_ == never) full_since_ = now;
  samples_.push_back({now, state.oldest_wait});
  while (samples_.size() > 1 && now - samples_.front().at > window) samples_.pop_front();
}

std::optional<double> QueueTrend::ageing() const {
  if (samples_.size() < 3) return {};
  const Sample& first = samples_.front();
  const Sample& last = samples_.back();
  if (last.at - first.at < least) return {};
  return seconds(last.oldest_wait - first.oldest_wait) / seconds(last.at - first.at);
}

std::optional<AlertFinding> judge_exhaustion(const QueueTrend& trend, const std::string& pool,
                                             const PoolState& state, Duration horizon, Instant now,
                                             Duration wall_offset) {
  const std::optional<double> ageing = trend.ageing();
  if (!ageing || state.waiting == 0) return {};
  AlertFinding finding{
      .key = {AlertKind::exhaustion, pool}, .severity = AlertSeverity::critical, .unit = "s"};
  finding.reason = std::to_string(state.in_use) + " of " + std::to_string(state.size) + " servers in use, " +
                   count_text(static_cast<std::uint64_t>(state.waiting), "client waits", "clients wait") +
                   " since " + moment_text(trend.full_since(), now, wall_offset) +
                   ", the oldest request for " + duration_text(state.oldest_wait);
  finding.action = "SHOW HOLDERS says who holds the servers of " + pool +
                   " and for how long; end what should not run, or raise pool_size (SHOW WHATIF " + pool +
                   ").";
  if (state.timeout == Duration::zero()) {
    finding.value = seconds(state.oldest_wait);
    finding.limit = seconds(horizon);
    finding.holds = state.oldest_wait < horizon || *ageing < slowest_ageing;
    if (state.oldest_wait < horizon / 2) return {};
    finding.reason += "; there is no query_wait_timeout, so it waits on.";
    return finding;
  }
  const double left = seconds(state.timeout - state.oldest_wait);
  const double until = *ageing >= slowest_ageing ? left / *ageing : left / slowest_ageing;
  finding.value = until;
  finding.limit = seconds(horizon);
  if (until > 2 * seconds(horizon)) return {};
  finding.holds = *ageing < slowest_ageing || until > seconds(horizon);
  finding.reason += "; at this pace requests time out in about " + duration_text(until) +
                    " (query_wait_timeout is " + duration_text(state.timeout) + ").";
  return finding;
}

}  // namespace pgweir
