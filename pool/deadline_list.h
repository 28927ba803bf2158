#pragma once
// Those that have been at something since some time, and for whom one limit counts: who is past it first.
//
// Thousands of clients each have a deadline or two that is met next to never, and that begins and ends with
// every query. So there is no timer for each: all members of a list have the same limit and enter in the
// order of time, which makes the list sorted by deadline as it is. Entering and leaving are a few pointers,
// without allocation or search; a changed limit holds for those that are in already. The owner keeps one
// timer for each list, for the deadline of its first member, and sets it anew only when it has come (`arm`):
// a first member that has left in time costs one idle look per limit, not work with each query.
//
// The owner of a member removes it before it dies. One thread.

#include "pool/ids.h"
#include "pool/time.h"

namespace pgweir {

class DeadlineList {
 public:
  struct Member {
    ConnId owner;
    Instant since{};
    Member* before = nullptr;
    Member* after = nullptr;
    DeadlineList* list = nullptr;  // it is in
  };

  DeadlineList() = default;
  DeadlineList(const DeadlineList&) = delete;
  DeadlineList& operator=(const DeadlineList&) = delete;

  // 0: none.
  Duration limit() const { return limit_; }
  void set_limit(Duration limit) { limit_ = limit; }

  // Since `now`, which is not before the latest that entered. It is in no list.
  void enter(Member& member, ConnId owner, Instant now);
  // From whatever list it is in.
  static void leave(Member& member);

  bool empty() const { return first_ == nullptr; }
  // When the first one is past its limit.
  Instant due() const { return first_ == nullptr ? never : deadline_after(first_->since, limit_); }
  // The first one, when it is past its limit; it has left the list. Null when there is none.
  Member* expired(Instant now);

  // When the owner's timer is to be set now: `never` when it stands early enough.
  Instant arm();
  // The timer that was set for this instant has come. False when it has been replaced by an earlier one.
  bool timer_came(Instant at);

 private:
  Member* first_ = nullptr;
  Member* last_ = nullptr;
  Duration limit_{};
  Instant armed_ = never;
};

}  // namespace pgweir
