// SHOW LISTS.

#include "admin/console_view.h"
#include "admin/pool_view.h"
#include "admin/show.h"

namespace pgweir {
namespace {

struct ListRow {
  const char* list;
  std::size_t items;
};

constexpr std::array lists_table{
    column<ListRow>(
        "list", type_oid::text, [](const ListRow& it) { return it.list; }, "What is counted."),
    column<ListRow>(
        "items", type_oid::int4, [](const ListRow& it) { return it.items; }, "How many there are."),
};

// Over all workers.
template <class Member>
std::size_t sum(const World& world, Member member) {
  std::size_t all = 0;
  for (const WorkerSnapshot& worker : world.workers) all += static_cast<std::size_t>(worker.*member);
  return all;
}

}  // namespace

CommandOutcome show_lists(CommandCall& call) {
  const World& world = call.world;
  // With the console's own pool. There are no peers, and names are looked up when a connection is opened.
  const std::size_t pools = merge_pools(world.workers, MeasureDepth::none).size() + 1;
  const std::array rows{
      ListRow{"databases", listed_databases(world).size()},
      ListRow{"users", listed_users(world).size()},
      ListRow{"peers", 0},
      ListRow{"pools", pools},
      ListRow{"peer_pools", 0},
      ListRow{"free_clients", sum(world, &WorkerSnapshot::free_clients)},
      ListRow{"used_clients", sum(world, &WorkerSnapshot::used_clients)},
      ListRow{"login_clients", sum(world, &WorkerSnapshot::login_clients)},
      ListRow{"free_servers", sum(world, &WorkerSnapshot::free_servers)},
      ListRow{"used_servers", sum(world, &WorkerSnapshot::used_servers)},
      ListRow{"dns_names", 0},
      ListRow{"dns_zones", 0},
      ListRow{"dns_queries", 0},
      ListRow{"dns_pending", 0},
  };
  write_rows(call.out, lists_table, rows);
  return {};
}
std::vector<ColumnInfo> lists_columns() { return describe<lists_table>(); }

}  // namespace pgweir
