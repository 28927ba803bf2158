// What connections leave behind in the memory of the process.

#include <doctest/doctest.h>

#include <vector>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

constexpr std::size_t mib = 1024 * 1024;

// An error whose message has 4 MiB, from a server that this client keeps.
void get_large_error(PgConnection& client) {
  client.must("begin; select 1");
  const PgResult result =
      client.exec("do $$ begin raise exception '%', repeat('x', 4 * 1024 * 1024); end $$");
  CHECK(result.sqlstate() == "P0001");
  CHECK(result.message().size() > 4 * mib);
}

}  // namespace

TEST_CASE("a server keeps no memory for a large error that it has passed on") {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 15\n";
  const PgweirProcess pgweir(setup);
  std::vector<PgConnection> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(pgweir.connect());
  // The worker's own memory has grown after this one.
  get_large_error(clients[0]);
  clients[0].must("rollback");
  const std::size_t before = pgweir.memory();
  for (PgConnection& client : clients) get_large_error(client);
  const std::size_t after = pgweir.memory();
  MESSAGE("KiB for 12 large errors: " << (after > before ? (after - before) / 1024 : 0));
  if (!sanitized()) CHECK(after < before + 16 * mib);
  for (PgConnection& client : clients) client.must("rollback");
}
