// Much data through little memory.

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

constexpr std::size_t row_size = 1024;
std::size_t row_count() { return (sanitized() ? 8 : 64) * std::size_t{1024}; }
constexpr std::size_t allowed_growth = 4 * 1024 * 1024;

// Remembers how much memory it uses while something is going on.
class MemoryWatch {
 public:
  explicit MemoryWatch(const PgweirProcess& pgweir) : pgweir_(pgweir), before_(pgweir.memory()) {}
  void look() { most_ = std::max(most_, pgweir_.memory()); }
  std::size_t growth() {
    look();
    return sanitized() || most_ < before_ ? 0 : most_ - before_;
  }

 private:
  const PgweirProcess& pgweir_;
  std::size_t before_, most_ = 0;
};

}  // namespace

TEST_CASE("64 MiB pass by COPY in both directions in constant memory") {
  const Postgres& postgres = shared_postgres();
  postgres.run("drop table if exists bulk; create unlogged table bulk (t text)");
  const PgweirProcess pgweir{PgweirSetup(postgres)};
  PgConnection client = pgweir.connect();
  const std::size_t rows = row_count();
  const std::string row = std::string(row_size - 1, 'r') + '\n';
  client.must("select 1");

  MemoryWatch memory(pgweir);
  REQUIRE(client.exec("copy bulk from stdin").status() == PGRES_COPY_IN);
  for (std::size_t i = 0; i < rows; ++i) {
    client.copy_in(row);
    if (i % 4096 == 0) memory.look();
  }
  client.copy_end();
  const PgResult in = client.finish();
  INFO(in.message());
  CHECK(in.tag() == "COPY " + std::to_string(rows));
  CHECK(memory.growth() < allowed_growth);

  REQUIRE(client.exec("copy bulk to stdout").status() == PGRES_COPY_OUT);
  std::size_t received = 0;
  while (const auto line = client.copy_row()) {
    if (*line != row) FAIL("a row was changed on the way");
    if (++received % 4096 == 0) memory.look();
  }
  CHECK(received == rows);
  CHECK(client.finish().tag() == "COPY " + std::to_string(rows));
  CHECK(memory.growth() < allowed_growth);
  CHECK(client.value("select count(*) from bulk where t = repeat('r', 1023)") == std::to_string(rows));
  postgres.run("drop table bulk");
}

TEST_CASE("a client that does not read stops the server, not the memory") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir{PgweirSetup(postgres)};
  PgConnection client = pgweir.connect();
  PgConnection other = pgweir.connect();
  other.must("select 1");

  MemoryWatch memory(pgweir);
  client.send("select repeat('x', 1000000) from generate_series(1, 64)");
  REQUIRE(eventually([&] {
    return postgres.value("select count(*) from pg_stat_activity where wait_event = 'ClientWrite'") == "1";
  }));
  CHECK(memory.growth() < allowed_growth);
  CHECK(other.value("select 'not held up'") == "not held up");
  const PgResult result = client.finish();
  CHECK(result.rows() == 64);
  CHECK(result.value(63, 0).size() == 1000000);
}

TEST_CASE("one message of 16 MiB passes in constant memory, both ways") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir{PgweirSetup(postgres)};
  PgConnection client = pgweir.connect();
  client.must("select 1");
  MemoryWatch memory(pgweir);
  const std::string large(16 * 1024 * 1024, 'p');
  const PgResult result = client.exec_params("select $1::text, length($1)", {large});
  REQUIRE(result.ok());
  CHECK(result.value(0, 0) == large);
  CHECK(memory.growth() < allowed_growth);
}

TEST_CASE("COPY that the server refuses in the middle leaves the client usable") {
  shared_postgres();
  const PgweirProcess pgweir{PgweirSetup(shared_postgres())};
  PgConnection client = pgweir.connect();
  for (int round = 0; round < 5; ++round) {
    REQUIRE(client.exec("copy rows from stdin").status() == PGRES_COPY_IN);
    client.copy_in("not a number\tx\n");
    for (int i = 0; i < 100; ++i) client.copy_in(std::to_string(i) + "\tlate\n");
    client.copy_end();
    CHECK(client.finish().sqlstate() == "22P02");
    CHECK(client.value("select count(*) from rows") == "0");
  }
}
