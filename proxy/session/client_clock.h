#pragma once
// What a client has been doing and since when, for the time limits of its pool.
//
// A client always does one thing that has a limit, and may have a transaction open beside it. Each of the two
// is a membership in a list of its pool (pool/deadline_list.h says why); WorkerEngine keeps the timers of the
// lists and tells the client when one is past. A limit fires once for each beginning.

#include <array>
#include <cstdint>
#include <optional>

#include "pool/deadline_list.h"
#include "protocol/bytes.h"

namespace pgweir {

enum class TimeLimit : std::uint8_t {
  query,             // a server works for it: from the first message to ReadyForQuery
  transaction,       // from its first statement, or BEGIN
  idle_transaction,  // nothing is asked, and a transaction is open
  client_idle,       // nothing is asked, and none is open
  wait_notify,       // it waits for a server
};
inline constexpr std::size_t time_limits = 5;

// The settings.
inline constexpr std::array<Bytes, time_limits> time_limit_names{"query_timeout", "transaction_timeout",
                                                                 "idle_transaction_timeout",
                                                                 "client_idle_timeout", "query_wait_notify"};

using TimeLimitLists = std::array<DeadlineList, time_limits>;

class ClientClock {
 public:
  ClientClock() = default;
  ClientClock(const ClientClock&) = delete;
  ClientClock& operator=(const ClientClock&) = delete;
  ~ClientClock() { stop(); }

  // It does this, with a transaction open or not: since now, unless it did so before. Whether that is new.
  bool set(TimeLimit doing, bool transaction, TimeLimitLists& lists, ConnId client, Instant now) {
    const bool same = doing_ == doing && in_transaction_ == transaction;
    if (doing_ != doing) {
      begin(present_, lists[static_cast<std::size_t>(doing)], client, now);
      doing_ = doing;
    }
    if (transaction && !in_transaction_) {
      begin(transaction_, lists[static_cast<std::size_t>(TimeLimit::transaction)], client, now);
    } else if (!transaction) {
      DeadlineList::leave(transaction_);
    }
    in_transaction_ = transaction;
    return !same;
  }
  // It has given a sign of life: that it does nothing begins anew.
  void renew(Instant now) {
    if (doing_ != TimeLimit::client_idle && doing_ != TimeLimit::idle_transaction) return;
    if (present_.list != nullptr) begin(present_, *present_.list, present_.owner, now);
  }
  // What it did is over, and so is its transaction: the same again is another one.
  void ended(bool transaction_too) {
    DeadlineList::leave(present_);
    doing_.reset();
    if (!transaction_too) return;
    DeadlineList::leave(transaction_);
    in_transaction_ = false;
  }
  void stop() { ended(true); }

 private:
  static void begin(DeadlineList::Member& member, DeadlineList& list, ConnId client, Instant now) {
    DeadlineList::leave(member);
    list.enter(member, client, now);
  }

  DeadlineList::Member present_, transaction_;
  std::optional<TimeLimit> doing_;
  bool in_transaction_ = false;
};

}  // namespace pgweir
