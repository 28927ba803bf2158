#include "pool/size_trial.h"

#include <doctest/doctest.h>

#include <deque>
#include <map>

#include "pool/shard.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

const Instant start(1001s);
constexpr Duration step = 10ms;
// Of the servers' first turn in a trial each still ends what it had begun.
constexpr Duration tried = 10 * (SizeTrial::length - step);

ConnId server(std::uint32_t number) { return {number, 1}; }

// A shard with clients that come back at once: every server finishes in each step, and whom nobody holds back
// serves the next.
class Crowd {
 public:
  explicit Crowd(int servers, bool trials = true) : shard(Limits{.size = servers, .trials = trials}) {
    shard.granted(servers);
    for (int i = 1; i <= servers; ++i) {
      shard.dialing();
      shard.dialed();
      busy.push_back(server(static_cast<std::uint32_t>(i)));
    }
  }

  void come(int clients) {
    for (; clients > 0; --clients) {
      if (const auto found = shard.acquire()) {
        busy.push_back(*found);
      } else {
        shard.wait({.client = {++last_client, 1}, .since = now});
      }
    }
  }

  void look() {
    shard.look_at_trial(now);
    while (const auto match = shard.next_match(now)) {
      served(match->waiter);
      busy.push_back(match->server);
    }
  }

  void turn(int clients_to_come) {
    now += step;
    std::deque<ConnId> finished;
    std::swap(finished, busy);
    for (const ConnId one : finished) {
      const auto waiter = shard.release(one, start, now);
      if (!waiter) continue;
      served(*waiter);
      busy.push_back(one);
    }
    come(clients_to_come < 0 ? static_cast<int>(finished.size()) : clients_to_come);
    look();
    time_at[shard.busy()] += step;
    in_order = in_order && shard.busy() == static_cast<int>(busy.size());
  }
  void turns(Duration length, int clients_to_come = -1) {
    for (const Instant end = now + length; now < end;) turn(clients_to_come);
  }

  // First in, first out, whatever happens. Not a check for each of millions.
  void served(const Waiter& waiter) {
    in_order = in_order && waiter.client.slot == last_served + 1;
    last_served = waiter.client.slot;
  }

  ~Crowd() { CHECK(in_order); }

  Shard shard;
  bool in_order = true;
  std::deque<ConnId> busy;
  std::uint32_t last_client = 0, last_served = 0;
  std::map<int, Duration> time_at;
  Instant now = start;
};

}  // namespace

TEST_CASE("size trial: a pool that stays full does with half of its servers ten times half a second") {
  Crowd crowd(7);
  crowd.come(20);
  crowd.turns(20s);
  CHECK(crowd.time_at[7] == 20s);
  CHECK_FALSE(crowd.shard.trials().any());
  crowd.turns(30min);
  CHECK(crowd.time_at[4] == tried);
  const TrialResult result = crowd.shard.trials();
  CHECK(result.all.servers == 7);
  CHECK(result.some.servers == 4);
  CHECK(result.all.per_second() == doctest::Approx(700).epsilon(0.01));
  CHECK(result.some.per_second() == doctest::Approx(400).epsilon(0.03));
  CHECK(result.all.time == 5s);
  CHECK(result.some.time == tried);
  CHECK(crowd.time_at[7] == 30min + 20s - tried);
  crowd.time_at.clear();
  crowd.turns(1h);
  CHECK(crowd.time_at[4] == tried);
  CHECK(crowd.time_at[7] == 1h - tried);
}

TEST_CASE("size trial: the moments are the same for all who share a clock") {
  Crowd one(4), other(5);
  other.now += 1300ms;
  other.come(20);
  one.come(20);
  one.turns(25s);
  other.turns(25s);
  while (one.now < start + 70s) {
    const bool early = one.now < other.now;
    (early ? one : other).turn(-1);
    if (one.now == other.now) REQUIRE(one.shard.on_trial() == other.shard.on_trial());
  }
  CHECK(one.time_at[2] == tried);
  CHECK(other.time_at[3] == tried);
}

TEST_CASE("size trial: none in a spike, and none when the moment finds servers idle") {
  Crowd crowd(6);
  for (int i = 0; i < 20; ++i) {
    crowd.come(10);
    crowd.turns(6s);
    crowd.turns(15s, 2);
  }
  CHECK(crowd.time_at[6] > 100s);
  CHECK(crowd.time_at[3] == Duration::zero());
  // Full for half of the time, but never at those moments.
  while (crowd.now.time_since_epoch() % SizeTrial::grid != Duration::zero()) crowd.turn(2);
  for (int i = 0; i < 30; ++i) {
    crowd.turns(1s, 2);
    crowd.come(10);
    crowd.turns(2s);
    crowd.turns(1s, 2);
  }
  CHECK_FALSE(crowd.shard.on_trial());
  CHECK(crowd.time_at[3] == Duration::zero());
}

TEST_CASE("size trial: a pool that is full every now and then is tried as well") {
  Crowd crowd(6);
  for (int i = 0; i < 600; ++i) {
    crowd.come(10);
    crowd.turns(150ms);
    crowd.turns(60ms, 2);
  }
  CHECK(crowd.time_at[3] > 3s);
  CHECK(crowd.time_at[3] <= 5s);
}

TEST_CASE("size trial: who comes meanwhile waits in his turn, and all are served when it is over") {
  Crowd crowd(6);
  crowd.come(10);
  while (!crowd.shard.on_trial() || crowd.shard.busy() > 3) crowd.turn(-1);
  CHECK(crowd.shard.idle() == 3);
  CHECK_FALSE(crowd.shard.acquire());
  crowd.turns(100ms, 0);
  CHECK(crowd.shard.on_trial());
  CHECK(crowd.shard.waiting() == 0);
  crowd.come(5);
  CHECK(crowd.shard.busy() == 3);
  CHECK(crowd.shard.waiting() == 2);
  crowd.now = crowd.shard.next_deadline(crowd.now, false);
  crowd.look();
  CHECK_FALSE(crowd.shard.on_trial());
  CHECK(crowd.shard.waiting() == 0);
  CHECK(crowd.shard.busy() == 5);
}

TEST_CASE("size trial: a server that dies meanwhile is replaced by one that was held back") {
  Crowd crowd(6);
  crowd.come(10);
  while (!crowd.shard.on_trial() || crowd.shard.busy() > 3) crowd.turn(-1);
  crowd.shard.closed_busy();
  crowd.busy.pop_back();
  CHECK_FALSE(crowd.shard.acquire());
  crowd.look();
  CHECK(crowd.shard.busy() == 3);
  CHECK(crowd.shard.idle() == 2);
  CHECK(crowd.shard.slots_to_ask(crowd.now) == 0);
  CHECK(crowd.shard.dials_due(crowd.now, true) == 0);
}

TEST_CASE("size trial: a new size is tried anew, and the setting ends it at once") {
  Crowd crowd(6);
  crowd.come(20);
  crowd.turns(5min);
  CHECK(crowd.time_at[3] == tried);
  crowd.shard.set_limits(Limits{.size = 8, .trials = true});
  CHECK_FALSE(crowd.shard.trials().any());
  crowd.turns(5min);
  CHECK(crowd.time_at[3] == 2 * tried);
  crowd.shard.set_limits(Limits{.size = 6, .trials = true});
  while (!crowd.shard.on_trial()) crowd.turn(-1);
  crowd.shard.set_limits(Limits{.size = 6, .trials = false});
  crowd.look();
  CHECK(crowd.shard.idle() == 0);
  crowd.time_at.clear();
  crowd.turns(5min);
  CHECK(crowd.time_at[6] == 5min);
}

TEST_CASE("size trial: not of one server, and not unless it is allowed") {
  Crowd single(1), unwilling(6, false);
  single.come(5);
  unwilling.come(20);
  single.turns(2min);
  unwilling.turns(2min);
  CHECK(single.time_at[1] == 2min);
  CHECK(unwilling.time_at[6] == 2min);
}
