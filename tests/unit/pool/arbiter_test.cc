#include "pool/arbiter.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "tests/sim/seeded_random.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

const Instant start(1000s);
const Route shop{"shop", "web"}, shop_batch{"shop", "batch"}, books{"books", "web"}, other{"other", "nobody"};

WorkerId w(std::uint32_t number) { return {number}; }

// An Arbiter whose answers are looked at one call at a time.
struct Desk {
  ArbiterOrders wanted(std::uint32_t worker, const Route& route, int slots, Instant since,
                       const SlotLimits& limits, bool reserve = false) {
    ArbiterOrders orders;
    arbiter.wanted(w(worker), route, slots, since, reserve, limits, orders);
    return orders;
  }
  ArbiterOrders returned(std::uint32_t worker, const Route& route, int slots) {
    ArbiterOrders orders;
    arbiter.returned(w(worker), route, slots, orders);
    return orders;
  }
  ArbiterOrders moved(std::uint32_t from, std::uint32_t to, const Route& route) {
    ArbiterOrders orders;
    arbiter.moved(w(from), w(to), route, orders);
    return orders;
  }

  Arbiter arbiter;
};

using Grants = std::vector<std::tuple<std::uint32_t, Route, int>>;
Grants grants(const ArbiterOrders& orders) {
  Grants result;
  for (const auto& [worker, route, slots] : orders.grants) result.emplace_back(worker.value, route, slots);
  return result;
}

bool asked(const ArbiterOrders& orders, std::uint32_t worker, const Route& route, Instant since,
           bool same_pool, std::uint32_t to) {
  return std::any_of(orders.recalls.begin(), orders.recalls.end(), [&](const SlotRecall& recall) {
    return recall.worker == w(worker) && recall.route == route && recall.since == since &&
           recall.same_pool == same_pool && recall.to == w(to);
  });
}

}  // namespace

TEST_CASE("arbiter: grants up to the limit of the pool, keeps the rest as a wish") {
  Desk desk;
  const SlotLimits limits{.pool = 5};
  CHECK(grants(desk.wanted(0, shop, 3, start, limits)) == Grants{{0, shop, 3}});
  CHECK(desk.arbiter.granted(shop) == 3);
  const auto orders = desk.wanted(1, shop, 4, start, limits);
  CHECK(grants(orders) == Grants{{1, shop, 2}});
  CHECK(asked(orders, 0, shop, start, true, 1) == false);  // he has hardly more
  CHECK(asked(orders, 0, shop, never, true, 1));           // but may have an idle one
  CHECK(desk.arbiter.granted(shop) == 5);
  CHECK(grants(desk.returned(0, shop, 1)) == Grants{{1, shop, 1}});
  CHECK(grants(desk.returned(0, shop, 1)) == Grants{{1, shop, 1}});
  CHECK(grants(desk.returned(0, shop, 1)).empty());
  CHECK(desk.arbiter.granted(shop) == 4);
}

TEST_CASE("arbiter: knows nothing of pools that nobody asked for") {
  Desk desk;
  CHECK(desk.arbiter.granted(shop) == 0);
  CHECK(desk.arbiter.granted_to_database("shop") == 0);
  CHECK(desk.arbiter.granted_to_user("web") == 0);
  const auto orders = desk.returned(0, shop, 1);
  CHECK(orders.grants.empty());
  CHECK(orders.recalls.empty());
  CHECK(desk.moved(0, 1, shop).recalls.empty());
  CHECK(desk.arbiter.granted(shop) == 0);
}

TEST_CASE("arbiter: limits of the database and of the user span pools") {
  Desk desk;
  const SlotLimits limits{.pool = 10, .database = 6, .user = 8};
  CHECK(grants(desk.wanted(0, shop, 4, start, limits)) == Grants{{0, shop, 4}});
  CHECK(grants(desk.wanted(0, shop_batch, 4, start, limits)) == Grants{{0, shop_batch, 2}});
  CHECK(grants(desk.wanted(1, books, 6, start, limits)) == Grants{{1, books, 4}});
  CHECK(desk.arbiter.granted_to_database("shop") == 6);
  CHECK(desk.arbiter.granted_to_user("web") == 8);
  CHECK(desk.arbiter.granted_to_user("batch") == 2);
  // One slot of shop/web back: room in the database for batch, and for web in books; the same age, so one
  // after the other.
  CHECK(desk.returned(0, shop, 1).grants.size() == 2);
  CHECK(desk.arbiter.granted_to_database("shop") == 6);
  CHECK(desk.arbiter.granted_to_user("web") == 8);
}

TEST_CASE("arbiter: no limit of the database or the user is no limit") {
  Desk desk;
  CHECK(grants(desk.wanted(0, shop, 1000, start, {.pool = 1000})) == Grants{{0, shop, 1000}});
  CHECK(grants(desk.wanted(0, books, 1000, start, {.pool = 1000})) == Grants{{0, books, 1000}});
}

TEST_CASE("arbiter: the reserve is for wishes that may use it") {
  Desk desk;
  const SlotLimits limits{.pool = 2, .reserve = 2};
  CHECK(desk.wanted(0, shop, 2, start, limits).grants.size() == 1);
  CHECK(desk.wanted(0, shop, 1, start, limits).grants.empty());
  CHECK(grants(desk.wanted(0, shop, 3, start, limits, true)) == Grants{{0, shop, 2}});
  CHECK(desk.arbiter.granted(shop) == 4);
  CHECK(grants(desk.returned(0, shop, 1)) == Grants{{0, shop, 1}});
}

TEST_CASE("arbiter: wishes are granted by age, whatever the pool and the order of asking") {
  Desk desk;
  const SlotLimits limits{.pool = 10, .database = 2};
  desk.wanted(0, shop, 2, start, limits);
  desk.wanted(1, shop, 1, start + 3s, limits);
  desk.wanted(2, shop_batch, 2, start + 1s, limits);
  desk.wanted(3, shop, 1, start + 2s, limits);
  CHECK(grants(desk.returned(0, shop, 1)) == Grants{{2, shop_batch, 1}});
  CHECK(grants(desk.returned(0, shop, 1)) == Grants{{2, shop_batch, 1}});
  CHECK(grants(desk.returned(2, shop_batch, 2)) == Grants{{3, shop, 1}, {1, shop, 1}});
}

TEST_CASE("arbiter: a new wish of a worker takes the place of his old one") {
  Desk desk;
  const SlotLimits limits{.pool = 1};
  desk.wanted(0, shop, 1, start, limits);
  desk.wanted(1, shop, 3, start, limits);
  desk.wanted(1, shop, 1, start + 1s, limits);
  CHECK(grants(desk.returned(0, shop, 1)) == Grants{{1, shop, 1}});
  CHECK(desk.returned(1, shop, 1).grants.empty());

  desk.wanted(0, shop, 1, start, limits);
  desk.wanted(1, shop, 3, start, limits);
  desk.wanted(1, shop, 0, start, limits);  // nothing any more
  CHECK(desk.returned(0, shop, 1).grants.empty());
}

TEST_CASE("arbiter: who holds slots of a full pool is asked for one") {
  Desk desk;
  const SlotLimits limits{.pool = 6};
  desk.wanted(0, shop, 4, start, limits);
  desk.wanted(1, shop, 2, start, limits);
  const auto orders = desk.wanted(2, shop, 1, start + 5s, limits);
  CHECK(orders.recalls.size() == 2);
  CHECK(asked(orders, 0, shop, start + 5s, true, 2));
  CHECK(asked(orders, 1, shop, start + 5s, true, 2));
}

TEST_CASE("arbiter: who holds hardly more is asked for an idle slot only") {
  Desk desk;
  const SlotLimits limits{.pool = 5};
  desk.wanted(0, shop, 3, start, limits);
  desk.wanted(1, shop, 2, start, limits);
  const auto orders = desk.wanted(1, shop, 1, start, limits);
  CHECK(orders.recalls.size() == 1);
  CHECK(asked(orders, 0, shop, never, true, 1));
}

TEST_CASE("arbiter: under a full database or user the other pools are asked as well") {
  Desk desk;
  const SlotLimits by_database{.pool = 10, .database = 4};
  desk.wanted(0, shop, 4, start, by_database);
  desk.wanted(0, other, 4, start, by_database);
  auto orders = desk.wanted(1, shop_batch, 1, start + 1s, by_database);
  CHECK(orders.recalls.size() == 1);
  CHECK(asked(orders, 0, shop, start + 1s, false, 1));

  Desk second;
  const SlotLimits by_user{.pool = 10, .user = 4};
  second.wanted(0, shop, 4, start, by_user);
  second.wanted(0, other, 4, start, by_user);
  orders = second.wanted(1, books, 1, start + 1s, by_user);
  CHECK(orders.recalls.size() == 1);
  CHECK(asked(orders, 0, shop, start + 1s, false, 1));
}

TEST_CASE("arbiter: a pool with as many slots is asked for an idle one only, unless the asker has none") {
  Desk desk;
  const SlotLimits limits{.pool = 10, .database = 5};
  const auto even = [](const ArbiterOrders& orders) { return orders.recalls.at(0).even; };
  desk.wanted(0, shop, 3, start, limits);
  desk.wanted(1, shop_batch, 2, start, limits);
  ArbiterOrders orders = desk.wanted(1, shop_batch, 1, start + 1s, limits);
  CHECK(asked(orders, 0, shop, never, false, 1));
  CHECK(even(orders));
  desk.returned(1, shop_batch, 2);  // one of them comes back to fulfil the wish
  desk.wanted(0, shop, 2, start + 2s, limits);
  CHECK(desk.arbiter.granted(shop) == 4);
  orders = desk.wanted(1, shop_batch, 1, start + 3s, limits);
  CHECK(asked(orders, 0, shop, start + 3s, false, 1));
  CHECK_FALSE(even(orders));

  Desk single;
  single.wanted(0, shop, 1, start, {.pool = 10, .database = 1});
  orders = single.wanted(1, shop_batch, 1, start + 1s, {.pool = 10, .database = 1});
  CHECK(asked(orders, 0, shop, start + 1s, false, 1));
  CHECK(even(orders));
}

TEST_CASE("arbiter: a wish that is taken back leaves nothing behind") {
  Desk desk;
  const SlotLimits limits{.pool = 2, .database = 2};
  desk.wanted(0, shop, 2, start, limits);
  desk.wanted(0, shop_batch, 1, start, limits);
  CHECK(desk.wanted(0, shop_batch, 0, never, limits).recalls.empty());
  CHECK(desk.returned(0, shop, 1).grants.empty());
  CHECK(desk.returned(0, shop, 1).recalls.empty());
}

TEST_CASE("arbiter: who cannot help alone is not asked for what its clients wait for") {
  Desk desk;
  const SlotLimits limits{.pool = 10, .reserve = 0, .database = 1, .user = 2};
  desk.wanted(0, shop, 1, start, limits);
  desk.wanted(0, books, 1, start, limits);
  // The database has no more than the one slot that shop has itself.
  CHECK(desk.wanted(0, shop, 1, start, limits).recalls.empty());

  Desk shared;
  const SlotLimits two{.pool = 10, .reserve = 0, .database = 2, .user = 2};
  shared.wanted(0, shop, 1, start, two);
  shared.wanted(0, shop_batch, 1, start, two);
  shared.wanted(0, books, 1, start, two);
  // Both limits are full: by shop_batch for the database, by books for the user.
  const ArbiterOrders orders = shared.wanted(0, shop, 1, start + 1s, two);
  CHECK(orders.recalls.size() == 2);
  CHECK(asked(orders, 0, shop_batch, never, false, 0));
  CHECK(asked(orders, 0, books, never, false, 0));
}

TEST_CASE("arbiter: under a full pool the pools beside it cannot help") {
  Desk desk;
  const SlotLimits limits{.pool = 2, .database = 4};
  desk.wanted(0, shop, 2, start, limits);
  desk.wanted(0, shop_batch, 2, start, limits);
  const auto orders = desk.wanted(1, shop, 1, start, limits);
  CHECK(orders.recalls.size() == 1);
  CHECK(asked(orders, 0, shop, start, true, 1));
}

TEST_CASE("arbiter: a moved slot fulfils a wish, and who still wishes asks again") {
  Desk desk;
  const SlotLimits limits{.pool = 6};
  desk.wanted(0, shop, 6, start, limits);
  desk.wanted(1, shop, 2, start + 1s, limits);
  auto orders = desk.moved(0, 1, shop);
  CHECK(orders.grants.empty());
  CHECK(desk.arbiter.granted(shop) == 6);
  CHECK(asked(orders, 0, shop, start + 1s, true, 1));
  orders = desk.moved(0, 1, shop);
  CHECK(orders.recalls.empty());
  CHECK(desk.returned(0, shop, 4).grants.empty());
  CHECK(desk.returned(1, shop, 2).grants.empty());
  CHECK(desk.arbiter.granted(shop) == 0);
}

TEST_CASE("arbiter: a moved slot that nobody wishes for any more is no debt") {
  Desk desk;
  const SlotLimits limits{.pool = 2};
  desk.wanted(0, shop, 2, start, limits);
  desk.moved(0, 1, shop);
  CHECK(desk.returned(1, shop, 1).grants.empty());
  CHECK(grants(desk.wanted(2, shop, 1, start, limits)) == Grants{{2, shop, 1}});
}

TEST_CASE("arbiter: what is wanted for min waits behind everybody and asks nobody") {
  Desk desk;
  const SlotLimits limits{.pool = 2, .database = 3};
  desk.wanted(0, shop, 2, start, limits);
  auto orders = desk.wanted(1, shop, 1, never, limits);
  CHECK(orders.grants.empty());
  CHECK(orders.recalls.empty());
  orders = desk.wanted(2, shop, 1, start + 100s, limits);
  CHECK(orders.recalls.size() == 1);
  orders = desk.returned(0, shop, 1);
  CHECK(grants(orders) == Grants{{2, shop, 1}});
  CHECK(orders.recalls.empty());
  CHECK(grants(desk.returned(0, shop, 1)) == Grants{{1, shop, 1}});
}

TEST_CASE("arbiter: under lower limits nothing is granted until enough has come back") {
  Desk desk;
  desk.wanted(0, shop, 6, start, {.pool = 6});
  CHECK(desk.wanted(1, shop, 2, start, {.pool = 3}).grants.empty());
  CHECK(desk.returned(0, shop, 3).grants.empty());
  CHECK(desk.arbiter.granted(shop) == 3);
  CHECK(grants(desk.returned(0, shop, 1)) == Grants{{1, shop, 1}});
  CHECK(desk.arbiter.granted(shop) == 3);
}

TEST_CASE("arbiter: what lower limits no longer allow is asked back, until it is there") {
  Desk desk;
  desk.wanted(0, shop, 4, start, {6});
  desk.wanted(1, shop, 2, start, {6});
  desk.wanted(0, books, 2, start, {6});
  ArbiterOrders orders;
  desk.arbiter.limits_changed([](const Route& route) { return SlotLimits{route == shop ? 3 : 6}; }, orders);
  CHECK(orders.grants.empty());
  REQUIRE(orders.recalls.size() == 2);
  CHECK(asked(orders, 0, shop, Instant{}, false, 0));
  CHECK(asked(orders, 1, shop, Instant{}, false, 1));

  CHECK(asked(desk.returned(1, shop, 2), 0, shop, Instant{}, false, 0));
  CHECK(desk.returned(0, shop, 1).recalls.empty());
  CHECK(desk.arbiter.granted(shop) == 3);
}

TEST_CASE("arbiter: lower limits of a database or a user concern all its pools") {
  Desk desk;
  desk.wanted(0, shop, 2, start, {4});
  desk.wanted(0, shop_batch, 2, start, {4});
  desk.wanted(0, books, 1, start, {4});
  ArbiterOrders of_database, of_user;
  desk.arbiter.limits_changed(
      [](const Route& route) {
        return SlotLimits{4, 0, route.database == "shop" ? 3 : 0};
      },
      of_database);
  CHECK(asked(of_database, 0, shop, Instant{}, false, 0));
  CHECK(asked(of_database, 0, shop_batch, Instant{}, false, 0));
  CHECK(of_database.recalls.size() == 2);
  desk.arbiter.limits_changed(
      [](const Route& route) {
        return SlotLimits{4, 0, 0, route.user == "web" ? 2 : 0};
      },
      of_user);
  CHECK(asked(of_user, 0, shop, Instant{}, false, 0));
  CHECK(asked(of_user, 0, books, Instant{}, false, 0));
  CHECK(of_user.recalls.size() == 2);
}

TEST_CASE("arbiter: after a change of the limits the wishes that now have room are granted") {
  Desk desk;
  desk.wanted(0, shop, 5, start, {2});
  ArbiterOrders orders;
  desk.arbiter.limits_changed([](const Route&) { return SlotLimits{4}; }, orders);
  CHECK(grants(orders) == Grants{{0, shop, 2}});
}

TEST_CASE("arbiter: higher limits help the oldest wish first, whoever brings them") {
  Desk desk;
  desk.wanted(0, shop, 2, start, {.pool = 2});
  desk.wanted(1, shop, 1, start + 1s, {.pool = 2});
  desk.wanted(2, shop, 1, start + 2s, {.pool = 2});
  CHECK(grants(desk.wanted(3, shop, 1, start + 3s, {.pool = 4})) == Grants{{1, shop, 1}, {2, shop, 1}});
  CHECK(grants(desk.wanted(3, shop, 1, start + 3s, {.pool = 5})) == Grants{{3, shop, 1}});
}

// ---- a long random walk, beside a model ----

namespace {

class Walk {
 public:
  Walk(std::uint64_t seed, bool with_reserve) : random_(seed), with_reserve_(with_reserve) {
    for (const char* name : {"a", "b", "c"}) {
      database_limits_[name] = random_.chance(300) ? 0 : random_.between(4, 20);
      user_limits_[name] = random_.chance(300) ? 0 : random_.between(4, 20);
    }
    for (const char* database : {"a", "b", "c"}) {
      for (const char* user : {"a", "b", "c"}) {
        limits_[{database, user}] = {.pool = random_.between(1, 10),
                                     .reserve = with_reserve ? random_.between(0, 3) : 0,
                                     .database = database_limits_[database],
                                     .user = user_limits_[user]};
      }
    }
  }

  void step() {
    clock_ += 1ms;
    ArbiterOrders orders;
    const std::size_t action = random_.below(10);
    if (action < 4) {
      const Key key{any_route(), w(static_cast<std::uint32_t>(random_.below(4)))};
      const Wish wish{random_.between(0, 4), start + clock_ - random_.up_to(1s) / 2,
                      with_reserve_ && random_.chance(300)};
      if (std::any_of(wishes_.begin(), wishes_.end(),
                      [&](auto& it) { return it.second.since == wish.since; }))
        return;
      wishes_.erase(key);
      if (wish.slots > 0) wishes_[key] = wish;
      arbiter_.wanted(key.second, key.first, wish.slots, wish.since, wish.reserve, limits_[key.first],
                      orders);
    } else if (action < 9) {
      const Key* const key = any_holder();
      if (key == nullptr) return;
      const auto [route, worker] = *key;
      const int slots = random_.between(1, held_[*key]);
      held_[{route, worker}] -= slots;
      asked_.erase({route, worker});
      arbiter_.returned(worker, route, slots, orders);
    } else {
      // A recall is answered with a live server.
      const Key* const key = any_holder();
      if (key == nullptr) return;
      const auto [route, worker] = *key;
      for (auto& [wisher, wish] : wishes_) {
        if (wisher.first != route || wisher.second == worker) continue;
        const WorkerId to = wisher.second;
        --held_[{route, worker}];
        ++held_[wisher];
        asked_.erase({route, worker});
        if (--wish.slots == 0) wishes_.erase(wisher);
        arbiter_.moved(worker, to, route, orders);
        ++moved_;
        break;
      }
    }
    apply(orders);
    check();
  }

  int granted() const { return granted_; }
  int moves() const { return moved_; }
  int kept() const { return kept_; }

 private:
  using Key = std::pair<Route, WorkerId>;
  struct Wish {
    int slots;
    Instant since;
    bool reserve;
  };

  Route any_route() { return {random_.pick({"a", "b", "c"}), random_.pick({"a", "b", "c"})}; }
  const Key* any_holder() {
    std::vector<const Key*> holders;
    for (const auto& [key, held] : held_) {
      if (held > 0) holders.push_back(&key);
    }
    return holders.empty() ? nullptr : holders[random_.below(holders.size())];
  }

  template <class Belongs>
  int sum(Belongs belongs) const {
    int total = 0;
    for (const auto& [key, held] : held_) total += belongs(key.first) ? held : 0;
    return total;
  }
  int of_pool(const Route& route) const {
    return sum([&](const Route& r) { return r == route; });
  }
  int of_database(const std::string& name) const {
    return sum([&](const Route& r) { return r.database == name; });
  }
  int of_user(const std::string& name) const {
    return sum([&](const Route& r) { return r.user == name; });
  }
  bool database_full(const Route& route) const {
    const int limit = database_limits_.at(route.database);
    return limit != 0 && of_database(route.database) >= limit;
  }
  bool user_full(const Route& route) const {
    const int limit = user_limits_.at(route.user);
    return limit != 0 && of_user(route.user) >= limit;
  }
  bool pool_full(const Route& route, bool reserve) const {
    const SlotLimits& limits = limits_.at(route);
    return of_pool(route) >= limits.pool + (reserve ? limits.reserve : 0);
  }
  bool has_room(const Route& route, const Wish& wish) const {
    return !pool_full(route, wish.reserve) && !database_full(route) && !user_full(route);
  }

  void apply(const ArbiterOrders& orders) {
    for (const auto& [worker, route, slots] : orders.grants) {
      REQUIRE(slots > 0);
      const auto wish = wishes_.find({route, worker});
      REQUIRE(wish != wishes_.end());
      REQUIRE(slots <= wish->second.slots);
      for (const auto& [key, older] : wishes_) {  // A2
        if (older.since < wish->second.since) REQUIRE_FALSE(has_room(key.first, older));
      }
      held_[{route, worker}] += slots;
      wish->second.slots -= slots;
      if (wish->second.slots == 0) wishes_.erase(wish);
      granted_ += slots;
    }
    for (const SlotRecall& recall : orders.recalls) {
      const Key holder{recall.route, recall.worker};
      REQUIRE(held_[holder] > 0);
      const auto asked = asked_.find(holder);
      if (asked == asked_.end() || recall.since < asked->second) asked_[holder] = recall.since;
      const bool wished = std::any_of(wishes_.begin(), wishes_.end(), [&](const auto& wish) {
        return wish.first.second == recall.to && (!recall.same_pool || wish.first.first == recall.route);
      });
      REQUIRE(wished);
    }
  }

  void check() {
    for (const auto& [route, limits] : limits_) {  // A1
      REQUIRE(arbiter_.granted(route) == of_pool(route));
      REQUIRE(of_pool(route) <= limits.pool + limits.reserve);
    }
    for (const auto& [name, limit] : database_limits_) {
      REQUIRE(arbiter_.granted_to_database(name) == of_database(name));
      REQUIRE((limit == 0 || of_database(name) <= limit));
    }
    for (const auto& [name, limit] : user_limits_) {
      REQUIRE(arbiter_.granted_to_user(name) == of_user(name));
      REQUIRE((limit == 0 || of_user(name) <= limit));
    }
    for (const auto& [key, wish] : wishes_) {
      ++kept_;
      REQUIRE_FALSE(has_room(key.first, wish));  // A2: nothing is kept that could be granted
      check_asked(key, wish);                    // A3
    }
  }

  void check_asked(const Key& wisher, const Wish& wish) {
    const auto mine = held_.find(wisher);
    const int have = mine == held_.end() ? 0 : mine->second;
    for (const auto& [holder, held] : held_) {
      if (held == 0) continue;
      Instant since = wish.since;
      if (holder.first == wisher.first) {
        if (holder.second == wisher.second) continue;
        if (held <= have + 1) since = never;
      } else {
        const bool helps = (database_full(wisher.first) && holder.first.database == wisher.first.database) ||
                           (user_full(wisher.first) && holder.first.user == wisher.first.user);
        if (!helps || pool_full(wisher.first, wish.reserve)) continue;
        // Whether this one's slot is enough.
        if (database_full(wisher.first) && holder.first.database != wisher.first.database) continue;
        if (user_full(wisher.first) && holder.first.user != wisher.first.user) continue;
        const int theirs = of_pool(holder.first), ours = of_pool(wisher.first);
        if (theirs <= ours + 1 && ours > 0) since = never;
      }
      const auto asked = asked_.find(holder);
      REQUIRE(asked != asked_.end());
      REQUIRE(asked->second <= since);
    }
  }

  sim::SeededRandom random_;
  bool with_reserve_;
  std::map<std::string, int> database_limits_, user_limits_;
  std::map<Route, SlotLimits> limits_;
  Arbiter arbiter_;
  Duration clock_{};
  std::map<Key, int> held_;
  std::map<Key, Wish> wishes_;
  std::map<Key, Instant> asked_;  // what a holder remembers: the oldest recall since he last gave a slot
  int granted_ = 0, moved_ = 0, kept_ = 0;
};

}  // namespace

TEST_CASE("arbiter: keeps its invariants through long random walks") {
  int granted = 0, moves = 0, kept = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Walk walk(seed, seed % 2 == 0);
    for (int i = 0; i < 500; ++i) walk.step();
    granted += walk.granted();
    moves += walk.moves();
    kept += walk.kept();
  }
  CHECK(granted > 10'000);
  CHECK(moves > 100);
  CHECK(kept > 10'000);
}
