#include "pool/deadline_list.h"

#include <utility>

namespace pgweir {

void DeadlineList::enter(Member& member, ConnId owner, Instant now) {
  member = {.owner = owner, .since = now, .before = last_, .after = nullptr, .list = this};
  (last_ == nullptr ? first_ : last_->after) = &member;
  last_ = &member;
}

void DeadlineList::leave(Member& member) {
  DeadlineList* const list = std::exchange(member.list, nullptr);
  if (list == nullptr) return;
  (member.before == nullptr ? list->first_ : member.before->after) = member.after;
  (member.after == nullptr ? list->last_ : member.after->before) = member.before;
}

DeadlineList::Member* DeadlineList::expired(Instant now) {
  if (now < due()) return nullptr;
  Member* const member = first_;
  leave(*member);
  return member;
}

Instant DeadlineList::arm() {
  const Instant at = due();
  if (at >= armed_) return never;
  return armed_ = at;
}

bool DeadlineList::timer_came(Instant at) {
  if (at != armed_) return false;
  armed_ = never;
  return true;
}

}  // namespace pgweir
