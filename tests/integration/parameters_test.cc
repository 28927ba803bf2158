// What a client sets is there in its next transaction, and never in another client's.

#include <doctest/doctest.h>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

PgweirSetup with_pool_of_one() {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 1\n";
  return setup;
}

}  // namespace

TEST_CASE("settings follow their clients over one server") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection one = pgweir.connect();
  PgConnection two = pgweir.connect();
  one.must("set TimeZone = 'Asia/Tokyo'");
  one.must("set DateStyle = 'German'");
  one.must("set IntervalStyle = 'iso_8601'");
  one.must("set application_name = 'one'");
  two.must("set TimeZone = 'America/Lima'");
  two.must("set application_name = 'two'");

  for (int round = 0; round < 5; ++round) {
    CHECK(one.value("show TimeZone") == "Asia/Tokyo");
    CHECK(two.value("show TimeZone") == "America/Lima");
    CHECK(one.value("select date '2026-12-31'") == "31.12.2026");
    CHECK(two.value("select date '2026-12-31'") == "2026-12-31");
    CHECK(one.value("select interval '1 day'") == "P1D");
    CHECK(two.value("select interval '1 day'") == "1 day");
    CHECK(one.value("show application_name") == "one");
    CHECK(two.value("show application_name") == "two");
  }
  CHECK(one.parameter("TimeZone") == "Asia/Tokyo");
  CHECK(two.parameter("TimeZone") == "America/Lima");
}

TEST_CASE("settings of the startup packet hold on every server") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection plain = pgweir.connect();
  const std::string zone = plain.value("show TimeZone");
  WireClient set(pgweir.port());
  set.send_startup(3 << 16, {{"user", "postgres"},
                             {"database", "postgres"},
                             {"TimeZone", "Asia/Tokyo"},
                             {"DateStyle", "SQL, DMY"},
                             {"standard_conforming_strings", "off"}});
  while (set.read().type != 'Z') continue;

  PgConnection named = pgweir.connect("application_name='a name with spaces'");
  for (int round = 0; round < 3; ++round) {
    CHECK(plain.value("show TimeZone") == zone);
    CHECK(named.value("show application_name") == named.parameter("application_name"));
    set.send('Q', std::string(
                      "select current_setting('TimeZone') || ' ' || current_setting('DateStyle') || ' ' || "
                      "current_setting('standard_conforming_strings')") +
                      '\0');
    CHECK(set.read().type == 'T');
    const WireMessage row = set.read();
    CHECK(row.body.substr(6) == "Asia/Tokyo SQL, DMY off");
    while (set.read().type != 'Z') continue;
  }
}

TEST_CASE("the encoding follows its client") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection latin = pgweir.connect("client_encoding=LATIN1");
  PgConnection utf = pgweir.connect("client_encoding=UTF8");
  for (int round = 0; round < 3; ++round) {
    CHECK(latin.value("select chr(252)") == "\xfc");
    CHECK(utf.value("select chr(252)") == "\xc3\xbc");
    CHECK(latin.value("select length('\xfc')") == "1");
  }
  CHECK(utf.parameter("client_encoding") == "UTF8");
  CHECK(latin.parameter("client_encoding") == "LATIN1");
}

TEST_CASE("a setting that was rolled back, or reset, does not stay") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection one = pgweir.connect();
  PgConnection two = pgweir.connect();
  const std::string zone = one.value("show TimeZone");
  one.must("begin; select 1");
  one.must("set TimeZone = 'Asia/Tokyo'");
  one.must("rollback");
  CHECK(two.value("show TimeZone") == zone);
  CHECK(one.value("show TimeZone") == zone);

  one.must("begin; select 1");
  one.must("set local TimeZone = 'Asia/Tokyo'");
  CHECK(one.value("show TimeZone") == "Asia/Tokyo");
  one.must("commit");
  CHECK(one.value("show TimeZone") == zone);

  one.must("set TimeZone = 'Asia/Tokyo'");
  CHECK(two.value("show TimeZone") == zone);
  one.must("reset TimeZone");
  CHECK(one.value("show TimeZone") == zone);
  CHECK(two.value("show TimeZone") == zone);
}

TEST_CASE("an application_name of 63 bytes, with quotes and backslashes, comes through as it is") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  const std::string name = R"(it's "quoted" \ and $1 -- ; /* */ )";
  WireClient odd(pgweir.port());
  odd.send_startup(3 << 16, {{"user", "postgres"}, {"database", "postgres"}, {"application_name", name}});
  while (odd.read().type != 'Z') continue;
  PgConnection other = pgweir.connect("application_name=other");
  for (int round = 0; round < 3; ++round) {
    CHECK(other.value("show application_name") == "other");
    odd.send('Q', std::string("show application_name") + '\0');
    CHECK(odd.read().type == 'T');
    CHECK(odd.read().body.substr(6) == name);
    while (odd.read().type != 'Z') continue;
  }
}

TEST_CASE("new clients are told what new servers report") {
  const Postgres& postgres = shared_postgres();
  postgres.run("drop role if exists changed; create role changed login");
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection before = pgweir.connect("user=changed");
  CHECK(before.parameter("IntervalStyle") == "postgres");
  postgres.run(
      "alter role changed set IntervalStyle = 'iso_8601'; alter role changed set DateStyle = 'German'");
  // The server that knows nothing of it goes; the next one reports the new values.
  postgres.run("select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = 'changed'");
  CHECK(eventually([&] { return pgweir.pool("sv_idle") == 0; }));
  CHECK(before.value("show IntervalStyle") == "postgres");

  PgConnection after = pgweir.connect("user=changed");
  CHECK(after.parameter("IntervalStyle") == "iso_8601");
  CHECK(after.parameter("DateStyle") == "German, DMY");
  CHECK(after.value("select interval '1 day'") == "P1D");
  CHECK(after.value("select date '2026-12-31'") == "31.12.2026");
  CHECK(before.value("select interval '1 day'") == "1 day");
}

TEST_CASE("new clients are told what the servers of a new target report") {
  const Postgres& postgres = shared_postgres();
  postgres.run("drop database if exists elsewhere");
  postgres.run("create database elsewhere");
  postgres.run("alter database elsewhere set IntervalStyle = 'sql_standard'");
  PgweirSetup setup = with_pool_of_one();
  const std::string alias = "[databases.alias]\n" + setup.any_database;
  setup.more = alias + "dbname = \"postgres\"\n";
  const PgweirProcess pgweir(setup);
  PgConnection before = pgweir.connect("dbname=alias");
  CHECK(before.parameter("IntervalStyle") == "postgres");
  setup.more = alias + "dbname = \"elsewhere\"\n";
  pgweir.rewrite(setup.text(pgweir.port()));
  REQUIRE(pgweir.console_exec("RELOAD").ok());

  PgConnection after = pgweir.connect("dbname=alias");
  CHECK(after.parameter("IntervalStyle") == "sql_standard");
  CHECK(after.value("select current_database() || ' ' || current_setting('IntervalStyle')") ==
        "elsewhere sql_standard");
  CHECK(before.value("select current_database()") == "elsewhere");
}
