// LISTEN in transaction mode: clients give their servers back, and one connection of the database listens for
// all, of all users and workers.

#include <doctest/doctest.h>

#include <algorithm>
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
  // libpq takes no more than its buffer holds at a time.
  for (bool more = true; more;) {
    PQconsumeInput(client.raw());
    more = false;
    while (PGnotify* const one = PQnotifies(client.raw())) {
      texts.push_back(std::string(one->relname) + ":" + one->extra);
      PQfreemem(one);
      more = true;
    }
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

// Of all pools: a client that LISTENed has given its server back.
bool nobody_holds_a_server(const PgweirProcess& pgweir) {
  return eventually([&] {
    const PgResult pools = pgweir.console_exec("SHOW POOLS");
    int active = 0;
    for (int row = 0; row < pools.rows(); ++row)
      if (pools.value(row, "database") != "pgweir") active += std::stoi(pools.value(row, "sv_active"));
    return active == 0 && pins(pgweir) == 0;
  });
}

// Who has logged in for the listening connection; empty when there is none, or more than one.
std::string listening_user(const Postgres& postgres) {
  return postgres.value(
      "select case when count(*) = 1 then min(usename) else '' end from pg_stat_activity"
      " where application_name = 'pgweir listener'");
}

// Some users of one database, on 4 workers: pools live on different ones, each on one.
class Users {
 public:
  static constexpr int count = 6;
  static std::string name(int user) { return "hearer_" + std::to_string(user); }

  explicit Users(const Postgres& postgres) {
    for (int i = 0; i < count; ++i) {
      const std::string role = "'" + name(i) + "'";
      postgres.run("do $$ begin if not exists (select from pg_roles where rolname = " + role +
                   ") then execute 'create role " + name(i) + "'; end if; end $$; alter role " + name(i) +
                   " login");
    }
  }

  // So many clients of each; client i is user i / each's.
  std::vector<PgConnection> connect(const PgweirProcess& pgweir, int each) const {
    std::vector<PgConnection> clients;
    for (int i = 0; i < count * each; ++i) clients.push_back(pgweir.connect("user=" + name(i / each)));
    return clients;
  }
};

PgweirSetup on_four_workers(int pool_size = 1, const std::string& more = {}) {
  PgweirSetup setup = with_pool_of(pool_size, more);
  setup.workers = 4;
  return setup;
}

// Waits until what is sent on the channel comes to all; what was sent meanwhile may be missing.
bool all_hear_again(const Postgres& postgres, std::vector<PgConnection>& clients,
                    const std::string& channel) {
  std::vector<bool> heard(clients.size());
  return eventually([&] {
    postgres.run("notify " + channel + ", 'again'");
    for (std::size_t i = 0; i < clients.size(); ++i) heard[i] = heard[i] || !arrived(clients[i]).empty();
    return std::find(heard.begin(), heard.end(), false) == heard.end();
  });
}

// Brings a mark to all clients, so that nothing of what was sent before is still under way.
void catch_up(const Postgres& postgres, std::vector<PgConnection>& clients, const std::string& channel) {
  static int marks = 0;
  const std::string mark = "mark " + std::to_string(++marks);
  postgres.run("notify " + channel + ", '" + mark + "'");
  for (PgConnection& client : clients) {
    CHECK(eventually([&] {
      const Texts texts = arrived(client);
      return !texts.empty() && texts.back() == channel + ":" + mark;
    }));
  }
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

TEST_CASE("all users and workers of a database share one listening connection") {
  const Postgres& postgres = shared_postgres();
  const Users users(postgres);
  const PgweirProcess pgweir(on_four_workers());
  std::vector<PgConnection> clients = users.connect(pgweir, 3);
  for (std::size_t i = 0; i < clients.size(); ++i)
    clients[i].must("listen jobs; listen own_" + std::to_string(i));
  REQUIRE(nobody_holds_a_server(pgweir));
  CHECK(listeners(postgres) == 1);

  constexpr int rounds = 50;
  std::vector<Texts> expected(clients.size()), got(clients.size());
  for (int round = 0; round < rounds; ++round) {
    const std::string number = std::to_string(round);
    const std::size_t one = static_cast<std::size_t>(round) % clients.size();
    const std::string own = "own_" + std::to_string(one);
    postgres.run("notify jobs, '" + number + "'");
    postgres.run("notify " + own + ", '" + number + "'");
    for (Texts& texts : expected) texts.push_back("jobs:" + number);
    expected[one].push_back(own + ":" + number);
  }
  for (std::size_t i = 0; i < clients.size(); ++i) got[i] = receive(clients[i], expected[i].size());
  CHECK(got == expected);
  CHECK(listeners(postgres) == 1);

  const PgResult servers = pgweir.console_exec("SHOW SERVERS");
  int shown = 0;
  for (int row = 0; row < servers.rows(); ++row)
    shown += servers.value(row, "application_name") == "pgweir listener" ? 1 : 0;
  CHECK(shown == 1);

  for (PgConnection& client : clients) client.must("unlisten *");
  CHECK(eventually([&] { return listeners(postgres) == 0; }));
}

TEST_CASE("the workers of a large pool share one listening connection") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(on_four_workers(32));
  std::vector<PgConnection> clients;
  for (int i = 0; i < 16; ++i) {
    clients.push_back(pgweir.connect());
    clients.back().must("listen jobs");
  }
  REQUIRE(nobody_holds_a_server(pgweir));
  CHECK(listeners(postgres) == 1);
  Texts expected;
  for (int i = 0; i < 50; ++i) {
    postgres.run("notify jobs, '" + std::to_string(i) + "'");
    expected.push_back("jobs:" + std::to_string(i));
  }
  for (PgConnection& client : clients) CHECK(receive(client, expected.size()) == expected);
  CHECK(killed_listener(postgres) == "1");
  CHECK(all_hear_again(postgres, clients, "jobs"));
  CHECK(listeners(postgres) == 1);
}

TEST_CASE("two databases have a listening connection each") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(on_four_workers());
  PgConnection a = pgweir.connect(), b = pgweir.connect("dbname=template1");
  a.must("listen jobs");
  b.must("listen jobs");
  REQUIRE(nobody_holds_a_server(pgweir));
  CHECK(listeners(postgres) == 2);
  postgres.run("notify jobs, 'here'");
  CHECK(receive(a, 1) == Texts{"jobs:here"});
  b.must("notify jobs, 'there'");
  CHECK(receive(b, 1) == Texts{"jobs:there"});
  CHECK(arrived(a).empty());
  // So has another encoding.
  PgConnection latin = pgweir.connect("user=trust_user client_encoding=LATIN1");
  latin.must("listen jobs");
  REQUIRE(nobody_holds_a_server(pgweir));
  CHECK(listeners(postgres) == 3);
  postgres.run("notify jobs, E'\\u00e9'");
  CHECK(receive(latin, 1) == Texts{"jobs:\xe9"});
  CHECK(receive(a, 1) == Texts{"jobs:\xc3\xa9"});
}

TEST_CASE("the listening connection outlives the clients whose login it has") {
  const Postgres& postgres = shared_postgres();
  const Users users(postgres);
  const PgweirProcess pgweir(on_four_workers());
  std::vector<PgConnection> clients = users.connect(pgweir, 2);
  for (PgConnection& client : clients) client.must("listen jobs");
  REQUIRE(nobody_holds_a_server(pgweir));
  const std::string first = listening_user(postgres);
  REQUIRE(first.starts_with("hearer_"));
  const auto its_clients = clients.begin() + 2 * (first.back() - '0');
  clients.erase(its_clients, its_clients + 2);
  postgres.run("notify jobs, 'one'");
  for (PgConnection& client : clients) CHECK(receive(client, 1) == Texts{"jobs:one"});
  // What is made anew has the login of somebody who is still there.
  CHECK(killed_listener(postgres) == "1");
  CHECK(all_hear_again(postgres, clients, "jobs"));
  const std::string second = listening_user(postgres);
  CHECK(second.starts_with("hearer_"));
  CHECK(second != first);

  // Who is not let in is followed by somebody else. All are there already: nobody else has to log in.
  postgres.run("alter role " + second + " nologin");
  catch_up(postgres, clients, "jobs");
  CHECK(killed_listener(postgres) == "1");
  CHECK(all_hear_again(postgres, clients, "jobs"));
  CHECK(listening_user(postgres) != second);
  catch_up(postgres, clients, "jobs");
  postgres.run("notify jobs, 'last'");
  for (PgConnection& client : clients) CHECK(receive(client, 1) == Texts{"jobs:last"});
  postgres.run("alter role " + second + " login");
}

TEST_CASE("a user that PostgreSQL lets in by SCRAM listens with the key that its client has shown") {
  const Postgres& postgres = shared_postgres();
  const std::string verifier =
      postgres.value("select rolpassword from pg_authid where rolname = 'scram_user'");
  PgweirSetup setup = on_four_workers();
  setup.auth_type = "scram-sha-256";
  setup.more = "[users.scram_user]\npassword = \"" + verifier + "\"\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect("user=scram_user password=secret");
  client.must("listen jobs");
  REQUIRE(nobody_holds_a_server(pgweir));
  CHECK(listening_user(postgres) == "scram_user");
  postgres.run("notify jobs, 'one'");
  CHECK(receive(client, 1) == Texts{"jobs:one"});
}

TEST_CASE("each notification comes once to every user, also while clients begin and end to listen") {
  const Postgres& postgres = shared_postgres();
  const Users users(postgres);
  const PgweirProcess pgweir(on_four_workers(2));
  std::vector<PgConnection> steady = users.connect(pgweir, 1), fickle = users.connect(pgweir, 2);
  for (PgConnection& client : steady) client.must("listen jobs");
  REQUIRE(nobody_holds_a_server(pgweir));
  std::atomic<int> sent{0};
  std::atomic<bool> over{false};
  PgConnection sender = postgres.connect();
  std::thread load([&] {
    while (!over) sender.must("notify jobs, '" + std::to_string(++sent) + "'");
  });
  std::vector<long> last(fickle.size());
  int wrong = 0;
  const auto take = [&](std::size_t which) {
    for (const std::string& text : arrived(fickle[which])) {
      const long number = std::stol(text.substr(text.find(':') + 1));
      if (last[which] != 0 && number != last[which] + 1) ++wrong;
      last[which] = number;
    }
  };
  for (int step = 0; step < 400; ++step) {
    const std::size_t which = static_cast<std::size_t>(step * 7) % fickle.size();
    fickle[which].must(step % 3 == 0 ? "listen jobs; listen more_" + std::to_string(step) : "listen jobs");
    const int now = sent;
    CHECK(eventually([&] {
      take(which);
      return last[which] > now;
    }));
    fickle[which].must("unlisten *");
    take(which);
    last[which] = 0;
  }
  over = true;
  load.join();
  CHECK(wrong == 0);
  Texts expected;
  for (int i = 1; i <= sent; ++i) expected.push_back("jobs:" + std::to_string(i));
  for (PgConnection& client : steady) CHECK(receive(client, expected.size()) == expected);
  CHECK(nobody_holds_a_server(pgweir));
  CHECK(listeners(postgres) == 1);
}

TEST_CASE("a flood of notifications comes whole, and in order, to the clients of all workers") {
  const Postgres& postgres = shared_postgres();
  const Users users(postgres);
  const PgweirProcess pgweir(on_four_workers());
  std::vector<PgConnection> clients = users.connect(pgweir, 2);
  for (PgConnection& client : clients) client.must("listen flood");
  REQUIRE(nobody_holds_a_server(pgweir));
  // Each batch is more than a mailbox is to hold, and less than may wait for a client.
  constexpr int batches = 10, batch = 100;
  for (int i = 0; i < batches; ++i) {
    postgres.run("select pg_notify('flood', repeat('x', 7900) || g) from generate_series(1, " +
                 std::to_string(batch) + ") g");
    for (PgConnection& client : clients) {
      const Texts texts = receive(client, batch);
      REQUIRE(texts.size() == batch);
      for (int g = 1; g <= batch; ++g)
        CHECK(texts[static_cast<std::size_t>(g - 1)].substr(6 + 7900) == std::to_string(g));
    }
  }
}

TEST_CASE("PAUSE closes the shared listening connection, RESUME and RECONNECT make it anew") {
  const Postgres& postgres = shared_postgres();
  const Users users(postgres);
  const PgweirProcess pgweir(on_four_workers());
  std::vector<PgConnection> clients = users.connect(pgweir, 1);
  for (PgConnection& client : clients) client.must("listen jobs");
  REQUIRE(nobody_holds_a_server(pgweir));
  CHECK(pgweir.console_exec("PAUSE postgres").tag() == "PAUSE");
  CHECK(eventually([&] { return listeners(postgres) == 0; }));
  CHECK(pgweir.console_exec("RESUME postgres").tag() == "RESUME");
  CHECK(all_hear_again(postgres, clients, "jobs"));
  const std::string pid_of_listener =
      "select coalesce(min(pid), 0) from pg_stat_activity where application_name = 'pgweir listener'";
  const std::string before = postgres.value(pid_of_listener);
  pgweir.console_exec("RECONNECT postgres");
  CHECK(eventually([&] { return listeners(postgres) == 1 && postgres.value(pid_of_listener) != before; }));
  CHECK(all_hear_again(postgres, clients, "jobs"));
  CHECK(listeners(postgres) == 1);
}

TEST_CASE("a reload that leads the database elsewhere takes the listening connection along") {
  const Postgres& postgres = shared_postgres();
  const Postgres other;
  const Users users(postgres), others(other);
  PgweirSetup setup = on_four_workers();
  const PgweirProcess pgweir(setup);
  std::vector<PgConnection> clients = users.connect(pgweir, 1);
  for (PgConnection& client : clients) client.must("listen jobs");
  REQUIRE(nobody_holds_a_server(pgweir));
  const std::string config = read_file(pgweir.config_file());
  std::string moved = config;
  const std::string from = "port = " + std::to_string(postgres.port());
  REQUIRE(moved.find(from) != std::string::npos);
  moved.replace(moved.find(from), from.size(), "port = " + std::to_string(other.port()));
  pgweir.rewrite(moved);
  CHECK(pgweir.console_exec("RELOAD").ok());
  CHECK(all_hear_again(other, clients, "jobs"));
  CHECK(eventually([&] { return listeners(postgres) == 0; }));
  CHECK(listeners(other) == 1);
}

TEST_CASE("clients that stay while the process drains get a lost listening connection back") {
  const Postgres& postgres = shared_postgres();
  const Users users(postgres);
  PgweirProcess pgweir(on_four_workers());
  std::vector<PgConnection> clients = users.connect(pgweir, 1);
  for (PgConnection& client : clients) client.must("listen jobs");
  REQUIRE(nobody_holds_a_server(pgweir));
  CHECK(pgweir.console_exec("SHUTDOWN WAIT_FOR_CLIENTS").tag() == "SHUTDOWN");
  postgres.run("notify jobs, 'one'");
  for (PgConnection& client : clients) CHECK(receive(client, 1) == Texts{"jobs:one"});
  CHECK(killed_listener(postgres) == "1");
  CHECK(all_hear_again(postgres, clients, "jobs"));
  clients.clear();
  CHECK(pgweir.process().wait() == 0);
}
