// Databases with several hosts: which one is used, and what happens when it changes.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "tests/integration/servers.h"
#include "tests/support/free_port.h"

using namespace pgweir;

namespace {

PgweirSetup in_front_of(const Postgres& any, const std::vector<int>& ports, const std::string& more) {
  PgweirSetup setup(any);
  setup.pool = "default_pool_size = 4\nserver_login_retry = \"100ms\"\n";
  std::string hosts, list;
  for (const int port : ports) {
    hosts += "\"127.0.0.1\",";
    list += std::to_string(port) + ",";
  }
  setup.any_database = "host = [" + hosts + "]\nport = [" + list + "]\n" + more + "\n";
  return setup;
}

std::string primary_only() { return "load_balance_hosts = \"disable\"\ntarget_session_attrs = \"primary\""; }

int port_of(PgConnection& client) { return std::stoi(client.value("select inet_server_port()")); }

// The ports of the servers of four clients that each hold one.
std::map<int, int> ports_of_four(const PgweirProcess& pgweir) {
  std::vector<PgConnection> clients;
  std::map<int, int> ports;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(pgweir.connect());
    clients.back().must("begin");
    ++ports[port_of(clients.back())];
  }
  for (PgConnection& client : clients) client.must("commit");
  return ports;
}

// Of all workers.
int closed(const PgweirProcess& pgweir, const std::string& reason) {
  const PgResult errors = pgweir.console_exec("SHOW ERRORS");
  for (int row = 0; row < errors.rows(); ++row) {
    if (errors.value(row, "kind") == "closed" && errors.value(row, "reason") == reason)
      return std::stoi(errors.value(row, "count"));
  }
  return 0;
}

struct Pair {
  Postgres primary{{.max_connections = 100, .configuration = {}, .hba = {standby_hba}}};
  Postgres standby{
      {.max_connections = 100, .configuration = {}, .hba = {standby_hba}, .standby_of = &primary}};
};

}  // namespace

TEST_CASE("hosts in order: the first is used, a dead one is passed over") {
  const Postgres second;
  Postgres first;
  const std::string in_order = "load_balance_hosts = \"disable\"";
  const PgweirProcess pgweir(in_front_of(first, {first.port(), second.port()}, in_order));
  CHECK(ports_of_four(pgweir) == std::map<int, int>{{first.port(), 4}});
  PgConnection client = pgweir.connect();
  first.stop();
  REQUIRE(eventually([&] { return pgweir.pool("sv_idle") == 0; }));
  CHECK(port_of(client) == second.port());

  const PgweirProcess dead_first(in_front_of(second, {free_port(), second.port()}, in_order));
  CHECK(ports_of_four(dead_first) == std::map<int, int>{{second.port(), 4}});
}

TEST_CASE("round-robin spreads server connections over the hosts") {
  const Postgres first, second;
  PgweirSetup setup = in_front_of(first, {first.port(), second.port()}, "");
  setup.workers = 1;  // each worker has turns of its own
  const PgweirProcess pgweir(setup);
  CHECK(ports_of_four(pgweir) == std::map<int, int>{{first.port(), 2}, {second.port(), 2}});
  const PgResult databases = pgweir.console_exec("SHOW DATABASES");
  const auto of_postgres = [&](const std::string& column) {
    for (int row = 0; row < databases.rows(); ++row) {
      if (databases.value(row, "name") == "postgres") return databases.value(row, column);
    }
    return std::string();
  };
  CHECK(of_postgres("host") == "127.0.0.1,127.0.0.1");
  CHECK(of_postgres("load_balance_hosts") == "round-robin");
}

TEST_CASE("a failover: the standby is promoted and takes over") {
  Pair pair;
  PgweirSetup setup = in_front_of(pair.primary, {pair.standby.port(), pair.primary.port()}, primary_only());
  setup.pool = "default_pool_size = 4\n";  // clients wait for a failover for server_login_retry
  const PgweirProcess pgweir(setup);
  std::vector<PgConnection> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(pgweir.connect());
  for (PgConnection& client : clients) CHECK(port_of(client) == pair.primary.port());
  clients[0].must("create table t (n int)");
  REQUIRE(eventually([&] { return pair.standby.value("select to_regclass('t') is not null") == "t"; }));

  pair.primary.stop();
  clients[1].send("select inet_server_port()");
  REQUIRE(waiting_clients(pgweir, 1));
  pair.standby.promote();
  const PgResult moved = clients[1].finish();
  REQUIRE(moved.ok());
  CHECK(moved.value(0, 0) == std::to_string(pair.standby.port()));
  for (PgConnection& client : clients) client.must("insert into t values (1)");
}

TEST_CASE(
    "when the only fitting host becomes something else, its servers are closed and the client is told") {
  Pair pair;
  const PgweirProcess pgweir(in_front_of(pair.primary, {pair.standby.port(), pair.primary.port()},
                                         "target_session_attrs = \"standby\""));
  PgConnection client = pgweir.connect();
  PgConnection other = pgweir.connect();
  other.must("begin");
  CHECK(port_of(other) == pair.standby.port());
  CHECK(port_of(client) == pair.standby.port());
  pair.standby.promote();
  // PostgreSQL says it at the end of the next statement, and the transaction goes on.
  CHECK(port_of(client) == pair.standby.port());
  CHECK(port_of(other) == pair.standby.port());
  other.must("commit");
  REQUIRE(eventually([&] { return closed(pgweir, "role_changed") == 2; }));
  const PgResult refused = client.exec("select 1");
  CHECK(refused.sqlstate() == "08001");
  const std::string host = "127.0.0.1:";
  CHECK(refused.message().find(host + std::to_string(pair.standby.port()) + ": is a primary") !=
        std::string::npos);
  CHECK(refused.message().find(host + std::to_string(pair.primary.port()) + ": is a primary") !=
        std::string::npos);
}

TEST_CASE("prefer-standby: the standby, and the primary when it is gone") {
  Pair pair;
  const PgweirProcess pgweir(in_front_of(pair.primary, {pair.primary.port(), pair.standby.port()},
                                         "target_session_attrs = \"prefer-standby\""));
  PgConnection client = pgweir.connect();
  CHECK(port_of(client) == pair.standby.port());
  pair.standby.stop();
  REQUIRE(eventually([&] { return pgweir.pool("sv_idle") == 0; }));
  CHECK(port_of(client) == pair.primary.port());
}

TEST_CASE("read-write: a server that becomes read-only is left, one that its client makes read-only is not") {
  const Postgres first, second;
  second.run("create table t (n int)");
  first.run("create table t (n int)");
  const PgweirProcess pgweir(
      in_front_of(first, {first.port(), second.port()},
                  "load_balance_hosts = \"disable\"\ntarget_session_attrs = \"read-write\""));
  PgConnection client = pgweir.connect();
  CHECK(port_of(client) == first.port());
  client.must("set default_transaction_read_only = on");
  const std::string pid = client.value("select pg_backend_pid()");
  CHECK(client.failure("insert into t values (1)") == "25006");
  CHECK(client.value("show default_transaction_read_only") == "on");
  client.must("reset default_transaction_read_only");
  client.must("begin read only");
  CHECK(client.failure("insert into t values (1)") == "25006");
  client.must("rollback");
  CHECK(client.value("select pg_backend_pid()") == pid);

  first.run("alter system set default_transaction_read_only = on");
  first.run("select pg_reload_conf()");
  REQUIRE(eventually([&] {
    const PgResult inserted = client.exec("insert into t values (1)");
    if (!inserted.ok()) CHECK(inserted.sqlstate() == "25006");
    return inserted.ok() && port_of(client) == second.port();
  }));
  CHECK(closed(pgweir, "role_changed") >= 1);
  CHECK(second.value("select count(*) from t") == "1");
}

TEST_CASE("when no host can be reached the error names them all") {
  const Postgres& postgres = shared_postgres();
  const int a = free_port(), b = free_port();
  const PgweirProcess pgweir(in_front_of(postgres, {a, b}, ""));
  const std::optional<LoginError> error = try_login(pgweir.port(), "postgres", "postgres");
  REQUIRE(error);
  CHECK(error->sqlstate == "08001");
  CHECK(error->message.find("127.0.0.1:" + std::to_string(a) + ": ") != std::string::npos);
  CHECK(error->message.find("127.0.0.1:" + std::to_string(b) + ": ") != std::string::npos);
  CHECK(error->message.find("Connection refused") != std::string::npos);
}

TEST_CASE("all addresses of a name are tried") {
  // On most machines localhost has an address of each family; PostgreSQL listens on 127.0.0.1 alone.
  const Postgres& postgres = shared_postgres();
  PgweirSetup setup(postgres);
  setup.any_database = "host = \"localhost\"\nport = " + std::to_string(postgres.port()) + "\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect();
  CHECK(port_of(client) == postgres.port());
  client.send("select pg_sleep(600)");
  REQUIRE(eventually([&] {
    return postgres.value("select count(*) from pg_stat_activity where query = 'select pg_sleep(600)'") ==
           "1";
  }));
  client.cancel();
  CHECK(client.finish().sqlstate() == "57014");
}
