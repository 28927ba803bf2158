// Pools that share a limit, with load: how the Arbiter and the shards divide the slots among them, and how
// many servers are closed for that.

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

#include "pool/arbiter.h"
#include "pool/shard.h"
#include "tests/sim/seeded_random.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

struct Load {
  int clients = 0;
  Duration think{};  // about as long between two transactions of a client
  Duration from{};   // when the clients come
};

// Each pool has one shard. Clients think, ask for a server and use it for a millisecond.
class SharedLimit {
 public:
  SharedLimit(int limit, const std::vector<Load>& loads) : limit_(limit) {
    for (const Load& load : loads) {
      Pool& pool = pools_.emplace_back(Route{"shop", "user" + std::to_string(pools_.size())}, load.think);
      for (int i = 0; i < load.clients; ++i) pool.thinking.push_back(now_ + load.from + pause(pool));
    }
  }

  void run(Duration span) {
    for (const Instant end = now_ + span; now_ < end; now_ += tick) {
      for (Pool& pool : pools_) step(pool);
      int slots = 0;
      for (const Pool& pool : pools_) slots += pool.shard.slots();
      REQUIRE(slots <= limit_);
    }
  }

  int served(std::size_t pool) const { return pools_[pool].served; }
  int slots(std::size_t pool) const { return pools_[pool].shard.slots(); }
  // Servers closed because another pool needed the slot.
  int closed() const { return closed_; }
  // The longest time that anybody waited.
  Duration longest_wait() const { return longest_wait_; }
  void forget() {
    closed_ = 0;
    longest_wait_ = {};
    for (Pool& pool : pools_) pool.served = 0;
  }

 private:
  static constexpr Duration tick = 100us, work = 1ms, opening = 5ms, closing = 300us;

  struct Timed {
    ConnId server;
    Instant at;
  };
  struct Pool {
    Pool(Route its_route, Duration its_think)
        : route(std::move(its_route)), think(its_think), shard(Limits{.size = 20, .idle_timeout = 600s}) {}
    Route route;
    Duration think;
    Shard shard;
    std::optional<SlotRecall> recall;
    bool gives = false;  // a server is being closed for the recall
    std::vector<Instant> thinking, dialing, leaving;
    std::vector<Timed> busy;
    int served = 0;
  };

  Duration pause(const Pool& pool) { return pool.think / 2 + random_.up_to(pool.think); }
  SlotLimits limits() const { return {.pool = 20, .reserve = 0, .database = limit_}; }

  template <class Due>
  static void take_due(std::vector<Instant>& times, Instant now, Due due) {
    const auto past = std::partition(times.begin(), times.end(), [&](Instant at) { return at > now; });
    const auto count = times.end() - past;
    times.erase(past, times.end());
    for (auto i = count; i > 0; --i) due();
  }

  void serve(Pool& pool, ConnId server, Instant since) {
    longest_wait_ = std::max(longest_wait_, now_ - since);
    pool.busy.push_back({server, now_ + work});
  }

  // As WorkerEngine::give.
  void give(Pool& pool, ConnId server) {
    if (pool.recall && answer(pool, true)) return;
    if (const auto waiter = pool.shard.release(server, Instant{}, now_)) serve(pool, server, waiter->since);
  }

  // As WorkerEngine::answer_recall between pools.
  bool answer(Pool& pool, bool released) {
    const SlotRecall& recall = *pool.recall;
    const bool willing = pool.shard.should_yield_server(recall.since, recall.even, now_);
    const bool nobody = pool.shard.queue().empty();
    if ((willing || pool.gives || nobody) && pool.shard.yield_free_slot()) {
      pool.shard.settle(now_);
      pool.recall.reset();
      pool.gives = false;
      ArbiterOrders orders;
      arbiter_.returned(WorkerId{0}, pool.route, 1, orders);
      carry_out(orders);
      return false;
    }
    if (pool.gives || !willing || (released && recall.even && nobody)) return false;
    if (!released && !pool.shard.take_oldest_idle()) return false;
    pool.gives = true;
    pool.leaving.push_back(now_ + closing);
    ++closed_;
    return true;
  }

  void carry_out(const ArbiterOrders& orders) {
    for (const SlotGrant& grant : orders.grants) {
      pool_of(grant.route).shard.granted(grant.slots);
      pool_of(grant.route).shard.settle(now_);
    }
    for (const SlotRecall& recall : orders.recalls) {
      std::optional<SlotRecall>& known = pool_of(recall.route).recall;
      if (!known || recall.since < known->since || (recall.since == known->since && !recall.even))
        known = recall;
    }
  }
  Pool& pool_of(const Route& route) {
    return *std::find_if(pools_.begin(), pools_.end(), [&](const Pool& pool) { return pool.route == route; });
  }

  void step(Pool& pool) {
    Shard& shard = pool.shard;
    take_due(pool.leaving, now_, [&] { shard.closed_busy(); });
    for (std::size_t i = 0; i < pool.busy.size();) {
      if (pool.busy[i].at > now_) {
        ++i;
        continue;
      }
      const ConnId server = pool.busy[i].server;
      pool.busy.erase(pool.busy.begin() + static_cast<std::ptrdiff_t>(i));
      ++pool.served;
      pool.thinking.push_back(now_ + pause(pool));
      give(pool, server);
    }
    take_due(pool.dialing, now_, [&] {
      shard.dialed();
      give(pool, ConnId{++servers_, 1});
    });
    take_due(pool.thinking, now_, [&] {
      if (const auto server = shard.acquire()) {
        serve(pool, *server, now_);
      } else {
        shard.wait({ConnId{++clients_, 1}, now_});
      }
    });
    if (pool.recall) answer(pool, false);
    ArbiterOrders orders;
    if (const int wanted = shard.slots_to_ask(now_); wanted > 0) {
      const Instant since = shard.queue().empty() ? never : shard.queue().front()->since;
      arbiter_.wanted(WorkerId{0}, pool.route, wanted, since, false, limits(), orders);
    }
    for (int due = shard.dials_due(now_, true); due > 0; --due) {
      shard.dialing();
      pool.dialing.push_back(now_ + opening);
    }
    if (const int unused = shard.take_unused_slots(); unused > 0)
      arbiter_.returned(WorkerId{0}, pool.route, unused, orders);
    carry_out(orders);
  }

  const int limit_;
  sim::SeededRandom random_{7};
  Arbiter arbiter_;
  std::deque<Pool> pools_;
  Instant now_{1000s};
  std::uint32_t servers_ = 0, clients_ = 0;
  int closed_ = 0;
  Duration longest_wait_{};
};

// What one shard may close for others in this time.
int bound(Duration span) { return static_cast<int>(span / Shard::settling) + 1; }

}  // namespace

TEST_CASE("fairness: two pools with more load than the limit allows come to equal parts and stay there") {
  SharedLimit world(10, {{.clients = 40, .think = 1ms}, {.clients = 40, .think = 1ms}});
  world.run(2s);
  CHECK(world.slots(0) == 5);
  CHECK(world.slots(1) == 5);
  world.forget();
  world.run(5s);
  CHECK(world.closed() == 0);
  CHECK(world.served(0) > 20'000);
  CHECK(world.served(1) > 20'000);
}

TEST_CASE("fairness: a pool that comes late gets its part of what a busy one holds") {
  SharedLimit world(10, {{.clients = 40, .think = 1ms}, {.clients = 40, .think = 1ms, .from = 1s}});
  world.run(1s);
  CHECK(world.slots(0) == 10);
  world.run(1s);
  CHECK(world.slots(0) == 5);
  CHECK(world.slots(1) == 5);
  CHECK(world.closed() <= 7);
  CHECK(world.longest_wait() < 500ms);
}

TEST_CASE("fairness: pools with fewer slots than there are pools take turns, and not for each transaction") {
  SharedLimit world(1, {{.clients = 5, .think = 1ms}, {.clients = 5, .think = 1ms}});
  world.run(10s);
  CHECK(world.closed() <= bound(10s));
  CHECK(world.closed() > 50);
  CHECK(world.served(0) > 2500);
  CHECK(world.served(1) > 2500);
  CHECK(world.longest_wait() < 1s);

  SharedLimit three(
      2, {{.clients = 5, .think = 1ms}, {.clients = 5, .think = 1ms}, {.clients = 5, .think = 1ms}});
  three.run(10s);
  CHECK(three.closed() <= 2 * bound(10s));
  for (std::size_t pool = 0; pool < 3; ++pool) CHECK(three.served(pool) > 2500);
}

TEST_CASE(
    "fairness: light and uneven load under a full limit closes few servers and keeps nobody waiting long") {
  // Together they need about as much as there is, sometimes one more and sometimes the other.
  SharedLimit world(
      6, {{.clients = 30, .think = 10ms}, {.clients = 30, .think = 10ms}, {.clients = 2, .think = 5ms}});
  world.run(2s);
  world.forget();
  world.run(10s);
  CHECK(world.closed() <= 3 * bound(10s));
  CHECK(world.longest_wait() < 500ms);
  CHECK(world.served(2) > 1000);
}
