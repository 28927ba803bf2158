// SHOW BUDGET: what each server has, and who may take it.

#include <optional>
#include <string>
#include <vector>

#include "admin/advise_pools.h"
#include "admin/budget.h"
#include "admin/host_budget.h"
#include "admin/pool_view.h"
#include "admin/profile_view.h"
#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

struct BudgetRow {
  std::string host;
  const char* what = "";
  std::string pool;
  std::optional<int> connections;
  std::string note;
};

using type_oid::text;

constexpr std::array budget_table{
    column<BudgetRow>(
        "host", text, [](const BudgetRow& it) { return it.host; }, "The server, as pools name it."),
    column<BudgetRow>(
        "what", text, [](const BudgetRow& it) { return it.what; },
        "max_connections, superuser_reserved_connections, reserved_connections (PostgreSQL 16 and later): as "
        "the server has them. other_connections: the most that did not come through the pools in the last "
        "hour. left_for_pgweir: the first without the others. pools_may_open: all pools together, with their "
        "reserves, within max_db_connections and max_user_connections. open_now. spare: left_for_pgweir "
        "without pools_may_open, negative when they may open too many. Then for each pool pool_may_open, "
        "pool_open_now, and pool_share: what it would get if left_for_pgweir were split by what each "
        "connection spares in waiting."),
    column<BudgetRow>(
        "pool", text, [](const BudgetRow& it) { return it.pool; }, "database/user; empty: the whole server."),
    column<BudgetRow>(
        "connections", type_oid::int4, [](const BudgetRow& it) { return it.connections; },
        "NULL: not known; the note says why."),
    column<BudgetRow>(
        "note", text, [](const BudgetRow& it) { return it.note; }, "Where it comes from, or what to do."),
};

class Rows {
 public:
  Rows(const HostBudget& budget, const World& world) : budget_(budget), world_(world) {}

  std::vector<BudgetRow> take() {
    limits();
    add("pools_may_open", budget_.may_open, "");
    add("open_now", budget_.open, "");
    spare();
    pools();
    return std::move(rows_);
  }

 private:
  void add(const char* what, std::optional<int> connections, std::string note, std::string pool = {}) {
    rows_.push_back({budget_.host, what, std::move(pool), connections, std::move(note)});
  }

  void limits() {
    const HostLimits& last = budget_.limits.last;
    if (!last.known()) {
      add("max_connections", {},
          last.refused.empty() ? "not known: it is asked when a transaction has ended on it"
                               : "not known: the server says \"" + line_text(last.refused, 200) + "\"");
      add("left_for_pgweir", {}, "not known, because max_connections is not");
      return;
    }
    add("max_connections", last.max_connections,
        "asked " + duration_text(world_.now > last.at ? world_.now - last.at : Duration()) + " ago");
    add("superuser_reserved_connections", last.superuser_reserved, "");
    add("reserved_connections", last.reserved, "");
    if (budget_.limits.others) {
      add("other_connections", budget_.limits.others,
          std::to_string(budget_.limits.others_now) + " when it was asked");
    } else {
      add("other_connections", {}, "not counted yet: ask again in a second");
    }
    add("left_for_pgweir", budget_.left, "");
  }

  void spare() {
    if (!budget_.left) return add("spare", {}, "not known, because max_connections is not");
    const int spare = *budget_.left - budget_.may_open;
    add("spare", spare,
        spare >= 0
            ? "the pools that are in use cannot exceed what the server has"
            : "too many: when all pools are full PostgreSQL refuses connections; lower pool sizes, set "
              "max_db_connections, or raise max_connections");
  }

  void pools() {
    for (const HostBudget::Pool& pool : budget_.pools) {
      add("pool_may_open", pool.may_open, "", pool.pool);
      add("pool_open_now", pool.open, "", pool.pool);
    }
    if (!budget_.left) return;
    std::vector<PoolSnapshot> its;
    for (PoolSnapshot& pool : merge_pools(world_.workers, MeasureDepth::minutes))
      if (pool.host == budget_.host) its.push_back(std::move(pool));
    std::vector<BudgetPool> to_split;
    for (const AdvisedPool& it : advise_pools(its, world_))
      to_split.push_back(budget_pool(it.profile, it.advice));
    const BudgetSplit split = split_budget(*budget_.left, to_split);
    for (std::size_t i = 0; i < split.shares.size(); ++i) {
      const BudgetShare& share = split.shares[i];
      add("pool_share", share.size, note_of(share, to_split[i]), share.pool);
    }
    price(split);
  }

  static std::string note_of(const BudgetShare& share, const BudgetPool& pool) {
    if (pool.what_if.empty()) return "too little is recorded to say what waits would be";
    return std::string("99 % of the transactions would wait ") +
           (share.p99_wait > 0 ? "at most " + duration_text(share.p99_wait) : "not at all") +
           (share.target_met ? "" : ", more than the target of " + duration_text(pool.target_wait));
  }

  void price(const BudgetSplit& split) {
    if (split.shares.empty()) return;
    if (!split.enough_for_minimums) {
      add("unassigned", 0, "there is not enough for what the pools need at the least");
      return;
    }
    std::string note = "needed by no pool";
    if (split.worst_p99_wait_with_more < 0.8 * split.worst_p99_wait)
      note = std::to_string(split.more) + " more would cut the longest wait of all pools (of 99 %) from " +
             duration_text(split.worst_p99_wait) + " to " + duration_text(split.worst_p99_wait_with_more);
    add("unassigned", split.unassigned, std::move(note));
  }

  const HostBudget& budget_;
  const World& world_;
  std::vector<BudgetRow> rows_;
};

}  // namespace

CommandOutcome show_budget(CommandCall& call) {
  std::vector<BudgetRow> rows;
  const auto pools = merge_pools(call.world.workers, MeasureDepth::none);
  for (const HostBudget& budget : host_budgets(pools, call.world.settings, call.world.limits)) {
    for (BudgetRow& row : Rows(budget, call.world).take()) rows.push_back(std::move(row));
  }
  write_rows(call.out, budget_table, rows);
  return {};
}
std::vector<ColumnInfo> budget_columns() { return describe<budget_table>(); }

}  // namespace pgweir
