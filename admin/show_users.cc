// SHOW USERS.

#include "admin/console_view.h"
#include "admin/setting.h"
#include "admin/show.h"

namespace pgweir {
namespace {

struct UserRow {
  std::string name;
  std::optional<int> pool_size, reserve_pool_size;
  Cell pool_mode;
  int max_connections = 0, max_clients = 0;
  ConnectionCounts counts;
};

using type_oid::int4;
using type_oid::text;

// PgBouncer's form: text, nine characters wide, empty when not set.
std::string padded(std::optional<int> size) {
  if (!size) return {};
  const std::string digits = std::to_string(*size);
  return std::string(digits.size() < 9 ? 9 - digits.size() : 0, ' ') + digits;
}

constexpr std::array users_table{
    column<UserRow>(
        "name", text, [](const UserRow& it) { return it.name; }, "The user."),
    column<UserRow>(
        "pool_size", text, [](const UserRow& it) { return padded(it.pool_size); },
        "Servers that a pool of this user may have; empty: no own value."),
    column<UserRow>(
        "reserve_pool_size", text, [](const UserRow& it) { return padded(it.reserve_pool_size); },
        "More servers for clients that waited too long; empty: no own value."),
    column<UserRow>(
        "pool_mode", text, [](const UserRow& it) { return it.pool_mode; }, "NULL: no own value."),
    column<UserRow>(
        "max_user_connections", int4, [](const UserRow& it) { return it.max_connections; },
        "Servers that all its pools may have; 0: no limit."),
    column<UserRow>(
        "current_connections", int4, [](const UserRow& it) { return it.counts.servers; },
        "Servers that there are."),
    column<UserRow>(
        "max_user_client_connections", int4, [](const UserRow& it) { return it.max_clients; },
        "Clients that may be connected; 0: no limit."),
    column<UserRow>(
        "current_client_connections", int4, [](const UserRow& it) { return it.counts.clients; },
        "Clients that there are."),
};

}  // namespace

CommandOutcome show_users(CommandCall& call) {
  const Settings& settings = call.world.settings;
  std::vector<UserRow> rows;
  for (const auto& [name, counts] : listed_users(call.world)) {
    UserRow row;
    row.name = name;
    row.max_connections = settings.pool.max_user_connections;
    row.max_clients = settings.clients_of_user(name);
    row.counts = counts;
    if (const UserSettings* const user = settings.find_user(name)) {
      row.pool_size = user->pool_size;
      row.reserve_pool_size = user->reserve_pool_size;
      if (user->pool_mode) row.pool_mode = std::string(word_of(*user->pool_mode));
      row.max_connections = user->max_user_connections.value_or(row.max_connections);
    }
    rows.push_back(std::move(row));
  }
  write_rows(call.out, users_table, rows);
  return {};
}
std::vector<ColumnInfo> users_columns() { return describe<users_table>(); }

}  // namespace pgweir
