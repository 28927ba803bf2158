#include "pool/arbiter.h"

#include <algorithm>
#include <climits>

namespace pgweir {

namespace {

int count(const std::map<std::string, int>& counts, const std::string& name) {
  const auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

int Arbiter::granted(const Route& route) const {
  const auto found = pools_.find(route);
  return found == pools_.end() ? 0 : found->second.granted;
}
int Arbiter::granted_to_database(const std::string& database) const { return count(databases_, database); }
int Arbiter::granted_to_user(const std::string& user) const { return count(users_, user); }

int Arbiter::room(const Route& route, const Pool& pool, bool reserve) const {
  const auto left = [](int limit, int used) { return limit == 0 ? INT_MAX : limit - used; };
  const int of_pool = pool.limits.pool + (reserve ? pool.limits.reserve : 0) - pool.granted;
  return std::max(0, std::min({of_pool, left(pool.limits.database, granted_to_database(route.database)),
                               left(pool.limits.user, granted_to_user(route.user))}));
}

void Arbiter::grant(const Route& route, Pool& pool, WorkerId worker, Wish& wish, ArbiterOrders& orders) {
  const int slots = std::min(wish.slots, room(route, pool, wish.reserve));
  if (slots == 0) return;
  wish.slots -= slots;
  pool.granted += slots;
  pool.held[worker] += slots;
  databases_[route.database] += slots;
  users_[route.user] += slots;
  orders.grants.push_back({worker, route, slots});
}

void Arbiter::wanted(WorkerId worker, const Route& route, int slots, Instant since, bool reserve,
                     const SlotLimits& limits, ArbiterOrders& orders) {
  Pool& pool = pools_[route];
  const bool same_limits = pool.limits == limits;
  pool.limits = limits;
  wishes_ -= static_cast<int>(pool.wishes.erase(worker));
  if (slots <= 0 && pool.granted == 0 && pool.wishes.empty()) {
    pools_.erase(route);
    return;
  }
  Wish wish{std::max(slots, 0), since, reserve};
  // What is kept had no room, so nobody is passed by; but with new limits older wishes may have room too.
  const bool serve_all = !same_limits && !pool.wishes.empty();
  if (!serve_all) grant(route, pool, worker, wish, orders);
  if (wish.slots > 0) {
    pool.wishes[worker] = wish;
    ++wishes_;
  }
  if (serve_all) return serve_wishes(orders);
  // Who has got something may be able to give it to somebody else later.
  if (!orders.grants.empty()) return recall_for_wishes(orders);
  if (wish.slots > 0) recall(route, pool, worker, wish, orders);
}

void Arbiter::recall(const Route& route, const Pool& pool, WorkerId worker, const Wish& wish,
                     ArbiterOrders& orders) const {
  if (wish.since == never) return;
  const bool pool_full = pool.granted >= pool.limits.pool + (wish.reserve ? pool.limits.reserve : 0);
  const auto own = pool.held.find(worker);
  const int mine = own == pool.held.end() ? 0 : own->second;
  for (const auto& [holder, held] : pool.held) {
    if (holder == worker || held == 0) continue;
    orders.recalls.push_back({holder, route, held > mine + 1 ? wish.since : never, true, worker});
  }
  if (pool_full) return;
  // The limit of the database or of the user is what is in the way: the other pools under it are asked.
  const bool database_full =
      pool.limits.database != 0 && granted_to_database(route.database) >= pool.limits.database;
  const bool user_full = pool.limits.user != 0 && granted_to_user(route.user) >= pool.limits.user;
  // Unless it is this pool itself that has used it up.
  if (database_full && granted_to_database(route.database) == pool.granted) return;
  if (user_full && granted_to_user(route.user) == pool.granted) return;
  for (const auto& [other, its] : pools_) {
    const bool of_database = other.database == route.database, of_user = other.user == route.user;
    const bool helps = (database_full && of_database) || (user_full && of_user);
    if (!helps || other == route) continue;
    // While another limit is full as well, a slot is of no use yet: nobody who waits gives one for that.
    const bool enough = (!database_full || of_database) && (!user_full || of_user);
    const bool even = its.granted <= pool.granted + 1;
    const Instant since = enough && (!even || pool.granted == 0) ? wish.since : never;
    for (const auto& [holder, held] : its.held) {
      if (held > 0) orders.recalls.push_back({holder, other, since, false, worker, even});
    }
  }
}

void Arbiter::returned(WorkerId worker, const Route& route, int slots, ArbiterOrders& orders) {
  const auto found = pools_.find(route);
  if (found == pools_.end()) return;
  found->second.granted -= slots;
  found->second.held[worker] -= slots;
  databases_[route.database] -= slots;
  users_[route.user] -= slots;
  if (databases_[route.database] == 0) databases_.erase(route.database);
  if (users_[route.user] == 0) users_.erase(route.user);
  recall_excess(route, found->second, orders);
  if (found->second.granted == 0 && found->second.wishes.empty()) pools_.erase(found);
  serve_wishes(orders);
}

void Arbiter::limits_changed(const std::function<SlotLimits(const Route&)>& limits_of,
                             ArbiterOrders& orders) {
  for (auto& [route, pool] : pools_) pool.limits = limits_of(route);
  for (const auto& [route, pool] : pools_) recall_excess(route, pool, orders);
  serve_wishes(orders);
}

void Arbiter::recall_excess(const Route& route, const Pool& pool, ArbiterOrders& orders) const {
  const auto over = [](int limit, int used) { return limit == 0 ? 0 : used - limit; };
  int excess = std::max({pool.granted - pool.limits.pool - pool.limits.reserve,
                         over(pool.limits.database, granted_to_database(route.database)),
                         over(pool.limits.user, granted_to_user(route.user))});
  for (const auto& [holder, held] : pool.held) {
    if (excess <= 0) return;
    if (held == 0) continue;
    // As if somebody had waited for longer than anybody.
    orders.recalls.push_back({holder, route, Instant{}, false, holder});
    --excess;
  }
}

void Arbiter::moved(WorkerId from, WorkerId to, const Route& route, ArbiterOrders& orders) {
  const auto found = pools_.find(route);
  if (found == pools_.end()) return;
  Pool& pool = found->second;
  --pool.held[from];
  ++pool.held[to];
  const auto wish = pool.wishes.find(to);
  if (wish != pool.wishes.end() && --wish->second.slots == 0) {
    pool.wishes.erase(wish);
    --wishes_;
  }
  recall_for_wishes(orders);
}

// A holder remembers one recall only: when one has been answered, those who still wish ask again.
void Arbiter::recall_for_wishes(ArbiterOrders& orders) const {
  if (wishes_ == 0) return;
  for (const auto& [route, pool] : pools_) {
    for (const auto& [worker, wish] : pool.wishes) recall(route, pool, worker, wish, orders);
  }
}

void Arbiter::serve_wishes(ArbiterOrders& orders) {
  while (wishes_ > 0) {
    const Route* best_route = nullptr;
    Pool* best_pool = nullptr;
    std::map<WorkerId, Wish>::iterator best;
    for (auto& [route, pool] : pools_) {
      for (auto wish = pool.wishes.begin(); wish != pool.wishes.end(); ++wish) {
        if (room(route, pool, wish->second.reserve) == 0) continue;
        if (best_pool == nullptr || wish->second.since < best->second.since) {
          best_route = &route;
          best_pool = &pool;
          best = wish;
        }
      }
    }
    if (best_pool == nullptr) return recall_for_wishes(orders);
    grant(*best_route, *best_pool, best->first, best->second, orders);
    if (best->second.slots == 0) {
      best_pool->wishes.erase(best);
      --wishes_;
    }
  }
}

}  // namespace pgweir
