#include "pool/shard.h"

#include <algorithm>

namespace pgweir {

void Shard::look_at_trial(Instant now) {
  if (!limits_.trials) return;
  trial_.look(!shut_ && idle_.empty() && open() >= limits_.part, idle() + busy_, now);
}

std::optional<ConnId> Shard::acquire() {
  if (idle_.empty()) return std::nullopt;
  // Those that wait while servers are held back are first.
  if (on_trial() && (holds_back() || !queue_.empty())) return std::nullopt;
  return take_newest_idle();
}

ConnId Shard::take_newest_idle() {
  const ConnId server = idle_.back().server;
  idle_.pop_back();
  ++busy_;
  return server;
}

std::optional<Shard::Match> Shard::next_match(Instant now) {
  if (shut_ || idle_.empty() || waiting() <= checking_ || holds_back() || must_check(now))
    return std::nullopt;
  return Match{*pop_waiter(), take_newest_idle()};
}

std::optional<ConnId> Shard::next_to_check() {
  if (shut_ || idle_.empty() || waiting() <= checking_ || holds_back()) return std::nullopt;
  ++checking_;
  return take_newest_idle();
}

std::optional<ConnId> Shard::take_oldest_idle() {
  if (idle_.empty()) return std::nullopt;
  const ConnId server = idle_.front().server;
  idle_.erase(idle_.begin());
  ++busy_;
  return server;
}

void Shard::dialing() { ++login_; }

void Shard::dial_failed(Instant now, bool refused, Duration longest) {
  --login_;
  if (refused) policy_.failed(now, std::min(limits_.login_retry, longest));
}

std::optional<Waiter> Shard::release(ConnId server, Instant connected, Instant now) {
  if (!shut_ && busy_ <= trial_.most_busy()) {
    if (auto waiter = pop_waiter()) {
      trial_.released(busy_, now);
      return waiter;
    }
  }
  --busy_;
  trial_.released(busy_, now);
  idle_.push_back({server, now, connected});
  retire_floor_ = std::min(retire_floor_, retire_at(idle_.back(), now));
  return std::nullopt;
}

void Shard::closed_idle(ConnId server) {
  std::erase_if(idle_, [&](const Idle& idle) { return idle.server == server; });
}

void Shard::granted(int slots) {
  slots_ += slots;
  asked_ = std::max(0, asked_ - slots);
}

// Connections that should be there and are not: one for each waiter that none of those on their way in will
// serve, and what is missing to `min`.
int Shard::needed(bool keep_min) const {
  if (shut_ || on_trial()) return 0;
  const int for_waiters = waiting() - login_ - checking_;
  const int for_min = keep_min ? limits_.min - open() : 0;
  return std::max({0, for_waiters, for_min});
}

int Shard::slots_to_ask(Instant now) {
  const Need need = needs_reserve(now) ? Need::reserve : queue_.empty() ? Need::min : Need::waiters;
  const int room = (need == Need::reserve ? limit() : limits_.size) - slots_;
  int missing = std::min(needed(true) - (slots_ - open()), room);
  if (limits_.shared && slots_ > 0) {
    if (!queue_.empty() && now - queue_.front()->since < share_patience) return 0;
    missing = std::min(missing, 1);
  }
  // The Arbiter forgets nothing, but a stronger wish is another one than the one it has.
  if (missing <= 0 || (missing <= asked_ && need <= asked_for_)) return 0;
  asked_ = missing;
  asked_for_ = need;
  return missing;
}

bool Shard::needs_reserve(Instant now) const {
  // A shard of several does not know whether the pool is full: the Arbiter does.
  return limits_.reserve > 0 && !queue_.empty() && (limits_.shared || slots_ >= limits_.size) &&
         now - queue_.front()->since >= limits_.reserve_timeout;
}

bool Shard::should_yield(Instant since) const { return queue_.empty() || since < queue_.front()->since; }

bool Shard::should_yield_server(Instant since, bool even, Instant now) const {
  if (now < settled_) return false;
  if (!queue_.empty()) return since < queue_.front()->since;
  return !even || (!idle_.empty() && now - idle_.front().since >= settling);
}

Instant Shard::yield_due(bool even, Instant now) const {
  Instant at = settled_;
  if (even && queue_.empty() && !idle_.empty()) at = std::max(at, idle_.front().since + settling);
  return at > now ? at : never;
}

bool Shard::yield_free_slot() {
  if (slots_ <= open()) return false;
  --slots_;
  return true;
}

int Shard::take_unused_slots() {
  // After the limits were lowered, slots beyond them go back even while somebody waits.
  const int in_use = std::max(open(), std::min(open() + needed(true), limit()));
  const int unused = std::max(0, slots_ - in_use);
  slots_ -= unused;
  return unused;
}

int Shard::dials_due(Instant now, bool keep_min) const {
  return std::max(
      0, std::min({needed(keep_min), std::min(slots_, limit()) - open(), policy_.allowed(now) - login_}));
}

Duration Shard::lifetime_of(ConnId server) const {
  // Spread over a tenth, so that connections which were opened together do not all end together.
  return limits_.lifetime - limits_.lifetime / 160 * (server.slot % 16);
}

bool Shard::over_lifetime(ConnId server, Instant connected, Instant now) const {
  return limits_.lifetime != Duration::zero() && now - connected >= lifetime_of(server);
}

Instant Shard::retire_at(const Idle& idle, Instant now) const {
  const Instant aged =
      limits_.lifetime == Duration::zero() ? never : idle.connected + lifetime_of(idle.server);
  if (limits_.idle_timeout == Duration::zero()) return aged;
  // One that is kept for `min` is looked at again a timeout later: others may have been opened by then.
  const Instant unused = (open() - leaving_ > limits_.min ? idle.since : now) + limits_.idle_timeout;
  return std::min(aged, unused);
}

std::optional<ConnId> Shard::next_to_retire(Instant now) {
  const bool too_many = open() - leaving_ > limit();
  if (idle_.empty() || (!too_many && now < retire_floor_)) return std::nullopt;
  Instant floor = never;
  for (std::size_t i = 0; i < idle_.size(); ++i) {
    const Instant at = retire_at(idle_[i], now);
    if (too_many || at <= now) {
      const ConnId server = idle_[i].server;
      idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
      ++busy_;
      ++leaving_;
      return server;
    }
    floor = std::min(floor, at);
  }
  retire_floor_ = floor;
  return std::nullopt;
}

std::optional<Waiter> Shard::expired(Instant now) {
  if (now < wait_deadline()) return std::nullopt;
  return pop_waiter();
}

std::optional<Waiter> Shard::next_beyond_queue() {
  if (limits_.max_queue == 0) return std::nullopt;
  // A server that may still be opened, or is being checked, ends the wait of somebody soon.
  const bool none_to_come = policy_.failing_since() != never;
  const int to_come = none_to_come ? 0 : std::max(limits_.part, slots_) - (busy_ - checking_);
  if (waiting() <= limits_.max_queue + std::max(0, to_come)) return std::nullopt;
  const WaitQueue::Place last = queue_.back_place();
  const Waiter waiter = queue_.at(last);
  queue_.remove(last);
  return waiter;
}

Instant Shard::wait_deadline() const {
  return queue_.empty() ? never : deadline_after(queue_.front()->since, limits_.wait_timeout);
}

std::optional<Waiter> Shard::pop_waiter() {
  if (queue_.empty()) return std::nullopt;
  const Waiter waiter = *queue_.front();
  queue_.remove(queue_.front_place());
  return waiter;
}

Instant Shard::next_deadline(Instant now, bool keep_min) const {
  Instant at = never;
  if (!queue_.empty()) {
    at = wait_deadline();
    const Instant reserve_due = queue_.front()->since + limits_.reserve_timeout;
    const bool reserve_left = (limits_.shared || slots_ >= limits_.size) && slots_ < limit();
    if (reserve_left && reserve_due > now) at = std::min(at, reserve_due);
  }
  if (limits_.shared && !queue_.empty() && slots_ < limits_.size) {
    const Instant ask = queue_.front()->since + share_patience;
    if (ask > now) at = std::min(at, ask);
  }
  if (needed(keep_min) > 0 && slots_ > open() && policy_.again() > now) at = std::min(at, policy_.again());
  at = std::min(at, trial_.next());
  return idle_.empty() ? at : std::min(at, retire_floor_);
}

}  // namespace pgweir
