#include "admin/settings_show.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/unit/admin/settings_samples.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

ConfigRow find(const std::vector<ConfigRow>& rows, const std::string& key) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const ConfigRow& row) { return row.key == key; });
  REQUIRE_MESSAGE(found != rows.end(), key);
  return *found;
}

}  // namespace

TEST_CASE("SHOW CONFIG has PgBouncer's names and forms") {
  Settings settings = settings_by_default();
  settings.pool.query_wait_timeout = 90s;
  settings.listen.addresses = {"127.0.0.1", "::1"};
  settings.log.pooler_errors = false;
  const auto rows = config_rows(settings);

  CHECK(find(rows, "query_wait_timeout").value == "90");
  CHECK(find(rows, "query_wait_timeout").default_value == "120");
  CHECK(find(rows, "query_wait_timeout").changeable);
  CHECK(find(rows, "listen_addr").value == "127.0.0.1,::1");
  CHECK_FALSE(find(rows, "listen_addr").changeable);
  CHECK(find(rows, "listen_port").value == "6432");
  CHECK(find(rows, "unix_socket_mode").value == "0770");
  CHECK(find(rows, "log_pooler_errors").value == "0");
  CHECK(find(rows, "log_pooler_errors").default_value == "1");
  CHECK(find(rows, "max_client_conn").value == "10000");
  CHECK(find(rows, "max_user_connections").value == "0");
  CHECK(find(rows, "default_pool_size").value == "20");
  CHECK(find(rows, "pool_mode").value == "transaction");
  CHECK(find(rows, "auth_type").value == "scram-sha-256");
  CHECK(find(rows, "admin_users").value.empty());
  CHECK(find(rows, "advice_target_wait").value == "0.01");
}

TEST_CASE("SHOW CONFIG is sorted, names nothing twice and shows no secret") {
  Settings settings = settings_by_default();
  settings.databases["shop"] = database_by_default("shop");
  settings.databases["shop"].password = "hush";
  settings.users["alice"] = user_by_default("alice");
  settings.users["alice"].password = "hush";
  const auto rows = config_rows(settings);
  std::set<std::string> keys;
  for (const ConfigRow& row : rows) {
    CHECK(keys.insert(row.key).second);
    CHECK(row.value.find("hush") == std::string::npos);
    CHECK(row.key.find("password") == std::string::npos);
  }
  CHECK(std::is_sorted(rows.begin(), rows.end(),
                       [](const ConfigRow& a, const ConfigRow& b) { return a.key < b.key; }));
}
