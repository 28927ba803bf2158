// Many clients on few servers.

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

std::vector<PgConnection> connect_many(const PgweirProcess& pgweir, int count) {
  std::vector<PgConnection> clients;
  for (int i = 0; i < count; ++i) clients.push_back(pgweir.connect());
  return clients;
}

PgweirSetup with_pool_of(int size) {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = " + std::to_string(size) + "\n";
  return setup;
}

}  // namespace

TEST_CASE("twenty clients share a pool of two servers") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(2));
  std::vector<PgConnection> clients = connect_many(pgweir, 20);

  std::set<int> pids;
  for (int round = 0; round < 10; ++round) {
    const std::vector<int> answers = ask_backend_pids(clients);
    CHECK(answers.size() == 20);
    pids.insert(answers.begin(), answers.end());
    CHECK(postgres.backends() <= 2);
  }
  CHECK(pids.size() <= 2);
}

TEST_CASE("a pool grows to its size when that many clients have a transaction open") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(5));
  std::vector<PgConnection> clients = connect_many(pgweir, 5);
  for (PgConnection& client : clients) client.must("begin; select 1");

  const std::vector<int> pids = ask_backend_pids(clients);
  CHECK(std::set<int>(pids.begin(), pids.end()).size() == 5);
  CHECK(postgres.backends() == 5);
  CHECK(pgweir.pool("sv_active") == 5);
}

TEST_CASE("a transaction keeps its server, and gives it to the client that waits") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of(2));
  std::vector<PgConnection> clients = connect_many(pgweir, 3);
  for (int i : {0, 1}) clients[static_cast<std::size_t>(i)].must("begin; select 1");
  const std::string first = clients[0].value("select pg_backend_pid()");
  const std::string second = clients[1].value("select pg_backend_pid()");
  CHECK(first != second);

  clients[2].send("select pg_backend_pid()");
  REQUIRE(waiting_clients(pgweir, 1));
  CHECK(clients[0].value("select pg_backend_pid()") == first);
  CHECK(clients[1].value("select pg_backend_pid()") == second);
  CHECK_FALSE(clients[2].answered());

  clients[0].must("commit");
  CHECK(clients[2].finish().value(0, 0) == first);
  CHECK(clients[1].value("select pg_backend_pid()") == second);
  clients[1].must("commit");
}

TEST_CASE("clients that wait are served in the order in which they came") {
  shared_postgres().run("drop sequence if exists turns; create sequence turns");
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection holder = pgweir.connect();
  holder.must("begin; select 1");
  std::vector<PgConnection> waiting = connect_many(pgweir, 5);
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    waiting[i].send("select nextval('turns')");
    REQUIRE(waiting_clients(pgweir, static_cast<int>(i) + 1));
  }
  holder.must("commit");
  for (std::size_t i = 0; i < waiting.size(); ++i)
    CHECK(waiting[i].finish().value(0, 0) == std::to_string(i + 1));
}

TEST_CASE("each database and user has a pool of its own") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection one = pgweir.connect();
  PgConnection other_user = pgweir.connect("user=trust_user");
  PgConnection other_database = pgweir.connect("dbname=template1");
  one.must("begin; select 1");
  CHECK(other_user.value("select current_user") == "trust_user");
  CHECK(other_database.value("select current_database()") == "template1");
  CHECK(postgres.backends("postgres") == 2);
  CHECK(postgres.backends("template1") == 1);
  one.must("commit");
}

TEST_CASE("errors reach the client unchanged and leave it connected") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection client = pgweir.connect();
  CHECK(client.failure("selct 1") == "42601");
  CHECK(client.failure("select * from nowhere") == "42P01");
  CHECK(client.exec_params("select $1::int", {"x"}).sqlstate() == "22P02");
  client.must("begin; select 1");
  CHECK(client.failure("select 1/0") == "22012");
  CHECK(client.transaction() == PQTRANS_INERROR);
  CHECK(client.failure("select 1") == "25P02");
  client.must("rollback");
  CHECK(client.exec_params("select $1::text", {"all is well"}).value(0, 0) == "all is well");
}

TEST_CASE("a pipeline of libpq is answered in order, with an error in the middle") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection client = pgweir.connect();
  REQUIRE(PQenterPipelineMode(client.raw()) == 1);
  for (int i = 0; i < 300; ++i) {
    const std::string sql = i == 150 ? "select 1/0" : "select " + std::to_string(i);
    REQUIRE(PQsendQueryParams(client.raw(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 1);
    REQUIRE(PQpipelineSync(client.raw()) == 1);
  }
  for (int i = 0; i < 300; ++i) {
    const PgResult result = client.next();
    REQUIRE(result);
    if (i == 150) {
      CHECK(result.sqlstate() == "22012");
    } else {
      REQUIRE(result.ok());
      CHECK(result.value(0, 0) == std::to_string(i));
    }
    CHECK_FALSE(client.next());
    CHECK(client.next().status() == PGRES_PIPELINE_SYNC);
  }
}

TEST_CASE("clients that connect, run one transaction and leave all succeed") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of(3));
  for (int i = 0; i < 200; ++i) {
    PgConnection client = pgweir.connect();
    CHECK(client.value("select " + std::to_string(i)) == std::to_string(i));
  }
}
