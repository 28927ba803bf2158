// SHOW PINS and SHOW PIN_COSTS: servers that are kept for a client by what it has left in its session.

#include <algorithm>

#include "admin/pool_view.h"
#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

struct PinRow {
  PinSnapshot pin;
  std::string why, since;
  Duration age{};
};

struct CostRow {
  std::string database, user;
  StateKind kind{};
  PinCost cost;
};

using type_oid::int4;
using type_oid::int8;
using type_oid::text;

constexpr std::array pins_table{
    column<PinRow>(
        "client", text, [](const PinRow& it) { return std::to_string(it.pin.client); },
        "ptr in SHOW CLIENTS."),
    column<PinRow>(
        "database", text, [](const PinRow& it) { return it.pin.database; }, "Of the client."),
    column<PinRow>(
        "user", text, [](const PinRow& it) { return it.pin.user; }, "Of the client."),
    column<PinRow>(
        "application_name", text,
        [](const PinRow& it) { return line_text(it.pin.application_name, ApplicationUses::longest_name); },
        "Of the client."),
    column<PinRow>(
        "why", text, [](const PinRow& it) { return it.why; }, "What it has left in its session."),
    column<PinRow>(
        "since", text, [](const PinRow& it) { return it.since; }, "When the first of it was found."),
    column<PinRow>(
        "seconds", int8, [](const PinRow& it) { return micros(it.age) / 1000000; }, "How long ago that was."),
    column<PinRow>(
        "server", text, [](const PinRow& it) { return std::to_string(it.pin.server); },
        "ptr in SHOW SERVERS."),
    column<PinRow>(
        "backend_pid", int4, [](const PinRow& it) { return it.pin.backend_pid; },
        "The pid in pg_stat_activity."),
};

constexpr std::array pin_costs_table{
    column<CostRow>(
        "database", text, [](const CostRow& it) { return it.database; }, "Of the pool."),
    column<CostRow>(
        "user", text, [](const CostRow& it) { return it.user; }, "Of the pool."),
    column<CostRow>(
        "kind", text, [](const CostRow& it) { return std::string(row(it.kind).label); },
        "As in the names of the settings session_state_...; kinds that never held a server are left out."),
    column<CostRow>(
        "what", text, [](const CostRow& it) { return std::string(row(it.kind).many); }, "The kind in words."),
    column<CostRow>(
        "pins", int8, [](const CostRow& it) { return it.cost.pins; }, "How often a server was kept."),
    column<CostRow>(
        "time_ms", int8, [](const CostRow& it) { return micros(it.cost.time) / 1000; },
        "How long servers were kept, together, in milliseconds; the present pins so far are in it. A server "
        "that is kept for two kinds counts for both."),
};

std::string kinds_text(StateKinds kinds) {
  std::string words;
  for (const StateKindRow& it : state_kinds) {
    if (kinds.has(it.kind)) words += (words.empty() ? "" : ", ") + std::string(it.many);
  }
  return words;
}

}  // namespace

CommandOutcome show_pins(CommandCall& call) {
  std::vector<PinRow> rows;
  for (const WorkerSnapshot& worker : call.world.workers) {
    for (const PinSnapshot& pin : worker.pins) {
      rows.push_back({.pin = pin,
                      .why = kinds_text(pin.kinds),
                      .since = time_text(call.world, pin.since),
                      .age = std::max(call.world.now - pin.since, Duration::zero())});
    }
  }
  std::sort(rows.begin(), rows.end(),
            [](const PinRow& a, const PinRow& b) { return a.pin.since < b.pin.since; });
  write_rows(call.out, pins_table, rows);
  return {};
}
std::vector<ColumnInfo> pins_columns() { return describe<pins_table>(); }

CommandOutcome show_pin_costs(CommandCall& call) {
  const auto pools = pools_named(call.arguments, call.world, MeasureDepth::none);
  if (!pools) return tl::unexpected(pools.error());
  std::vector<CostRow> rows;
  for (const PoolSnapshot& pool : *pools) {
    for (const StateKindRow& it : state_kinds) {
      const PinCost& cost = pool.pin_costs[static_cast<std::size_t>(it.kind)];
      if (cost.pins > 0) rows.push_back({pool.database, pool.user, it.kind, cost});
    }
  }
  write_rows(call.out, pin_costs_table, rows);
  return {};
}
std::vector<ColumnInfo> pin_costs_columns() { return describe<pin_costs_table>(); }

}  // namespace pgweir
