#include "admin/row_filter.h"

#include <doctest/doctest.h>

#include "admin/settings_table.h"
#include "tests/unit/admin/console_reply.h"

using namespace pgweir;

namespace {

ConsoleReply filtered(const std::string& query) {
  static const Settings settings = settings_by_default();
  return ask(query, world_of(settings));
}

std::string names(const std::string& query) {
  std::string all;
  const ConsoleReply reply = filtered(query);
  for (const auto& row : reply.only().rows)
    all += (all.empty() ? "" : " ") + row[0].value_or("NULL");
  return all;
}

}  // namespace

TEST_CASE("row filter: WHERE compares numbers as numbers and text as text") {
  CHECK(names("SHOW LISTS WHERE items > 0").find("pools") != std::string::npos);
  CHECK(names("SHOW LISTS WHERE list = 'peers'") == "peers");
  CHECK(names("SHOW LISTS WHERE list = peers AND items = 0;") == "peers");
  CHECK(names("show lists where LIST like 'dns%' and list <> 'dns_names'") ==
        "dns_zones dns_queries dns_pending");
  CHECK(names("SHOW LISTS WHERE list LIKE '%_clients' AND list NOT LIKE 'free%'") ==
        "used_clients login_clients");
  CHECK(names("SHOW LISTS WHERE list LIKE 'p__rs'") == "peers");
  CHECK(names("SHOW LISTS WHERE items < 0") == "");
  CHECK(names("SHOW LISTS WHERE items >= -1 AND items <= 0 AND items != 1 LIMIT 1") != "");
  CHECK(names("SHOW DATABASES WHERE host IS NULL") == "pgbouncer");
  CHECK(names("SHOW DATABASES WHERE host IS NOT NULL") == "");
  CHECK(names("SHOW CONFIG WHERE key = default_pool_size") == "default_pool_size");
}

TEST_CASE("row filter: ORDER BY and LIMIT") {
  CHECK(names("SHOW STATE ORDER BY key DESC") == "suspended paused active");
  CHECK(names("SHOW STATE ORDER BY value DESC, key ASC") == "active paused suspended");
  CHECK(names("SHOW STATE ORDER BY value, key DESC LIMIT 2") == "suspended paused");
  CHECK(names("SHOW STATE LIMIT 1 OFFSET 1") == "paused");
  CHECK(names("SHOW STATE OFFSET 9") == "");
  CHECK(names("SHOW STATE LIMIT 0") == "");
  CHECK(names("SHOW HELP WHERE command LIKE 'PAUSE%'") == "PAUSE [database]");
  CHECK(names("SHOW LISTS ORDER BY items DESC LIMIT 99999999") != "");
}

TEST_CASE("row filter: what cannot be is an error that says what can") {
  for (const std::string query :
       {"SHOW STATE WHERE", "SHOW STATE WHERE key", "SHOW STATE WHERE key =", "SHOW STATE WHERE key ~ 'x'",
        "SHOW STATE WHERE nothing = 1", "SHOW STATE ORDER key", "SHOW STATE ORDER BY nothing",
        "SHOW STATE LIMIT x", "SHOW STATE LIMIT -1", "SHOW STATE LIMIT 99999999999999999999",
        "SHOW STATE WHERE key = a OR key = b", "SHOW LISTS WHERE items = many", "SHOW STATE WHERE key IS a",
        "SHOW STATE WHERE key NOT b", "RELOAD WHERE key = 1", "PAUSE LIMIT 1"}) {
    CAPTURE(query);
    const ConsoleReply reply = filtered(query);
    CHECK(reply.failed);
    CHECK(reply.results.empty());
    CHECK(reply.action == ConsoleAction::none);
  }
  CHECK(filtered("SHOW STATE WHERE nothing = 1").hint == "There are: key, value.");
}

TEST_CASE("row filter: a pattern of many wild cards takes no time") {
  std::string pattern;
  for (int i = 0; i < 20'000; ++i) pattern += "%a";
  CHECK(names("SHOW STATE WHERE key LIKE '" + pattern + "b'") == "");
}
