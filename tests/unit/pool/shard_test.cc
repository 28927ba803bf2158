#include "pool/shard.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/seeded_random.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

const Instant start(1000s);

ConnId id(std::uint32_t number) { return {number, 1}; }
Waiter waiter(std::uint32_t number, Instant since = start) { return {.client = id(number), .since = since}; }

// A shard whose servers 1..n are busy.
Shard with_busy(const Limits& limits, int servers) {
  Shard shard(limits);
  shard.granted(servers);
  for (int i = 0; i < servers; ++i) {
    shard.dialing();
    shard.dialed();
  }
  return shard;
}

Shard with_idle(const Limits& limits, int servers, Instant connected = start) {
  Shard shard = with_busy(limits, servers);
  for (int i = 1; i <= servers; ++i)
    CHECK_FALSE(shard.release(id(static_cast<std::uint32_t>(i)), connected, start));
  return shard;
}

}  // namespace

TEST_CASE("shard: a new one has nothing and wants nothing") {
  Shard shard(Limits{.size = 5});
  CHECK_FALSE(shard.acquire());
  CHECK(shard.open() == 0);
  CHECK(shard.slots_to_ask(start) == 0);
  CHECK(shard.dials_due(start, true) == 0);
  CHECK(shard.take_unused_slots() == 0);
  CHECK_FALSE(shard.next_to_retire(start));
  CHECK_FALSE(shard.expired(start));
  CHECK_FALSE(shard.pop_waiter());
  CHECK_FALSE(shard.yield_free_slot());
  CHECK(shard.next_deadline(start, true) == never);
}

TEST_CASE("shard: from a waiter to a served client") {
  Shard shard(Limits{.size = 5});
  shard.wait(waiter(7));
  CHECK(shard.slots_to_ask(start) == 1);
  CHECK(shard.slots_to_ask(start) == 0);  // asked already
  CHECK(shard.dials_due(start, true) == 0);
  shard.granted(1);
  CHECK(shard.dials_due(start, true) == 1);
  shard.dialing();
  CHECK(shard.login() == 1);
  CHECK(shard.dials_due(start, true) == 0);
  CHECK(shard.slots_to_ask(start) == 0);
  shard.dialed();
  CHECK(shard.busy() == 1);
  const auto served = shard.release(id(1), start, start);
  REQUIRE(served);
  CHECK(served->client == id(7));
  CHECK(shard.busy() == 1);
  CHECK(shard.waiting() == 0);
  CHECK_FALSE(shard.release(id(1), start, start));
  CHECK(shard.idle() == 1);
  CHECK(shard.busy() == 0);
  CHECK(shard.newest_idle() == id(1));
}

TEST_CASE("shard: idle servers are used last in, first out") {
  Shard shard = with_idle(Limits{.size = 5}, 3);
  CHECK(shard.acquire() == id(3));
  CHECK(shard.acquire() == id(2));
  CHECK_FALSE(shard.release(id(3), start, start));
  CHECK(shard.acquire() == id(3));
  CHECK(shard.acquire() == id(1));
  CHECK_FALSE(shard.acquire());
  CHECK(shard.busy() == 3);
}

TEST_CASE("shard: waiters are served first in, first out, also when some have left") {
  Shard shard = with_busy(Limits{.size = 1}, 1);
  shard.wait(waiter(1));
  const auto second = shard.wait(waiter(2));
  shard.wait(waiter(3));
  shard.leave(second);
  CHECK(shard.waiting() == 2);
  CHECK(shard.release(id(1), start, start)->client == id(1));
  CHECK(shard.release(id(1), start, start)->client == id(3));
  CHECK_FALSE(shard.release(id(1), start, start));
}

TEST_CASE("shard: the death of a server frees its place") {
  Shard shard = with_idle(Limits{.size = 5}, 3);
  shard.closed_idle(id(2));
  CHECK(shard.open() == 2);
  CHECK(shard.acquire() == id(3));
  shard.closed_busy();
  CHECK(shard.open() == 1);
  CHECK(shard.acquire() == id(1));
  CHECK(shard.slots() == 3);
  CHECK(shard.take_unused_slots() == 2);
  CHECK(shard.slots() == 1);
}

TEST_CASE("shard: asks for what its waiters need, within the size") {
  Shard shard(Limits{.size = 4});
  for (std::uint32_t i = 0; i < 3; ++i) shard.wait(waiter(i));
  CHECK(shard.slots_to_ask(start) == 3);
  shard.granted(1);
  CHECK(shard.slots_to_ask(start) == 0);  // two more are on their way
  shard.wait(waiter(3));
  shard.wait(waiter(4));
  shard.wait(waiter(5));
  CHECK(shard.slots_to_ask(start) == 3);  // six wait, four may be served
  shard.granted(3);
  CHECK(shard.slots_to_ask(start) == 0);
  CHECK(shard.slots() == 4);
}

TEST_CASE("shard: what was asked for and is needed no more goes back") {
  Shard shard(Limits{.size = 4});
  const auto one = shard.wait(waiter(1));
  const auto two = shard.wait(waiter(2));
  CHECK(shard.slots_to_ask(start) == 2);
  shard.leave(one);
  shard.leave(two);
  shard.granted(2);
  CHECK(shard.dials_due(start, true) == 0);
  CHECK(shard.take_unused_slots() == 2);
  CHECK(shard.slots() == 0);
}

TEST_CASE("shard: opens no more than waiters, slots and the dial policy allow") {
  Shard shard(Limits{.size = 100, .login_retry = 15s});
  for (std::uint32_t i = 0; i < 50; ++i) shard.wait(waiter(i));
  shard.granted(shard.slots_to_ask(start));
  CHECK(shard.slots() == 50);
  CHECK(shard.dials_due(start, true) == DialPolicy::first_parallel);
  for (int i = 0; i < 3; ++i) shard.dialing();
  CHECK(shard.dials_due(start, true) == DialPolicy::first_parallel - 3);
  shard.dialed();  // now twice as many at a time
  CHECK(shard.dials_due(start, true) == 2 * DialPolicy::first_parallel - 2);
  shard.dial_failed(start, true);
  CHECK(shard.dials_due(start, true) == 0);
  CHECK(shard.next_deadline(start, true) == start + DialPolicy::first_pause);
  CHECK(shard.dials_due(start + DialPolicy::first_pause, true) == 0);  // one is still under way
  shard.dial_failed(start, false);
  CHECK(shard.dials_due(start + DialPolicy::first_pause, true) == 1);
  CHECK(shard.policy().failing_since() == start);
}

TEST_CASE("shard: servers on their way in count for the waiters") {
  Shard shard(Limits{.size = 10});
  shard.granted(10);
  shard.wait(waiter(1));
  shard.wait(waiter(2));
  CHECK(shard.dials_due(start, true) == 2);
  shard.dialing();
  CHECK(shard.dials_due(start, true) == 1);
  shard.dialing();
  CHECK(shard.dials_due(start, true) == 0);
  shard.dial_failed(start, false);
  CHECK(shard.dials_due(start, true) == 1);
}

TEST_CASE("shard: min is kept open while the pool has clients") {
  Shard shard(Limits{.size = 10, .min = 3});
  CHECK(shard.slots_to_ask(start) == 3);
  shard.granted(3);
  CHECK(shard.take_unused_slots() == 0);
  CHECK(shard.dials_due(start, false) == 0);
  CHECK(shard.dials_due(start, true) == 3);
  shard.dialing();
  CHECK(shard.dials_due(start, true) == 2);
  shard.dialed();
  CHECK(shard.dials_due(start, true) == 2);
}

TEST_CASE("shard: a wish for waiters is told to the Arbiter although one for min was") {
  Shard shard(Limits{.size = 10, .min = 3});
  CHECK(shard.slots_to_ask(start) == 3);
  CHECK(shard.slots_to_ask(start) == 0);
  const auto place = shard.wait(waiter(1));
  CHECK(shard.slots_to_ask(start) == 3);
  CHECK(shard.slots_to_ask(start) == 0);
  shard.leave(place);
  CHECK(shard.slots_to_ask(start) == 0);
}

TEST_CASE("shard: the reserve helps when the queue has been slow") {
  Shard shard = with_busy(Limits{.size = 2, .reserve = 2, .reserve_timeout = 5s, .wait_timeout = 60s}, 2);
  for (std::uint32_t i = 0; i < 3; ++i) shard.wait(waiter(i));
  CHECK_FALSE(shard.needs_reserve(start + 5s - 1ns));
  CHECK(shard.slots_to_ask(start + 5s - 1ns) == 0);
  CHECK(shard.next_deadline(start, true) == start + 5s);
  CHECK(shard.needs_reserve(start + 5s));
  CHECK(shard.slots_to_ask(start + 5s) == 2);
  CHECK(shard.slots_to_ask(start + 5s) == 0);
  CHECK(shard.slots_to_ask(start + 50s) == 0);  // the Arbiter keeps the wish
  CHECK(shard.next_deadline(start + 5s, true) == start + 60s);
  shard.granted(1);
  CHECK(shard.slots_to_ask(start + 51s) == 0);
  shard.granted(1);
  CHECK(shard.dials_due(start + 51s, true) == 2);
  CHECK(shard.slots_to_ask(start + 51s) == 0);  // no more than size and reserve
}

TEST_CASE("shard: a wish that was kept is told again when it may use the reserve") {
  Shard shard = with_busy(Limits{.size = 3, .reserve = 1, .reserve_timeout = 5s}, 2);
  shard.wait(waiter(1));
  shard.wait(waiter(2));
  CHECK(shard.slots_to_ask(start) == 1);
  shard.granted(1);
  shard.dialing();
  CHECK(shard.slots_to_ask(start + 1s) == 0);
  CHECK(shard.slots_to_ask(start + 5s) == 1);
}

TEST_CASE("shard: a reserve without delay asks once and does not spin") {
  Shard shard = with_busy(Limits{.size = 1, .reserve = 1}, 1);
  shard.wait(waiter(1));
  CHECK(shard.slots_to_ask(start) == 1);
  CHECK(shard.slots_to_ask(start) == 0);
  CHECK(shard.next_deadline(start, true) > start);
}

TEST_CASE("shard: no deadline lies in the past while a server is on its way in") {
  Shard shard = with_busy(Limits{.size = 2, .reserve = 1, .reserve_timeout = 1s}, 1);
  shard.granted(1);
  shard.wait(waiter(1));
  shard.dialing();
  CHECK(shard.slots_to_ask(start + 2s) == 0);  // who waits is served by the one on its way
  CHECK(shard.next_deadline(start + 2s, true) > start + 2s);
}

TEST_CASE("shard: without a reserve nobody asks for one") {
  Shard shard = with_busy(Limits{.size = 1, .reserve_timeout = 1s}, 1);
  shard.wait(waiter(1));
  CHECK_FALSE(shard.needs_reserve(start + 10s));
  CHECK(shard.slots_to_ask(start + 10s) == 0);
}

TEST_CASE("shard: in a shared pool one more slot at a time, after some patience") {
  Shard shard(Limits{.size = 10, .shared = true});
  shard.wait(waiter(1));
  shard.wait(waiter(2));
  CHECK(shard.slots_to_ask(start) == 2);  // the first slots are asked for at once
  shard.granted(1);
  CHECK(shard.slots_to_ask(start) == 0);
  shard.granted(1);
  for (std::uint32_t i = 3; i < 9; ++i) shard.wait(waiter(i));
  CHECK(shard.slots_to_ask(start) == 0);
  const Instant later = start + Shard::share_patience;
  CHECK(shard.next_deadline(start, true) == later);
  CHECK(shard.slots_to_ask(later) == 1);
  CHECK(shard.slots_to_ask(later) == 0);
  shard.granted(1);
  CHECK(shard.slots_to_ask(later) == 1);
}

TEST_CASE("shard: a server that comes from another worker brings its slot") {
  Shard shard(Limits{.size = 4});
  shard.wait(waiter(1));
  shard.wait(waiter(2));
  CHECK(shard.slots_to_ask(start) == 2);
  shard.adopted();
  CHECK(shard.slots() == 1);
  CHECK(shard.busy() == 1);
  CHECK(shard.release(id(5), start, start)->client == id(1));
  CHECK(shard.slots_to_ask(start) == 0);  // the other one is still wished for
}

TEST_CASE("shard: and leaves the other worker with it") {
  Shard shard = with_idle(Limits{.size = 4}, 2);
  CHECK(shard.acquire() == id(2));
  shard.closed_busy();
  shard.slot_left();
  CHECK(shard.slots() == 1);
  CHECK(shard.open() == 1);
}

TEST_CASE("shard: yields to who has waited longer, and a free slot only if there is one") {
  Shard shard = with_busy(Limits{.size = 4}, 1);
  CHECK(shard.should_yield(start));  // nobody waits here
  CHECK(shard.should_yield(never));
  shard.wait(waiter(1, start));
  CHECK(shard.should_yield(start - 1ns));
  CHECK_FALSE(shard.should_yield(start));
  CHECK_FALSE(shard.should_yield(start + 1ns));
  CHECK_FALSE(shard.should_yield(never));
  CHECK_FALSE(shard.yield_free_slot());
  shard.granted(1);
  CHECK(shard.yield_free_slot());
  CHECK_FALSE(shard.yield_free_slot());
  CHECK(shard.slots() == 1);
}

TEST_CASE("shard: idle servers retire when unused for the idle timeout, the oldest first") {
  Shard shard = with_busy(Limits{.size = 5, .idle_timeout = 60s}, 3);
  for (std::uint32_t i = 1; i <= 3; ++i)
    CHECK_FALSE(shard.release(id(i), start, start + std::chrono::seconds(i)));
  CHECK(shard.next_deadline(start + 3s, true) == start + 61s);
  CHECK_FALSE(shard.next_to_retire(start + 61s - 1ns));
  CHECK(shard.next_to_retire(start + 61s) == id(1));
  CHECK_FALSE(shard.next_to_retire(start + 61s));
  CHECK(shard.busy() == 1);
  CHECK(shard.open() == 3);  // until it has been closed
  CHECK(shard.next_deadline(start + 61s, true) == start + 62s);
  shard.closed_busy();
  CHECK(shard.open() == 2);
  CHECK(shard.next_to_retire(start + 100s) == id(2));
  CHECK(shard.next_to_retire(start + 100s) == id(3));
  CHECK_FALSE(shard.next_to_retire(start + 100s));
}

TEST_CASE("shard: without timeouts nothing retires") {
  Shard shard = with_idle(Limits{.size = 5}, 3);
  CHECK_FALSE(shard.next_to_retire(start + 24h * 365));
  CHECK(shard.next_deadline(start, true) == never);
  CHECK_FALSE(shard.over_lifetime(id(1), start, start + 24h * 365));
}

TEST_CASE("shard: idle servers are kept up to min, those that are closing do not count") {
  Shard shard = with_idle(Limits{.size = 9, .min = 2, .idle_timeout = 60s}, 5);
  const Instant late = start + 60s;
  for (std::uint32_t i = 1; i <= 3; ++i) CHECK(shard.next_to_retire(late) == id(i));
  CHECK_FALSE(shard.next_to_retire(late));
  CHECK(shard.idle() == 2);
  for (int i = 0; i < 3; ++i) shard.closed_busy();
  CHECK_FALSE(shard.next_to_retire(late + 200s));
  CHECK(shard.open() == 2);
  CHECK(shard.next_deadline(late + 200s, true) == late + 260s);
  CHECK(shard.dials_due(late + 200s, true) == 0);
}

TEST_CASE("shard: servers end at their lifetime, spread over a tenth of it") {
  const Limits limits{.size = 99, .min = 99, .lifetime = 1600s};
  std::set<Duration> ages;
  for (std::uint32_t i = 0; i < 32; ++i) {
    Shard shard = with_busy(limits, 1);
    CHECK_FALSE(shard.release(id(i), start, start));
    const Instant end = shard.next_deadline(start, false);
    ages.insert(end - start);
    CHECK(end > start + 1440s);
    CHECK(end <= start + 1600s);
    CHECK_FALSE(shard.over_lifetime(id(i), start, end - 1ns));
    CHECK(shard.over_lifetime(id(i), start, end));
    CHECK_FALSE(shard.next_to_retire(end - 1ns));
    CHECK(shard.next_to_retire(end) == id(i));  // min or not
  }
  CHECK(ages.size() == 16);
}

TEST_CASE("shard: waiters expire in order, at their deadline") {
  Shard shard = with_busy(Limits{.size = 1, .wait_timeout = 10s}, 1);
  shard.wait(waiter(1));
  shard.wait(waiter(2, start + 1s));
  CHECK(shard.next_deadline(start, true) == start + 10s);
  CHECK_FALSE(shard.expired(start + 10s - 1ns));
  CHECK(shard.expired(start + 10s)->client == id(1));
  CHECK_FALSE(shard.expired(start + 10s));
  CHECK(shard.next_deadline(start + 10s, true) == start + 11s);
  CHECK(shard.expired(start + 12s)->client == id(2));
  CHECK(shard.next_deadline(start, true) == never);
  shard.wait(waiter(3));
  shard.wait(waiter(4, start + 1s));
  shard.set_limits({.size = 1, .wait_timeout = 2s});  // a reload counts for those who wait already
  CHECK(shard.next_deadline(start, true) == start + 2s);
  CHECK(shard.expired(start + 2s)->client == id(3));
  CHECK_FALSE(shard.expired(start + 2s));
  shard.set_limits({.size = 1});
  CHECK(shard.next_deadline(start, true) == never);
  CHECK_FALSE(shard.expired(start + 24h * 365));
  CHECK(shard.pop_waiter()->client == id(4));
}

TEST_CASE("shard: a lower limit is kept even while clients wait") {
  Shard shard = with_busy(Limits{.size = 4}, 4);
  for (std::uint32_t i = 0; i < 9; ++i) shard.wait(waiter(i));
  shard.set_limits(Limits{.size = 2});
  CHECK(shard.slots_to_ask(start) == 0);
  CHECK(shard.take_unused_slots() == 0);
  shard.closed_busy();
  CHECK(shard.dials_due(start, true) == 0);
  CHECK(shard.take_unused_slots() == 1);
  shard.closed_busy();
  CHECK(shard.take_unused_slots() == 1);
  CHECK(shard.slots() == 2);
  shard.closed_busy();
  CHECK(shard.take_unused_slots() == 0);
  CHECK(shard.dials_due(start, true) == 1);
}

TEST_CASE("shard: idle servers beyond a lower limit retire at once, no more than those") {
  Shard shard = with_idle(Limits{.size = 5}, 5);
  shard.granted(2);
  shard.set_limits(Limits{.size = 2, .reserve = 1});
  CHECK(shard.next_to_retire(start) == id(1));
  CHECK(shard.next_to_retire(start) == id(2));
  CHECK_FALSE(shard.next_to_retire(start));
  CHECK(shard.take_unused_slots() == 2);
  shard.closed_busy();
  shard.closed_busy();
  CHECK(shard.take_unused_slots() == 2);
  CHECK(shard.slots() == 3);
}

TEST_CASE("shard: new limits are told to the Arbiter and hold for idle servers too") {
  Shard shard(Limits{.size = 5});
  shard.wait(waiter(1));
  CHECK(shard.slots_to_ask(start) == 1);
  shard.set_limits(Limits{.size = 6});
  CHECK(shard.slots_to_ask(start) == 1);

  Shard idle = with_idle(Limits{.size = 5, .idle_timeout = 600s}, 1);
  idle.set_limits(Limits{.size = 5, .idle_timeout = 10s});
  CHECK(idle.next_deadline(start + 1s, true) <= start + 10s);
  CHECK_FALSE(idle.next_to_retire(start + 1s));
  CHECK(idle.next_deadline(start + 1s, true) == start + 10s);
  CHECK(idle.next_to_retire(start + 10s) == id(1));
}

TEST_CASE("shard: an idle server is checked for a client that waits, not for more than wait") {
  Shard shard = with_idle(Limits{.size = 4, .check_delay = 30s}, 3);
  CHECK_FALSE(shard.must_check(start + 29s));
  CHECK(shard.must_check(start + 30s));
  CHECK_FALSE(shard.next_to_check());
  shard.wait(waiter(1));
  CHECK(shard.next_to_check() == id(3));
  CHECK_FALSE(shard.next_to_check());
  CHECK(shard.busy() == 1);
  CHECK(shard.dials_due(start + 30s, true) == 0);
  // It has failed: the next one.
  shard.checked();
  shard.closed_busy();
  CHECK(shard.next_to_check() == id(2));
  shard.checked();
  CHECK(shard.release(id(2), start, start + 30s)->client == id(1));
  CHECK(shard.idle() == 1);
  CHECK_FALSE(with_idle(Limits{.size = 4}, 1).must_check(start + 1000h));
}

TEST_CASE(
    "shard: clients beyond max_queue are named from the end, those not for whom servers may still come") {
  Shard shard = with_busy(Limits{.size = 3, .max_queue = 2, .part = 3}, 2);
  for (std::uint32_t client = 1; client <= 3; ++client) shard.wait(waiter(client));
  CHECK_FALSE(shard.next_beyond_queue());  // one more server may be opened
  shard.wait(waiter(4));
  CHECK(shard.next_beyond_queue()->client == id(4));
  CHECK_FALSE(shard.next_beyond_queue());
  shard.granted(1);
  shard.dialing();
  shard.dial_failed(start, true);
  CHECK(shard.next_beyond_queue()->client == id(3));  // there will not
  CHECK_FALSE(shard.next_beyond_queue());
  CHECK(shard.waiting() == 2);
  CHECK(shard.queue().front()->client == id(1));

  Shard endless = with_busy(Limits{.size = 1, .part = 1}, 1);
  for (std::uint32_t client = 1; client <= 1000; ++client) endless.wait(waiter(client));
  CHECK_FALSE(endless.next_beyond_queue());
}

TEST_CASE(
    "shard: a server is closed for another pool only when slots have settled, and has idled if they are "
    "even") {
  Shard shard = with_idle(Limits{.size = 4}, 2);
  shard.settle(start);
  CHECK_FALSE(shard.should_yield_server(start, false, start + Shard::settling - 1ns));
  CHECK(shard.yield_due(false, start) == start + Shard::settling);
  CHECK(shard.should_yield_server(start, false, start + Shard::settling));
  CHECK(shard.yield_due(false, start + Shard::settling) == never);

  CHECK(shard.acquire() == id(2));
  CHECK(shard.acquire() == id(1));
  const Instant late = start + 1s;
  CHECK_FALSE(shard.should_yield_server(never, true, late));
  CHECK_FALSE(shard.release(id(1), start, late));
  CHECK_FALSE(shard.should_yield_server(never, true, late));
  CHECK(shard.yield_due(true, late) == late + Shard::settling);
  CHECK(shard.should_yield_server(never, true, late + Shard::settling));
  CHECK(shard.take_oldest_idle() == id(1));
  CHECK_FALSE(shard.take_oldest_idle());

  shard.wait(waiter(1, late));
  CHECK(shard.should_yield_server(late - 1ns, false, late));
  CHECK_FALSE(shard.should_yield_server(late, false, late));
  CHECK_FALSE(shard.should_yield_server(never, true, late));
}

// ---- a long random walk, beside a model ----

namespace {

// The worker, the Arbiter and the server of one shard, and all that a shard should know, in plain lists.
class Walk {
 public:
  Walk(std::uint64_t seed, bool shared) : random_(seed), shared_(shared), shard_(draw_limits()) {}

  void step() {
    now_ += random_.up_to(20ms);
    if (random_.chance(2)) now_ += random_.up_to(30s);
    const std::size_t action = random_.below(100);
    if (action < 30) {
      arrive();
    } else if (action < 55) {
      if (!busy_.empty()) finish(take_any(busy_));
    } else if (action < 60) {
      leave();
    } else if (action < 75) {
      if (login_ > 0) end_dial(random_.chance(850));
    } else if (action < 80) {
      if (wished_ > 0) grant();
    } else if (action < 84) {
      if (!closing_.empty()) close();
    } else if (action < 86) {
      die();
    } else if (action < 88) {
      give_away();
    } else if (action < 89) {
      if (wished_ > 0) adopt();
    } else if (action < 90 && random_.chance(100)) {
      limits_ = draw_limits();
      shard_.set_limits(limits_);
    }
    if (random_.chance(700)) service();
    check();
  }

  // No trouble any more and nobody new: everybody is served.
  void settle() {
    for (int round = 0; round < 2000 && !(waiters_.empty() && busy_.empty()); ++round) {
      now_ += 60ms;
      service();
      while (!closing_.empty()) close();
      while (wished_ > 0 && shard_.slots() < limits_.size) grant();
      service();
      while (login_ > 0) end_dial(true);
      if (!busy_.empty()) finish(take_any(busy_));
      check();
    }
    CHECK(waiters_.empty());
    CHECK(busy_.empty());
  }

  int served() const { return served_; }
  int expired() const { return expired_; }
  int retired() const { return retired_; }

 private:
  struct Client {
    std::uint32_t number;
    Instant deadline;
    WaitQueue::Place place;
  };

  Limits draw_limits() {
    limits_ = {.size = random_.between(1, 12),
               .reserve = random_.between(0, 3),
               .min = random_.between(0, 3),
               .shared = shared_,
               .reserve_timeout = random_.pick<Duration>({0s, 100ms, 1s}),
               .idle_timeout = random_.pick<Duration>({0s, 200ms, 5s}),
               .lifetime = random_.pick<Duration>({0s, 1s, 20s}),
               .login_retry = 1s,
               .wait_timeout = 2s};
    return limits_;
  }
  int limit() const { return limits_.size + limits_.reserve; }

  template <class T>
  T take_any(std::vector<T>& from) {
    const std::size_t at = random_.below(from.size());
    const T taken = from[at];
    from.erase(from.begin() + static_cast<std::ptrdiff_t>(at));
    return taken;
  }

  void arrive() {
    const auto server = shard_.acquire();
    REQUIRE(server.has_value() == !idle_.empty());
    if (server) {
      REQUIRE(*server == idle_.back());  // S4
      idle_.pop_back();
      busy_.push_back(*server);
      ++served_;
      return;
    }
    const Instant deadline = now_ + 2s;
    const std::uint32_t number = ++clients_;
    waiters_.push_back({number, deadline, shard_.wait({id(number), now_})});
  }

  void finish(ConnId server) {
    if (shard_.over_lifetime(server, connected_[server], now_) || shard_.slots() > limit()) {
      closing_.push_back(server);
      return;
    }
    const auto waiter = shard_.release(server, connected_[server], now_);
    REQUIRE(waiter.has_value() == !waiters_.empty());
    if (!waiter) {
      idle_.push_back(server);
      return;
    }
    REQUIRE(waiter->client == id(waiters_.front().number));  // S4
    waiters_.pop_front();
    busy_.push_back(server);
    ++served_;
  }

  void leave() {
    if (waiters_.empty()) return;
    const auto chosen = waiters_.begin() + static_cast<std::ptrdiff_t>(random_.below(waiters_.size()));
    shard_.leave(chosen->place);
    waiters_.erase(chosen);
  }

  void end_dial(bool good) {
    --login_;
    if (!good) return shard_.dial_failed(now_, random_.chance(500));
    shard_.dialed();
    const ConnId server = id(++servers_);
    connected_[server] = now_;
    finish(server);
  }

  void grant() {
    const int slots = std::min(wished_, random_.between(1, 3));
    wished_ -= slots;
    shard_.granted(slots);
    slots_ += slots;
  }

  void adopt() {
    --wished_;
    ++slots_;
    shard_.adopted();
    const ConnId server = id(++servers_);
    connected_[server] = now_;
    finish(server);
  }

  void close() {
    take_any(closing_);
    shard_.closed_busy();
  }

  void die() {
    if (!busy_.empty() && random_.chance(500)) {
      take_any(busy_);
      shard_.closed_busy();
    } else if (!idle_.empty()) {
      shard_.closed_idle(take_any(idle_));
    }
  }

  // Another shard needs a slot.
  void give_away() {
    const Instant since = now_ - random_.up_to(3s);
    const Instant first = waiters_.empty() ? never : waiters_.front().deadline - 2s;
    REQUIRE(shard_.should_yield(since) == (waiters_.empty() || since < first));
    if (!shard_.should_yield(since)) return;
    const bool free = shard_.slots() > shard_.open();
    REQUIRE(shard_.yield_free_slot() == free);
    if (free) {
      --slots_;
    } else if (const auto server = shard_.acquire()) {
      REQUIRE(*server == idle_.back());
      idle_.pop_back();
      shard_.closed_busy();
      shard_.slot_left();
      --slots_;
    }
  }

  // What the worker does when the turn ends.
  void service() {
    while (const auto gone = shard_.expired(now_)) {
      REQUIRE(gone->client == id(waiters_.front().number));
      REQUIRE(gone->since + 2s <= now_);
      waiters_.pop_front();
      ++expired_;
    }
    const int wish = shard_.slots_to_ask(now_);
    if (wish > 0) {
      // The Arbiter replaces the wish it has, and keeps the pool within its limits.
      wished_ = wish;
      const int most = limits_.size + (shard_.needs_reserve(now_) ? limits_.reserve : 0);
      REQUIRE(slots_ + wish <= most);
    }
    const int due = shard_.dials_due(now_, true);
    if (due > 0) {
      REQUIRE(login_ + due <= DialPolicy::most_parallel);
      REQUIRE(now_ >= shard_.policy().again());
      REQUIRE(shard_.open() + due <= std::min(shard_.slots(), limit()));
    }
    for (int i = 0; i < due; ++i) {
      shard_.dialing();
      ++login_;
    }
    while (const auto retired = shard_.next_to_retire(now_)) {
      const auto found = std::find(idle_.begin(), idle_.end(), *retired);
      REQUIRE(found != idle_.end());
      idle_.erase(found);
      closing_.push_back(*retired);
      ++retired_;
    }
    const int unused = shard_.take_unused_slots();
    REQUIRE(unused >= 0);
    slots_ -= unused;
    // What can be waited for is done; a deadline in the past would make the worker spin.
    REQUIRE(shard_.next_deadline(now_, true) > now_);
  }

  void check() {
    REQUIRE(shard_.open() <= shard_.slots());                                    // S1
    REQUIRE((shard_.waiting() == 0 || shard_.idle() == 0));                      // S2
    REQUIRE(shard_.busy() == static_cast<int>(busy_.size() + closing_.size()));  // S3
    REQUIRE(shard_.idle() == static_cast<int>(idle_.size()));
    REQUIRE(shard_.login() == login_);
    REQUIRE(shard_.waiting() == static_cast<int>(waiters_.size()));
    REQUIRE(shard_.slots() == slots_);
    if (!idle_.empty()) REQUIRE(shard_.newest_idle() == idle_.back());
  }

  sim::SeededRandom random_;
  bool shared_;
  Limits limits_;
  Shard shard_;
  Instant now_ = start;
  std::deque<Client> waiters_;
  std::vector<ConnId> idle_, busy_, closing_;
  std::map<ConnId, Instant> connected_;
  int login_ = 0, slots_ = 0, wished_ = 0;
  std::uint32_t clients_ = 0, servers_ = 0;
  int served_ = 0, expired_ = 0, retired_ = 0;
};

}  // namespace

TEST_CASE("shard: keeps its invariants through long random walks, and serves everybody in the end") {
  int served = 0, expired = 0, retired = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Walk walk(seed, seed % 2 == 0);
    for (int i = 0; i < 2000; ++i) walk.step();
    walk.settle();
    served += walk.served();
    expired += walk.expired();
    retired += walk.retired();
  }
  CHECK(served > 10'000);
  CHECK(expired > 100);
  CHECK(retired > 100);
}
