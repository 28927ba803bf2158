// LISTEN in transaction mode: clients give their servers back, and one connection of the pool listens for
// all.

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

PgweirSetup with_pool_of(int size, const std::string& more = {}) {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = " + std::to_string(size) + "\n" + more;
  return setup;
}

// The notifications that have come, as "channel:payload", without waiting for more.
std::vector<std::string> arrived(PgConnection& client) {
  std::vector<std::string> texts;
  PQconsumeInput(client.raw());
  while (PGnotify* const one = PQnotifies(client.raw())) {
    texts.push_back(std::string(one->relname) + ":" + one->extra);
    PQfreemem(one);
  }
  return texts;
}

// Waits for so many.
std::vector<std::string> receive(PgConnection& client, std::size_t count) {
  std::vector<std::string> texts;
  eventually([&] {
    for (std::string& text : arrived(client)) texts.push_back(std::move(text));
    return texts.size() >= count;
  });
  return texts;
}

using Texts = std::vector<std::string>;

int listeners(const Postgres& postgres) {
  return std::stoi(
      postgres.value("select count(*) from pg_stat_activity where application_name = 'pgweir listener'"));
}

int pins(const PgweirProcess& pgweir) { return pgweir.console_exec("SHOW PINS").rows(); }

// Servers with clients, as SHOW POOLS has them: a client that LISTENed has given its server back.
bool nobody_holds_a_server(const PgweirProcess& pgweir) {
  return eventually([&] { return pgweir.pool("sv_active") == 0 && pins(pgweir) == 0; });
}

std::string killed_listener(const Postgres& postgres) {
  return postgres.value(
      "select count(pg_terminate_backend(pid)) from pg_stat_activity"
      " where application_name = 'pgweir listener'");
}

}  // namespace

TEST_CASE("twenty clients listen with one server and one listening connection") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  std::vector<PgConnection> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(pgweir.connect());
    clients.back().must("listen jobs");
    clients.back().must("listen own_" + std::to_string(i));
  }
  CHECK(nobody_holds_a_server(pgweir));
  CHECK(listeners(postgres) == 1);
  CHECK(postgres.backends() == 2);

  postgres.run("notify jobs, 'all'");
  for (int i = 0; i < 20; ++i) postgres.run("notify own_" + std::to_string(i) + ", 'one'");
  for (int i = 0; i < 20; ++i) {
    CHECK(receive(clients[static_cast<std::size_t>(i)], 2) ==
          Texts{"jobs:all", "own_" + std::to_string(i) + ":one"});
  }

  const PgResult servers = pgweir.console_exec("SHOW SERVERS");
  int shown = 0;
  for (int row = 0; row < servers.rows(); ++row)
    shown += servers.value(row, "application_name") == "pgweir listener" ? 1 : 0;
  CHECK(shown == 1);

  clients.clear();
  CHECK(eventually([&] { return listeners(postgres) == 0; }));
}

TEST_CASE("notifications wait until the transaction is over") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(2));
  PgConnection held = pgweir.connect(), other = pgweir.connect();
  held.must("listen a");
  other.must("listen a");
  for (const char* begin : {"begin", "begin; select 1"}) {
    held.must(begin);
    postgres.run("notify a, 'x'");
    postgres.run("notify a, 'y'");
    CHECK(receive(other, 2) == Texts{"a:x", "a:y"});
    held.must("select 1");
    CHECK(arrived(held).empty());
    held.must("commit");
    CHECK(receive(held, 2) == Texts{"a:x", "a:y"});
  }
}

TEST_CASE("a notification of pgweir's client names the backend that sent it, and comes to itself") {
  shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection client = pgweir.connect();
  client.must("listen a");
  REQUIRE(nobody_holds_a_server(pgweir));
  const std::string pid = client.value("select pg_backend_pid()");
  client.must("notify a, 'own'");
  PGnotify* one = nullptr;
  CHECK(eventually([&] {
    PQconsumeInput(client.raw());
    one = PQnotifies(client.raw());
    return one != nullptr;
  }));
  REQUIRE(one != nullptr);
  CHECK(std::to_string(one->be_pid) == pid);
  CHECK(std::string(one->extra) == "own");
  PQfreemem(one);
}

TEST_CASE("LISTEN and UNLISTEN take effect with their transaction") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection client = pgweir.connect();
  client.must("listen mark");
  // What is listened to is seen by what comes before `mark`.
  int marks = 0;
  const auto listens = [&] {
    // During a hand-over the channels have no common order.
    REQUIRE(nobody_holds_a_server(pgweir));
    const std::string mark = std::to_string(++marks);
    for (const char* channel : {"a", "b", "\"It's \"\"C\"\"\""})
      postgres.run(std::string("notify ") + channel);
    postgres.run("notify mark, '" + mark + "'");
    std::string text;
    eventually([&] {
      for (const std::string& one : arrived(client)) {
        if (one == "mark:" + mark) return true;
        text += one.substr(0, one.find(':')) + ",";
      }
      return false;
    });
    return text;
  };
  CHECK(listens() == "");
  client.must("begin; listen a; rollback");
  CHECK(listens() == "");
  client.must("begin");
  client.must("listen a");
  client.must("listen \"It's \"\"C\"\"\"");
  client.must("commit");
  CHECK(listens() == "a,It's \"C\",");
  client.must("do $$ begin execute 'listen b'; end $$");
  CHECK(listens() == "a,b,It's \"C\",");
  client.must("begin; unlisten a; rollback");
  CHECK(listens() == "a,b,It's \"C\",");
  client.must("begin");
  client.must("savepoint s");
  client.must("unlisten a");
  client.must("rollback to s");
  client.must("commit");
  CHECK(listens() == "a,b,It's \"C\",");
  client.must("begin");
  client.must("unlisten a");
  client.must("savepoint s");
  client.must("unlisten b");
  client.must("rollback to s");
  client.must("commit");
  CHECK(listens() == "b,It's \"C\",");
  CHECK(client.failure("unlisten b; select 1/0") == "22012");
  CHECK(listens() == "b,It's \"C\",");
  client.must("begin; unlisten b; listen b; commit");
  CHECK(listens() == "b,It's \"C\",");
  client.must("listen a");
  client.must("listen a");
  client.exec_params("unlisten b", {});
  CHECK(listens() == "a,It's \"C\",");
  client.must("begin; unlisten *; listen mark; listen a; commit");
  CHECK(listens() == "a,");
  client.must("discard all");
  client.must("listen mark");
  CHECK(listens() == "");
  CHECK(nobody_holds_a_server(pgweir));
}

TEST_CASE("the listening connection is made anew when it is lost") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(1));
  PgConnection a = pgweir.connect(), b = pgweir.connect();
  a.must("listen one; listen two");
  b.must("listen two");
  REQUIRE(nobody_holds_a_server(pgweir));
  for (int round = 0; round < 3; ++round) {
    CHECK(killed_listener(postgres) == "1");
    // Until it listens again, nothing tells that it does but a notification.
    const std::string again = std::to_string(round);
    CHECK(eventually([&] {
      postgres.run("notify two, '" + again + "'");
      const Texts texts = arrived(b);
      return !texts.empty() && texts.back() == "two:" + again;
    }));
    postgres.run("notify one, '" + again + "'");
    CHECK(eventually([&] {
      const Texts texts = arrived(a);
      return !texts.empty() && texts.back() == "one:" + again;
    }));
    CHECK(a.value("select 1") == "1");
  }
  CHECK(listeners(postgres) == 1);
  CHECK(pgweir.log_contains("the listening connection is lost"));
}

TEST_CASE("a restart of PostgreSQL leaves listening clients where they are") {
  Postgres postgres;
  const PgweirProcess pgweir{PgweirSetup(postgres)};
  PgConnection client = pgweir.connect();
  client.must("listen a");
  REQUIRE(nobody_holds_a_server(pgweir));
  postgres.restart();
  CHECK(eventually([&] {
    postgres.run("notify a");
    return !arrived(client).empty();
  }));
  CHECK(client.value("select 1") == "1");
}

TEST_CASE("each notification comes once, also while clients begin and end to listen") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(2));
  PgConnection sender = postgres.connect();
  std::atomic<long> committed{0};
  std::atomic<bool> over{false};
  std::thread load([&] {
    for (long number = 1; !over; ++number) {
      sender.must("notify load, '" + std::to_string(number) + "'");
      committed = number;
    }
  });

  struct Listener {
    PgConnection connection;
    // What was known to be committed when its LISTEN had been answered; one more may have been.
    long after = 0;
    long last = 0;  // the latest number that came
    bool listens = false;
  };
  std::vector<Listener> listeners_now;
  for (int i = 0; i < 6; ++i) listeners_now.push_back({pgweir.connect()});
  int wrong = 0;
  long received = 0;
  const auto take = [&](Listener& one) {
    for (const std::string& text : arrived(one.connection)) {
      const long number = std::stol(text.substr(text.find(':') + 1));
      if (one.last == 0 ? number > one.after + 2 && one.after > 0 : number != one.last + 1) ++wrong;
      one.last = number;
      ++received;
    }
  };
  std::size_t turn = 0;
  for (int step = 0; step < 600; ++step) {
    Listener& one = listeners_now[turn++ % listeners_now.size()];
    take(one);
    if (!one.listens) {
      // What came before the answer to LISTEN has been counted by then.
      one.last = one.after = 0;
      if (step % 2 == 0) {
        one.connection.must("listen load");
      } else {
        one.connection.must("begin; select 1; listen load; commit");
      }
      one.after = committed;
      one.listens = true;
    } else if (step % 5 < 2) {
      one.connection.must("select 1");
      // It has what was committed, in the end.
      const long wanted = committed;
      CHECK(eventually([&] {
        take(one);
        return one.last >= wanted;
      }));
      one.connection.must(step % 5 == 0 ? "unlisten load" : "unlisten *");
      take(one);
      const long last = one.last;
      CHECK(one.connection.value("select 1") == "1");
      take(one);
      CHECK(one.last == last);
      one.listens = false;
    } else {
      one.connection.must("begin; select 1; listen load");
      one.connection.must(step % 3 == 0 ? "commit" : "rollback");
    }
  }
  over = true;
  load.join();
  for (Listener& one : listeners_now) {
    if (!one.listens) continue;
    CHECK(eventually([&] {
      take(one);
      return one.last >= committed || (one.last == 0 && committed <= one.after + 1);
    }));
  }
  CHECK(wrong == 0);
  CHECK(received > 600);
  CHECK(nobody_holds_a_server(pgweir));
}

TEST_CASE("a client for which too many notifications wait is told so and disconnected") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(2, "max_client_notify_memory = 16384\n"));
  PgConnection busy = pgweir.connect(), other = pgweir.connect();
  busy.must("listen a");
  other.must("listen a");
  REQUIRE(nobody_holds_a_server(pgweir));
  busy.must("begin; select 1");
  postgres.run("select pg_notify('a', repeat('x', 7000) || g) from generate_series(1, 5) g");
  CHECK(receive(other, 5).size() == 5);
  CHECK(busy.exec("select 1").sqlstate() == "53400");
  CHECK_FALSE(busy.usable());
  CHECK(other.value("select 1") == "1");
}

TEST_CASE("what the shared connection does not take keeps its client on the server") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with_pool_of(3, "max_client_channels = 2\n"));
  PgConnection few = pgweir.connect(), many = pgweir.connect();
  PgConnection latin = pgweir.connect("client_encoding=LATIN1");
  few.must("listen a; listen b");
  many.must("listen a; listen b; listen c");
  latin.must("listen a");
  CHECK(eventually([&] { return pins(pgweir) == 2; }));
  postgres.run("notify a, E'\\u00e9'");
  CHECK(receive(few, 1) == Texts{"a:\xc3\xa9"});
  CHECK(receive(many, 1) == Texts{"a:\xc3\xa9"});
  CHECK(receive(latin, 1) == Texts{"a:\xe9"});
  many.must("unlisten c");
  latin.must("unlisten *");
  CHECK(nobody_holds_a_server(pgweir));
  postgres.run("notify b");
  CHECK(receive(many, 1) == Texts{"b:"});
}

TEST_CASE("the other policies for LISTEN are as they were") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pin(with_pool_of(2, "session_state_listen = \"pin\"\n"));
  PgConnection client = pin.connect();
  client.must("listen a");
  CHECK(eventually([&] { return pins(pin) == 1; }));
  postgres.run("notify a, 'x'");
  CHECK(receive(client, 1) == Texts{"a:x"});
  CHECK(listeners(postgres) == 0);
  const PgweirProcess refuse(with_pool_of(2, "session_state_listen = \"refuse\"\n"));
  PgConnection refused = refuse.connect();
  CHECK(refused.failure("listen a") == "0A000");
}
