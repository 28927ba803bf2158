#include "admin/alerts/promise.h"

#include "admin/words.h"

namespace pgweir {

void PromiseHistory::Ring::add(const PromiseCount& count, Instant now) {
  const Instant start = now - now.time_since_epoch() % step;
  if (slots.empty() || slots.back().start != start) {
    if (slots.size() >= most) slots.pop_front();
    slots.push_back({start, {}});
  }
  slots.back().count.all += count.all;
  slots.back().count.broken += count.broken;
}

void PromiseHistory::add(const PoolPulse& pulse, Instant now) {
  const bool anew = seen_ && (seen_->target != pulse.target || pulse.served < seen_->served ||
                              pulse.late < seen_->late || pulse.gave_up < seen_->gave_up);
  if (anew) *this = {};
  if (seen_) {
    const PromiseCount count{pulse.served - seen_->served + pulse.gave_up - seen_->gave_up,
                             pulse.late - seen_->late + pulse.gave_up - seen_->gave_up};
    if (count.all > 0) {
      for (Ring& ring : rings_) ring.add(count, now);
    }
  } else {
    since_ = now;
  }
  seen_ = pulse;
}

PromiseCount PromiseHistory::last(Duration span, Instant now) const {
  PromiseCount sum;
  for (const Ring& ring : rings_) {
    if (span > ring.step * static_cast<std::int64_t>(ring.most)) continue;
    // A slot counts when it began within the span.
    for (auto slot = ring.slots.rbegin(); slot != ring.slots.rend() && now - slot->start < span; ++slot) {
      sum.all += slot->count.all;
      sum.broken += slot->count.broken;
    }
    return sum;
  }
  return sum;
}

std::optional<AlertFinding> judge_promise(const PromiseHistory& history, const std::string& pool,
                                          const PoolPulse& pulse, Instant now) {
  constexpr std::uint64_t least_transactions = 20, least_broken = 5;
  constexpr double holds_at = 0.5;  // of the burn that begins it
  if (history.since() == never) return {};
  std::optional<AlertFinding> weaker;
  for (const BurnWindow& window : burn_windows) {
    if (now - history.since() < window.length / 4) continue;
    const PromiseCount all = history.last(window.length, now);
    if (all.all < least_transactions || all.broken < least_broken) continue;
    const PromiseCount recent = history.last(window.recent, now);
    const double burn = all.share() / promised_misses, recent_burn = recent.share() / promised_misses;
    const bool fires = burn >= window.burn && recent_burn >= window.burn;
    // The short window alone ends it, so that an alert does not outlive its cause by the long one.
    const bool holds = recent_burn >= window.burn * holds_at && burn >= window.burn * holds_at;
    if (!fires && !holds) continue;
    AlertFinding finding{.key = {AlertKind::wait_promise, pool},
                         .severity = window.severity,
                         .holds = !fires,
                         .value = all.share() * 100,
                         .limit = promised_misses * 100,
                         .unit = "%"};
    const Duration seen = std::min<Duration>(window.length, now - history.since());
    finding.reason = percent_text(all.share()) + " of " + count_text(all.all, "transaction", "transactions") +
                     " in the last " + duration_text(seen) + " waited more than " +
                     duration_text(pulse.target) + " for a server or got none (promise: 1 %); in the last " +
                     duration_text(window.recent) + " it was " + percent_text(recent.share()) + ".";
    finding.action = "SHOW RECOMMENDATIONS " + pool +
                     " says whether a larger pool would help; SHOW HOLDERS who holds its servers.";
    if (fires) return finding;
    if (!weaker) weaker = std::move(finding);
  }
  return weaker;
}

}  // namespace pgweir
