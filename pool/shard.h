#pragma once
// One worker's part of one pool: who waits, which servers are there, how many more may be opened.
//
// The shard decides and keeps count; it does not act. After each call the owner asks what is due
// (dials_due, slots_to_ask, next_to_retire, expired) and does it. Time is an argument. One thread.
//
// Invariants:
//  S1 open() <= slots(): a server connection exists only with a slot granted by the pool's Arbiter.
//  S2 Nobody waits while a server is idle here, unless as many are being checked as clients wait, the shard
//     is shut, or a SizeTrial holds servers back.
//  S3 A server is idle, or busy with one client, or on its way in or out; never two of these.
//  S4 The queue is served first in, first out; idle servers last in, first out, so that the rest can age.

#include <cstdint>
#include <optional>
#include <vector>

#include "pool/dial_policy.h"
#include "pool/ids.h"
#include "pool/size_trial.h"
#include "pool/time.h"
#include "pool/wait_queue.h"

namespace pgweir {

// What the settings say of one pool.
struct Limits {
  int size = 0;
  int reserve = 0;
  int min = 0;
  bool shared = false;  // other workers have shards of this pool as well
  Duration reserve_timeout{};
  Duration idle_timeout{};
  Duration lifetime{};
  Duration login_retry{};
  Duration wait_timeout{};  // of a client, those that wait already included; 0: none
  // An idle server is checked before it is used when it was not used for as long; max(): never.
  Duration check_delay = Duration::max();
  int max_queue = 0;    // clients that may wait here for what others use; 0: any number
  int part = 0;         // of `size`: how many servers this shard has when all shards have as many
  bool trials = false;  // servers may be held back to learn how many are needed
};

class Shard {
 public:
  static constexpr Duration share_patience = std::chrono::milliseconds(1);
  // How long slots stay where they came to, or where others were taken from, before another pool may have one
  // with a server: to close a server here and open one there costs what some hundred transactions cost. So a
  // shard closes at most one server in this time for the sake of other pools.
  static constexpr Duration settling = std::chrono::milliseconds(50);

  explicit Shard(const Limits& limits) : limits_(limits) {}

  const Limits& limits() const { return limits_; }
  void set_limits(const Limits& limits) {
    if (limits.size != limits_.size || !limits.trials) trial_.reset();
    limits_ = limits;
    // What follows from the old limits is void: wishes are told to the Arbiter again, idle servers looked at.
    asked_ = 0;
    retire_floor_ = Instant{};
  }

  // While it is shut all clients wait, no server is opened, and slots without a server go back.
  void set_shut(bool shut) { shut_ = shut; }
  bool is_shut() const { return shut_; }

  // Whether a SizeTrial begins or ends; to be called whenever the shard is looked at.
  void look_at_trial(Instant now);
  bool on_trial() const { return trial_.running(); }
  const TrialResult& trials() const { return trial_.result(); }

  // An idle server for a client, now busy; nothing when the client has to wait (then call `wait`).
  std::optional<ConnId> acquire();
  // The first waiter, who has left the queue, and an idle server for him, now busy: what could not be served
  // before, as the shard was shut or a trial was on. Not what has to be checked first.
  struct Match {
    Waiter waiter;
    ConnId server;
  };
  std::optional<Match> next_match(Instant now);
  // The idle server that would be taken next has to be checked first: the client has to wait for that.
  bool must_check(Instant now) const {
    return !idle_.empty() && limits_.check_delay != Duration::max() &&
           now - idle_.back().since >= limits_.check_delay;
  }
  // An idle server to be checked now, for a client that waits; it counts as busy. `checked` says that this is
  // over, whatever came of it, and goes before the server's release or end.
  std::optional<ConnId> next_to_check();
  void checking() { ++checking_; }  // one that is busy already
  void checked() { --checking_; }
  WaitQueue::Place wait(const Waiter& waiter) { return queue_.push(waiter); }
  void leave(WaitQueue::Place place) { queue_.remove(place); }

  // A connection is being opened; it takes a free slot.
  void dialing();
  // It came to nothing. `refused`: the server or the network said no, so wait before the next attempt, at
  // most for `longest`.
  void dial_failed(Instant now, bool refused, Duration longest = Duration::max());
  // It is ready to serve (from now on the caller's to release or close).
  void dialed() {
    --login_;
    ++busy_;
    policy_.succeeded();
  }
  // A server came from another worker, with its slot.
  void adopted() {
    granted(1);
    ++busy_;
  }

  // A busy server is clean again: the client that is to have it, which has left the queue, or nothing: the
  // server is idle now.
  std::optional<Waiter> release(ConnId server, Instant connected, Instant now);
  // A server is gone, or going; it was busy, or idle.
  void closed_busy() {
    --busy_;
    if (leaving_ > 0) --leaving_;
  }
  void closed_idle(ConnId server);
  // An idle server is busy now, though not for a client: it is to be closed, or asked something.
  void take(ConnId server) {
    closed_idle(server);
    ++busy_;
  }

  // Slots.
  int slots() const { return slots_; }
  void granted(int slots);
  // How many more slots to ask the Arbiter for now; 0 when it has been asked already. In a shared pool a
  // shard that has slots asks for one more at a time, and not before somebody has waited for
  // `share_patience`: moving a server between workers costs more than a short wait.
  int slots_to_ask(Instant now);
  // Whether the queue has been so slow that the reserve should help.
  bool needs_reserve(Instant now) const;
  // Another shard's client waits since `since`: true when a slot should go there now, rather than serve
  // somebody here or stay idle.
  bool should_yield(Instant since) const;
  // The same for a shard of another pool, where the slot's server would have to be closed. `even`: that pool
  // has about as many slots, so only what idles for some time, or has served somebody here since, is given.
  bool should_yield_server(Instant since, bool even, Instant now) const;
  // When that may become true by itself, after `now`.
  Instant yield_due(bool even, Instant now) const;
  // A slot has come, or has gone to another pool.
  void settle(Instant now) { settled_ = now + settling; }
  // A free slot, without a server, leaves this shard; false when there is none.
  bool yield_free_slot();
  // Slots that nobody needs: they go back to the Arbiter.
  int take_unused_slots();
  void slot_left() { --slots_; }
  // The Arbiter has a wish of this shard.
  bool wishes() const { return asked_ > 0; }

  // How many connections to open now. `keep_min`: whether the pool has clients, for which min is kept.
  int dials_due(Instant now, bool keep_min) const;
  // An idle server whose time is over; it counts as busy until it has been closed.
  std::optional<ConnId> next_to_retire(Instant now);
  // The first waiter, when it has waited for longer; it has left the queue.
  std::optional<Waiter> expired(Instant now);
  // The one that came last, when more clients wait than may; it has left the queue.
  std::optional<Waiter> next_beyond_queue();
  // Any waiter, because all are to be refused; it has left the queue.
  std::optional<Waiter> pop_waiter();
  // When to look again, or somewhat earlier.
  Instant next_deadline(Instant now, bool keep_min) const;

  const DialPolicy& policy() const { return policy_; }
  const WaitQueue& queue() const { return queue_; }
  int waiting() const { return static_cast<int>(queue_.size()); }
  // There is one.
  ConnId newest_idle() const { return idle_.back().server; }
  // The one that was not used for the longest time, now busy.
  std::optional<ConnId> take_oldest_idle();
  int idle() const { return static_cast<int>(idle_.size()); }
  int busy() const { return busy_; }
  int login() const { return login_; }
  int open() const { return idle() + busy_ + login_; }
  bool over_lifetime(ConnId server, Instant connected, Instant now) const;

 private:
  // Why slots are wanted, the weaker reason first.
  enum class Need : std::uint8_t { min, waiters, reserve };

  struct Idle {
    ConnId server;
    Instant since;
    Instant connected;
  };

  ConnId take_newest_idle();
  // As many are busy as a trial allows.
  bool holds_back() const { return busy_ >= trial_.most_busy(); }
  // When the first waiter has waited for too long.
  Instant wait_deadline() const;
  int needed(bool keep_min) const;
  int limit() const { return limits_.size + limits_.reserve; }
  Instant retire_at(const Idle& idle, Instant now) const;
  Duration lifetime_of(ConnId server) const;

  Limits limits_;
  DialPolicy policy_;
  SizeTrial trial_;
  WaitQueue queue_;
  std::vector<Idle> idle_;  // the last one is taken first
  int busy_ = 0, login_ = 0;
  int slots_ = 0;
  int checking_ = 0;  // of the busy ones
  int leaving_ = 0;   // of the busy ones, those that next_to_retire named
  int asked_ = 0;     // slots asked for and not granted yet
  Need asked_for_ = Need::min;
  bool shut_ = false;
  Instant settled_{};             // from when on servers may be closed for other pools
  Instant retire_floor_ = never;  // no idle server is to be retired before
};

}  // namespace pgweir
