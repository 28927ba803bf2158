#include "pool/deadline_list.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

constexpr Instant start{1000s};

ConnId conn(std::uint32_t slot) { return {.slot = slot, .generation = 1}; }

}  // namespace

TEST_CASE("those that entered first are past their limit first, and leave from any place") {
  DeadlineList list;
  list.set_limit(10s);
  DeadlineList::Member a, b, c;
  list.enter(a, conn(1), start);
  list.enter(b, conn(2), start + 1s);
  list.enter(c, conn(3), start + 2s);
  CHECK(list.due() == start + 10s);
  CHECK(list.expired(start + 10s - 1ns) == nullptr);

  DeadlineList::leave(a);
  CHECK(list.due() == start + 11s);
  CHECK(list.expired(start + 12s) == &b);
  CHECK(list.expired(start + 12s) == &c);
  CHECK(list.expired(start + 12s) == nullptr);
  CHECK(list.empty());
  CHECK(list.due() == never);
  DeadlineList::leave(c);
  CHECK(list.empty());
}

TEST_CASE("a changed limit holds for those that are in, and 0 is none") {
  DeadlineList list;
  DeadlineList::Member a;
  list.enter(a, conn(1), start);
  CHECK(list.due() == never);
  CHECK(list.expired(start + 24h) == nullptr);
  list.set_limit(5s);
  CHECK(list.due() == start + 5s);
  list.set_limit(2s);
  CHECK(list.due() == start + 2s);
  list.set_limit(0s);
  CHECK(list.due() == never);
}

TEST_CASE("the timer is set once for many deadlines, and again only for an earlier one") {
  DeadlineList list;
  list.set_limit(10s);
  DeadlineList::Member a, b;
  CHECK(list.arm() == never);
  list.enter(a, conn(1), start);
  CHECK(list.arm() == start + 10s);
  for (int i = 1; i <= 100; ++i) {
    DeadlineList::leave(a);
    list.enter(a, conn(1), start + i * 10ms);
    CHECK(list.arm() == never);
  }
  list.enter(b, conn(2), start + 2s);
  CHECK(list.timer_came(start + 10s));
  CHECK(list.expired(start + 10s) == nullptr);
  CHECK(list.arm() == start + 11s);

  // The limit becomes shorter: the timer that stands would come too late, and is void from now on.
  list.set_limit(5s);
  CHECK(list.arm() == start + 6s);
  CHECK(list.timer_came(start + 6s));
  CHECK(list.expired(start + 6s) == &a);
  CHECK(list.arm() == start + 7s);
  CHECK(list.timer_came(start + 7s));
  CHECK_FALSE(list.timer_came(start + 11s));
}

TEST_CASE("any order of entering, leaving and changing limits finds the same as a search") {
  std::mt19937 random(7);
  DeadlineList list;
  std::deque<DeadlineList::Member> members(20);
  Instant now = start;
  int found = 0;
  for (int step = 0; step < 20'000; ++step) {
    now += std::chrono::milliseconds(random() % 20);
    DeadlineList::Member& member = members[random() % members.size()];
    DeadlineList::leave(member);
    if (random() % 3 > 0) list.enter(member, conn(static_cast<std::uint32_t>(random() % 100)), now);
    if (random() % 50 == 0) list.set_limit(std::chrono::milliseconds(random() % 300));
    Instant first = never;
    for (const DeadlineList::Member& it : members) {
      if (it.list != nullptr) first = std::min(first, deadline_after(it.since, list.limit()));
    }
    REQUIRE(list.due() == first);
    while (DeadlineList::Member* const late = list.expired(now)) {
      REQUIRE(deadline_after(late->since, list.limit()) <= now);
      ++found;
    }
    REQUIRE(list.due() > now);
  }
  CHECK(found > 100);
}
