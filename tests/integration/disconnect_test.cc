// Clients that leave without a word.

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <string>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

PgweirSetup with_pool_of_one() {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = 1\n";
  return setup;
}

}  // namespace

TEST_CASE("the transaction of a client that vanished is rolled back, and its server is used again") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  std::string pid;
  for (int round = 0; round < 5; ++round) {
    PgConnection client = pgweir.connect();
    client.must("begin; select 1");
    client.must("insert into rows values (1, 'lost')");
    const std::string now = client.value("select pg_backend_pid()");
    if (!pid.empty()) CHECK(now == pid);
    pid = now;
    client.vanish();
    CHECK(eventually([&] { return pgweir.pool("sv_idle") == 1; }));
    CHECK(postgres.backends() == 1);
  }
  PgConnection next = pgweir.connect();
  CHECK(next.value("select count(*) from rows") == "0");
  CHECK(next.value("select pg_backend_pid()") == pid);
}

TEST_CASE("the query of a client that vanished does not run on") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection client = pgweir.connect();
  client.send("select pg_sleep(602)");
  REQUIRE(eventually([&] { return pgweir.pool("sv_active") == 1; }));
  client.vanish();
  CHECK(eventually([&] {
    return postgres.value(
               "select count(*) from pg_stat_activity where state = 'active' and "
               "query = 'select pg_sleep(602)'") == "0";
  }));
  PgConnection next = pgweir.connect();
  CHECK(next.value("select 1") == "1");
  CHECK(postgres.backends() == 1);
}

TEST_CASE("a client that vanishes in COPY leaves no rows") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection client = pgweir.connect();
  REQUIRE(client.exec("copy rows from stdin").status() == PGRES_COPY_IN);
  client.copy_in("1\tone\n");
  client.vanish();
  PgConnection next = pgweir.connect();
  CHECK(next.value("select count(*) from rows") == "0");
  CHECK(eventually([&] { return postgres.backends() == 1; }));
}

TEST_CASE("what a client has left open is not committed, however it leaves") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  const std::string nothing(1, '\0');
  const std::string insert =
      wire_message('P', nothing + "insert into rows values (1, 'lost')" + nothing + wire_int16(0)) +
      wire_message('B', std::string(8, '\0')) + wire_message('E', std::string(5, '\0'));
  const std::string copy = wire_message('Q', std::string("copy rows from stdin") + '\0');
  const std::string row = wire_message('d', "1\tlost\n");
  const std::string flush = wire_message('H', "");
  // What is sent, and how many answers are read before the rest.
  struct Work {
    std::string sent;
    char last_answer;
    std::string more;
  };
  const Work works[] = {{insert, 0, ""},  {insert + flush, 'C', ""}, {copy, 'G', ""},
                        {copy, 'G', row}, {copy + row, 0, row},      {copy + row + row, 'G', ""}};
  enum class End { said, closed, reset };
  for (const Work& work : works) {
    for (const End end : {End::said, End::closed, End::reset}) {
      WireClient client(pgweir.port());
      client.login("postgres", "postgres");
      client.send_raw(work.sent);
      while (work.last_answer != 0 && client.read().type != work.last_answer) continue;
      client.send_raw(work.more + (end == End::said ? wire_message('X', "") : ""));
      if (end == End::reset) {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        setsockopt(client.descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      }
      // One that has said so is gone, whether or not it closes its end.
      if (end != End::said) client.close();
      PgConnection next = pgweir.connect();
      CHECK(next.value("select count(*) from rows") == "0");
      CHECK(postgres.value("select count(*) from rows") == "0");
      CHECK(next.transaction() == PQTRANS_IDLE);
    }
  }
  CHECK(postgres.value("select count(*) from rows") == "0");
  CHECK(eventually([&] { return pgweir.pool("sv_idle") == 1 && pgweir.pool("sv_active") == 0; }));
  CHECK(postgres.backends() == 1);
}

TEST_CASE("a client that vanishes while a result is on its way does not disturb the next one") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  for (int round = 0; round < 10; ++round) {
    PgConnection client = pgweir.connect();
    client.send("select repeat('x', 1000) from generate_series(1, 20000)");
    client.vanish();
    PgConnection next = pgweir.connect();
    CHECK(next.value("select 'mine'") == "mine");
  }
}

TEST_CASE("a client that vanishes while it waits leaves the queue") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  PgConnection holder = pgweir.connect();
  holder.must("begin; select 1");
  PgConnection waiting = pgweir.connect();
  waiting.send("insert into rows values (1, 'nobody')");
  REQUIRE(waiting_clients(pgweir, 1));
  waiting.vanish();
  CHECK(waiting_clients(pgweir, 0));
  holder.must("commit");
  CHECK(holder.value("select count(*) from rows") == "0");
}

TEST_CASE("half a message and then silence harms nobody") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of_one());
  for (int round = 0; round < 5; ++round) {
    WireClient client(pgweir.port());
    client.login("postgres", "postgres");
    client.send_raw(wire_message('Q', std::string("begin; select 1") + '\0'));
    while (client.read().type != 'Z') continue;
    client.send_raw(wire_message('Q', std::string("select 'unfinished'") + '\0').substr(0, 12));
    client.close();
    PgConnection next = pgweir.connect();
    CHECK(next.value("select 'mine'") == "mine");
    CHECK(next.transaction() == PQTRANS_IDLE);
  }
}
