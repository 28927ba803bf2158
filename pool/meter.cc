#include "pool/meter.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "pool/host_meter.h"
#include "pool/measuring.h"
#include "pool/time.h"

namespace pgweir {

namespace {

std::int64_t minute_of(Instant t) {
  const auto ns = t.time_since_epoch();
  return std::chrono::floor<std::chrono::minutes>(ns).count();
}

}  // namespace

void PoolTotals::add(const PoolTotals& other) {
  server_assignment_count += other.server_assignment_count;
  xact_count += other.xact_count;
  query_count += other.query_count;
  xact_time += other.xact_time;
  query_time += other.query_time;
  wait_time += other.wait_time;
  received += other.received;
  sent += other.sent;
  client_parse_count += other.client_parse_count;
  server_parse_count += other.server_parse_count;
  bind_count += other.bind_count;
  client_login_count += other.client_login_count;
}

bool LittleCheck::holds_within(double share) const {
  const auto a = static_cast<double>(by_level.count()), b = static_cast<double>(by_holding.count());
  return std::abs(a - b) <= share * std::max(a, b);
}

void merge(PoolMeasure& measure, const PoolMeasure& other) {
  measure.since = std::min(measure.since, other.since);
  measure.now = std::max(measure.now, other.now);
  measure.totals.add(other.totals);
  measure.arrivals += other.arrivals;
  measure.completions += other.completions;
  for (std::size_t i = 0; i < wait_reasons; ++i) {
    measure.waits_by_reason[i].count += other.waits_by_reason[i].count;
    measure.waits_by_reason[i].time += other.waits_by_reason[i].time;
  }
  for (std::size_t i = 0; i < give_ups; ++i) measure.gave_up[i] += other.gave_up[i];
  merge(measure.trials, other.trials);
  measure.waits.merge(other.waits);
  measure.abandoned_waits.merge(other.abandoned_waits);
  measure.links.merge(other.links);
  measure.queries.merge(other.queries);
  measure.transactions.merge(other.transactions);
  measure.holdings.merge(other.holdings);
  for (const auto level : {&PoolMeasure::held, &PoolMeasure::executing, &PoolMeasure::idle_in_transaction,
                           &PoolMeasure::waiting, &PoolMeasure::open})
    measure.*level = LevelTimes::combine(measure.*level, other.*level);

  std::vector<WindowRef> windows;
  auto left = measure.windows.begin();
  auto right = other.windows.begin();
  while (left != measure.windows.end() || right != other.windows.end()) {
    const bool has_left = left != measure.windows.end(), has_right = right != other.windows.end();
    const std::int64_t a = has_left ? minute_of((*left)->start) : 0,
                       b = has_right ? minute_of((*right)->start) : 0;
    if (has_left && has_right && a == b) {
      auto both = std::make_shared<MinuteWindow>(**left++);
      combine(*both, **right++);
      windows.push_back(std::move(both));
    } else if (has_left && (!has_right || a < b)) {
      windows.push_back(*left++);
    } else {
      windows.push_back(*right++);
    }
  }
  measure.windows = std::move(windows);
  combine(measure.current, other.current);
  measure.little.by_level += other.little.by_level;
  measure.little.by_holding += other.little.by_holding;
  measure.shards += other.shards;
}

LevelTimes Meter::Track::all(Instant now) const {
  LevelTimes times = before;
  times.merge(gauge.times(now));
  return times;
}

Meter::Meter(Instant now, HostMeter* host)
    : host_(host),
      recorder_(now),
      since_(now),
      held_(now),
      executing_(now),
      idle_in_transaction_(now),
      waiting_(now),
      open_(now),
      virtual_(now),
      needing_since_(now),
      idle_since_(now) {
  now_.start = now;
}

void Meter::record_series(bool wanted, Instant now) {
  if (wanted == series_.has_value()) return;
  virtual_.record(wanted);
  series_.reset();
  if (wanted) series_.emplace(now, held_.gauge.level(), needing_);
}

void Meter::arrived(Use& use, Instant now) {
  if (use.state != Use::State::none) return;
  use.state = Use::State::arrived;
  use.arrived = now;
  if constexpr (!measuring) return;
  held_.gauge.arrival();
  waiting_.gauge.arrival();
  ++now_.arrivals;
  needing(1, now);
  now_.trend.add_arrival(needing_ - 1);
}

void Meter::queued(Use& use, Instant now) {
  if (use.state != Use::State::arrived) return;
  use.state = Use::State::queued;
  if constexpr (!measuring) return;
  waiting_.gauge.add(1, now);
  now_.highest_waiting = std::max(now_.highest_waiting, waiting_.gauge.level());
  virtual_.queued(now);
}

void Meter::served(Use& use, WaitReason why, Instant now) {
  if (use.state != Use::State::arrived && use.state != Use::State::queued) return;
  const bool was_queued = use.state == Use::State::queued;
  use.wait = was_queued ? std::max(now - use.arrived, Duration::zero()) : Duration::zero();
  use.opening = was_queued && why == WaitReason::opening;
  use.state = Use::State::linking;
  use.served = use.state_since = now;
  ++totals_.server_assignment_count;
  totals_.wait_time += use.wait;
  if constexpr (!measuring) return;
  if (was_queued) waiting_.gauge.add(-1, now);
  held_.gauge.add(1, now);
  if (series_) series_->held.change(held_.gauge.level(), now);
  virtual_.served(was_queued, use.wait, now);
  ++running_;
  running_since_ += static_cast<std::uint64_t>((now - since_).count());

  now_waits_.record(use.wait);
  longest_wait_ = std::max(longest_wait_, use.wait);
  auto& reason = now_.waits_by_reason[static_cast<std::size_t>(was_queued ? why : WaitReason::none)];
  ++reason.count;
  reason.time += use.wait;
}

void Meter::abandoned(Use& use, GaveUp how, Instant now) {
  if (use.state != Use::State::arrived && use.state != Use::State::queued) return;
  if constexpr (!measuring) {
    use = Use{};
    return;
  }
  const Duration wait = std::max(now - use.arrived, Duration::zero());
  if (use.state == Use::State::queued) {
    waiting_.gauge.add(-1, now);
    virtual_.gave_up(wait, holdings_.mean(), now);
    longest_wait_ = std::max(longest_wait_, wait);
  }
  abandoned_waits_.record(wait);
  ++now_.gave_up[static_cast<std::size_t>(how)];
  recorder_.ended(use, TraceRecord::gave_up, now);
  needing(-1, now);
  use = Use{};
}

void Meter::linked(Use& use, Instant now) {
  if (use.state != Use::State::linking) return;
  if constexpr (measuring) links_.record(now - use.served);
  use.state = Use::State::other;
  use.in_transaction = true;
  use.transaction_since = now;
}

void Meter::query_started(Use& use, Instant now) {
  if (use.state < Use::State::executing) return;
  if (!use.in_transaction) {
    use.in_transaction = true;
    use.transaction_since = now;
  }
  if (use.outstanding++ > 0) return;
  use.query_since = now;
  if (measuring && host_ != nullptr) use.host_level = host_->begun(now);
  set_state(use, Use::State::executing, now);
}

Duration Meter::query_finished(Use& use, bool in_transaction, Instant now, std::uint64_t statement_class) {
  if (use.outstanding == 0) return {};
  const Duration query = std::max(now - use.query_since, Duration::zero());
  ++totals_.query_count;
  totals_.query_time += query;
  if constexpr (measuring) {
    queries_.record(query);
    executing_.gauge.completion();
  }
  if (query > use.longest_query) {
    use.longest_query = query;
    use.longest_class = statement_class;
  }
  // The next one of a pipeline begins as this one ends.
  if (measuring && host_ != nullptr) {
    host_->ended(statement_class, use.query_since, use.host_level, now);
    if (use.outstanding > 1) use.host_level = host_->begun(now);
  }
  use.query_since = now;
  --use.outstanding;
  if (!in_transaction) {
    const Duration transaction = std::max(now - use.transaction_since, Duration::zero());
    if constexpr (measuring) transactions_.record(transaction);
    ++totals_.xact_count;
    totals_.xact_time += transaction;
    use.transaction_since = now;
  }
  use.in_transaction = in_transaction || use.outstanding > 0;
  if (use.outstanding == 0)
    set_state(use, in_transaction ? Use::State::idle_in_transaction : Use::State::other, now);
  return query;
}

void Meter::released(Use& use, Instant now) {
  if (use.state < Use::State::linking) return;
  if constexpr (!measuring) {
    use = Use{};
    return;
  }
  const bool interrupted = use.state == Use::State::executing;
  if (interrupted && host_ != nullptr) host_->ended(0, use.query_since, use.host_level, now);
  set_state(use, Use::State::other, now);
  recorder_.ended(use, interrupted ? TraceRecord::failed : 0, now);
  const Duration holding = std::max(now - use.served, Duration::zero());
  held_.gauge.completion();
  held_.gauge.add(-1, now);
  if (series_) series_->held.change(held_.gauge.level(), now);
  virtual_.released(use.wait, now);
  --running_;
  running_since_ -= static_cast<std::uint64_t>((use.served - since_).count());

  holdings_.record(holding);
  ++now_.completions;
  now_.holding_seconds += in_seconds(holding);
  now_.holding_seconds_squared += in_seconds(holding) * in_seconds(holding);
  needing(-1, now);
  use = Use{};
}

// The only place where a use enters or leaves the two states that gauges count.
void Meter::set_state(Use& use, Use::State state, Instant now) {
  if (use.state == state) return;
  const Duration span = now - std::exchange(use.state_since, now);
  if constexpr (!measuring) {
    use.state = state;
    return;
  }
  if (use.state == Use::State::executing) {
    executing_.gauge.add(-1, now);
    use.executing += span;
  }
  if (use.state == Use::State::idle_in_transaction) {
    idle_in_transaction_.gauge.add(-1, now);
    use.idle_in_transaction += span;
  }
  use.state = state;
  if (state == Use::State::executing) executing_.gauge.add(1, now);
  if (state == Use::State::idle_in_transaction) idle_in_transaction_.gauge.add(1, now);
}

void Meter::needing(int by, Instant now) {
  if (needing_ == 0) now_.idle += idle_until(now);
  now_.trend.add_time(needing_, now - needing_since_);
  needing_since_ = now;
  needing_ += by;
  if (series_) series_->needing.change(needing_, now, std::max(by, 0));
  if (needing_ == 0) idle_since_ = now;
  now_.highest_needing = std::max(now_.highest_needing, needing_);
}

Duration Meter::idle_until(Instant now) const {
  if (needing_ > 0 || now - idle_since_ < shortest_idle) return Duration::zero();
  return now - idle_since_;
}

TraceSegment Meter::trace(std::span<const Use* const> live, Instant now) const {
  TraceSegment segment = recorder_.segment(live, now);
  segment.pool_size = pool_size_;
  segment.clients = clients_;
  if (host_ != nullptr)
    segment.host_executing = host_->samples(segment.start, segment.start + segment.length);
  return segment;
}

Instant Meter::cut_due() const { return Instant(std::chrono::minutes(minute_of(now_.start) + 1)); }

// The present window as it stands, without its virtual demand.
MinuteWindow Meter::window(Instant now) const {
  MinuteWindow window = now_;
  window.duration = now - now_.start;
  window.idle += idle_until(now);
  window.waits = now_waits_.pack();
  window.held = held_.gauge.times(now);
  window.executing = executing_.gauge.times(now).level_time();
  window.idle_in_transaction = idle_in_transaction_.gauge.times(now).level_time();
  window.trend.add_time(needing_, now - needing_since_);
  window.highest_open = std::max(open_.gauge.times(now).highest(), open_.gauge.level());
  window.pool_size = pool_size_;
  window.clients = clients_;
  return window;
}

void Meter::cut(Instant now) {
  MinuteWindow closed = window(now);
  closed.virtual_final = false;
  if (series_) {
    // From its first moment on, or not at all.
    const bool whole = std::exchange(series_->since, now) <= closed.start;
    auto held = std::make_shared<const LevelSeries>(series_->held.take(now));
    auto needing = std::make_shared<const LevelSeries>(series_->needing.take(now));
    if (whole) {
      closed.held_series = std::move(held);
      closed.needing_series = std::move(needing);
    }
  }
  windows_.push(std::make_shared<const MinuteWindow>(std::move(closed)));
  virtual_.cut(now);
  for (VirtualDemand::Finished& it : virtual_.take_finished())
    windows_.complete(it.times, std::move(it.series));

  for (Track* track : {&held_, &executing_, &idle_in_transaction_, &waiting_, &open_})
    track->before.merge(track->gauge.take(now));
  waits_.merge(now_waits_);
  arrivals_ += now_.arrivals;
  completions_ += now_.completions;
  for (std::size_t i = 0; i < wait_reasons; ++i) {
    waits_by_reason_[i].count += now_.waits_by_reason[i].count;
    waits_by_reason_[i].time += now_.waits_by_reason[i].time;
  }
  for (std::size_t i = 0; i < give_ups; ++i) gave_up_[i] += now_.gave_up[i];

  recorder_.begin(now);
  now_waits_.clear();
  now_ = MinuteWindow{};
  now_.start = needing_since_ = idle_since_ = now;
  now_.highest_needing = needing_;
  now_.highest_waiting = waiting_.gauge.level();
  longest_wait_before_ = std::exchange(longest_wait_, Duration::zero());
  clients_ = clients_now_;
}

std::vector<WindowRef> Meter::take_final(bool open_too) {
  std::vector<WindowRef> windows;
  for (const WindowRef& window : windows_.all()) {
    if (window->start <= taken_) continue;
    if (!window->virtual_final && !open_too) break;
    windows.push_back(window);
    taken_ = window->start;
  }
  return windows;
}

// Of the uses that have ended, and of the others so far.
Duration Meter::holding_time(Instant now) const {
  const std::uint64_t running =
      running_ * static_cast<std::uint64_t>((now - since_).count()) - running_since_;
  return holdings_.sum() + Duration(static_cast<std::int64_t>(running));
}

LittleCheck Meter::little(Instant now) const { return {held_.all(now).level_time(), holding_time(now)}; }

PoolPulse Meter::pulse(Duration target, Instant now) const {
  PoolPulse pulse{.target = target, .served = waits_.count() + now_waits_.count(), .clients = clients_now_};
  double late = 0;
  for (const Histogram* const waits : {&waits_, &now_waits_})
    late += waits->share_above(target) * static_cast<double>(waits->count());
  pulse.late = static_cast<std::uint64_t>(late + 0.5);
  for (const std::uint64_t count : gave_up_) pulse.gave_up += count;
  pulse.refused = gave_up_[static_cast<std::size_t>(GaveUp::refused)];
  pulse.held = holding_time(now);
  return pulse;
}

// Up to how long ago the virtual demand may still change, going by the waits of late.
Duration Meter::preview_lag() const {
  return std::min(std::max(longest_wait_, longest_wait_before_), VirtualDemand::lag);
}

PoolMeasure Meter::measure(Instant now, bool series_too) const {
  PoolMeasure measure;
  measure.since = since_;
  measure.now = now;
  measure.totals = totals_;
  measure.waits = waits_;
  measure.waits.merge(now_waits_);
  measure.abandoned_waits = abandoned_waits_;
  measure.links = links_;
  measure.queries = queries_;
  measure.transactions = transactions_;
  measure.holdings = holdings_;
  measure.held = held_.all(now);
  measure.executing = executing_.all(now);
  measure.idle_in_transaction = idle_in_transaction_.all(now);
  measure.waiting = waiting_.all(now);
  measure.open = open_.all(now);
  measure.arrivals = arrivals_ + now_.arrivals;
  measure.completions = completions_ + now_.completions;
  measure.waits_by_reason = waits_by_reason_;
  for (std::size_t i = 0; i < wait_reasons; ++i) {
    measure.waits_by_reason[i].count += now_.waits_by_reason[i].count;
    measure.waits_by_reason[i].time += now_.waits_by_reason[i].time;
  }
  measure.gave_up = gave_up_;
  for (std::size_t i = 0; i < give_ups; ++i) measure.gave_up[i] += now_.gave_up[i];
  measure.little = little(now);
  measure.windows = windows_.all();
  measure.current = window(now);

  // Windows whose virtual demand is not final yet get what is known of it.
  const std::vector<LevelTimes> known = virtual_.preview(now - preview_lag(), now);
  measure.current.virtual_demand = known.back();
  measure.current.virtual_final = false;
  if (series_too && series_ && series_->since <= now_.start) {
    measure.current.held_series = std::make_shared<const LevelSeries>(series_->held.so_far(now));
    measure.current.needing_series = std::make_shared<const LevelSeries>(series_->needing.so_far(now));
    measure.current.demand_series = virtual_.series(now);
  }
  std::size_t next = 0;
  for (WindowRef& window : measure.windows) {
    if (window->virtual_final || next + 1 >= known.size()) continue;
    auto copy = std::make_shared<MinuteWindow>(*window);
    copy->virtual_demand = known[next++];
    window = std::move(copy);
  }
  return measure;
}

}  // namespace pgweir
