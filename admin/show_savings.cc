// SHOW SAVINGS: work that servers were spared.

#include "admin/pool_view.h"
#include "admin/show.h"

namespace pgweir {
namespace {

using type_oid::int8;
using type_oid::text;

constexpr std::array savings_table{
    column<PoolSnapshot>(
        "database", text, [](const PoolSnapshot& it) { return it.database; }, "Of the pool."),
    column<PoolSnapshot>(
        "user", text, [](const PoolSnapshot& it) { return it.user; }, "Of the pool."),
    column<PoolSnapshot>(
        "transactions_saved", int8, [](const PoolSnapshot& it) { return it.savings.transactions_saved; },
        "Transactions that were begun and ended without a statement, and took no server (late_begin)."),
    column<PoolSnapshot>(
        "late_begins", int8, [](const PoolSnapshot& it) { return it.savings.late_begins; },
        "Transactions that took their server only at their first statement, not at BEGIN (late_begin)."),
    column<PoolSnapshot>(
        "parses_asked", int8, [](const PoolSnapshot& it) { return it.savings.parses_asked; },
        "Statements that clients prepared."),
    column<PoolSnapshot>(
        "parses_sent", int8, [](const PoolSnapshot& it) { return it.savings.parses_sent; },
        "Statements that servers prepared. Can be the larger: each server needs its own."),
};

}  // namespace

CommandOutcome show_savings(CommandCall& call) {
  const auto pools = pools_named(call.arguments, call.world, MeasureDepth::none);
  if (!pools) return tl::unexpected(pools.error());
  write_rows(call.out, savings_table, *pools);
  return {};
}
std::vector<ColumnInfo> savings_columns() { return describe<savings_table>(); }

}  // namespace pgweir
