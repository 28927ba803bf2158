#pragma once
// Grants the slots of all pools to the workers' shards, within the limits of each pool, database and user.
// A shard never opens more servers than it holds slots, so the sum of what is granted here is the limit.
//
// Owned by the control thread. Pure: calls return what is to be mailed.
//
// Invariants:
//  A1 For every pool, database and user: slots granted <= its limit (after a limit was lowered: no new grant
//     until enough have come back, and what is too much is asked for).
//  A2 A wish that cannot be granted is kept, and granted in the order of how long its clients have waited.
//  A3 While a wish is kept, everybody who could give a slot for it has been asked to (a recall): to give one
//     that idles, and one that is busy too if his clients have not waited longer and he holds at least two
//     more than the one who asks. Between pools under one limit the pools are compared, and a pool that holds
//     nothing may ask for a busy one as well. So slots settle where the clients are, busy pools come to equal
//     parts, and slots do not wander between equals.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "pool/ids.h"
#include "pool/route.h"
#include "pool/time.h"

namespace pgweir {

struct SlotLimits {
  int pool = 0;
  int reserve = 0;
  int database = 0;  // 0: no limit
  int user = 0;      // 0: no limit
  friend bool operator==(const SlotLimits&, const SlotLimits&) = default;
};

struct SlotGrant {
  WorkerId worker;
  Route route;
  int slots = 0;
};

struct SlotRecall {
  WorkerId worker;  // who is asked
  Route route;
  Instant since;  // `never`: only a slot that idles
  bool same_pool = false;
  WorkerId to;
  bool even = false;  // his pool has at most one slot more than the one that asks: there is no hurry
};

struct ArbiterOrders {
  std::vector<SlotGrant> grants;
  std::vector<SlotRecall> recalls;
};

class Arbiter {
 public:
  // `limits` are those in force now. `since`: `never` when nobody waits and the slots are for the pool's min:
  // then they are granted after all other wishes, and nobody is asked to give one.
  void wanted(WorkerId worker, const Route& route, int slots, Instant since, bool reserve,
              const SlotLimits& limits, ArbiterOrders& orders);
  void returned(WorkerId worker, const Route& route, int slots, ArbiterOrders& orders);
  // There are new settings. Where more is granted than they allow, holders are asked to give it back, one
  // slot after the other.
  void limits_changed(const std::function<SlotLimits(const Route&)>& limits_of, ArbiterOrders& orders);
  void moved(WorkerId from, WorkerId to, const Route& route, ArbiterOrders& orders);

  int granted(const Route& route) const;
  int granted_to_database(const std::string& database) const;
  int granted_to_user(const std::string& user) const;

 private:
  struct Wish {
    int slots = 0;
    Instant since;
    bool reserve = false;
  };
  struct Pool {
    SlotLimits limits;
    int granted = 0;
    std::map<WorkerId, int> held;
    std::map<WorkerId, Wish> wishes;
  };

  int room(const Route& route, const Pool& pool, bool reserve) const;
  void grant(const Route& route, Pool& pool, WorkerId worker, Wish& wish, ArbiterOrders& orders);
  void recall(const Route& route, const Pool& pool, WorkerId worker, const Wish& wish,
              ArbiterOrders& orders) const;
  void recall_excess(const Route& route, const Pool& pool, ArbiterOrders& orders) const;
  void serve_wishes(ArbiterOrders& orders);
  void recall_for_wishes(ArbiterOrders& orders) const;

  std::map<Route, Pool> pools_;
  std::map<std::string, int> databases_, users_;
  int wishes_ = 0;  // pools and workers with a wish that is kept
};

}  // namespace pgweir
