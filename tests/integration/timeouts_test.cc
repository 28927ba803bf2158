// Time limits: what takes too long is cancelled, rolled back or disconnected, and the rest goes on.

#include <doctest/doctest.h>
#include <signal.h>

#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

PgweirSetup with(const std::string& pool, int size = 1) {
  PgweirSetup setup(shared_postgres());
  setup.pool = "default_pool_size = " + std::to_string(size) + "\n" + pool;
  return setup;
}

// How often SHOW ERRORS has counted this.
int counted(const PgweirProcess& pgweir, const std::string& label) {
  const PgResult errors = pgweir.console_exec("SHOW ERRORS");
  for (int row = 0; row < errors.rows(); ++row)
    if (errors.value(row, "reason") == label) return std::stoi(errors.value(row, "count"));
  return -1;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool closed(PgConnection& client) {
  return eventually([&] {
    PQconsumeInput(client.raw());
    return !client.usable();
  });
}

bool no_transaction_open(const Postgres& postgres) {
  return eventually([&] {
    return postgres.value(
               "select count(*) from pg_stat_activity where backend_type = 'client backend' and xact_start "
               "is "
               "not null and pid <> pg_backend_pid()") == "0";
  });
}

}  // namespace

TEST_CASE("a query past query_timeout is cancelled with the setting's name, and its client goes on") {
  shared_postgres();
  const PgweirProcess pgweir(with("query_timeout = \"200ms\"\n"));
  PgConnection client = pgweir.connect();
  const std::string backend = client.value("select pg_backend_pid()");

  const PgResult simple = client.exec("select pg_sleep(600)");
  CHECK(simple.severity() == "ERROR");
  CHECK(simple.sqlstate() == "57014");
  CHECK(contains(simple.message(), "canceling statement due to query_timeout (200ms)"));
  CHECK(client.transaction() == PQTRANS_IDLE);
  CHECK(client.value("select 1") == "1");

  const PgResult extended = client.exec_params("select pg_sleep($1)", {"600"});
  CHECK(extended.sqlstate() == "57014");
  CHECK(contains(extended.message(), "query_timeout"));
  CHECK(client.exec_params("select $1::int", {"2"}).value(0, 0) == "2");

  CHECK(client.value("select pg_backend_pid()") == backend);
  CHECK(counted(pgweir, "query_timeout") == 2);
  CHECK(counted(pgweir, "cancel_ignored") == 0);
}

TEST_CASE("query_timeout inside a transaction fails the transaction, as the server says") {
  shared_postgres();
  const PgweirProcess pgweir(with("query_timeout = \"200ms\"\n"));
  PgConnection client = pgweir.connect();
  for (const char* begin : {"begin", "begin; select 1"}) {
    client.must(begin);
    CHECK(contains(client.exec("select pg_sleep(600)").message(), "query_timeout"));
    CHECK(client.transaction() == PQTRANS_INERROR);
    CHECK(client.failure("select 1") == "25P02");
    client.must("rollback");
  }
  client.must("begin; savepoint s");
  CHECK(client.failure("select pg_sleep(600)") == "57014");
  client.must("rollback to savepoint s");
  CHECK(client.value("select 'goes on'") == "goes on");
  client.must("commit");
}

TEST_CASE("a cancel of the user and statement_timeout keep PostgreSQL's words") {
  shared_postgres();
  const PgweirProcess pgweir(with("query_timeout = \"600s\"\n"));
  PgConnection client = pgweir.connect();
  client.must("begin; set local statement_timeout = '100ms'");
  CHECK(contains(client.exec("select pg_sleep(600)").message(), "statement timeout"));
  client.must("rollback");
  CHECK(counted(pgweir, "query_timeout") == 0);
}

TEST_CASE("each query of a pipeline has a time of its own") {
  shared_postgres();
  const PgweirProcess pgweir(with("query_timeout = \"1s\"\n"));
  WireClient client(pgweir.port());
  client.login("postgres", "postgres");
  std::string queries;
  for (int i = 0; i < 4; ++i) queries += wire_message('Q', std::string("select pg_sleep(0.4)") + '\0');
  queries += wire_message('Q', std::string("select pg_sleep(600)") + '\0');
  client.send_raw(queries);
  std::vector<std::string> errors;
  for (int ready = 0; ready < 5;) {
    const WireMessage message = client.read();
    REQUIRE_FALSE(message.closed());
    if (message.type == 'E') errors.push_back(error_fields(message.body).message);
    ready += message.type == 'Z';
  }
  REQUIRE(errors.size() == 1);
  CHECK(contains(errors[0], "query_timeout"));
}

TEST_CASE("COPY to the server is cut short by query_timeout") {
  shared_postgres();
  const PgweirProcess pgweir(with("query_timeout = \"300ms\"\n"));
  PgConnection client = pgweir.connect();
  client.must("create temp table copied(x int)");
  CHECK(client.exec("copy copied from stdin").status() == PGRES_COPY_IN);
  // What is sent behind the error is not looked at.
  REQUIRE(eventually([&] { return counted(pgweir, "query_timeout") == 1; }));
  client.copy_in("1\n");
  client.copy_end();
  const PgResult result = client.finish();
  CHECK(result.severity() == "ERROR");
  CHECK(result.sqlstate() == "57014");
  CHECK(contains(result.message(), "query_timeout"));
  CHECK(client.value("select count(*) from copied") == "0");
}

TEST_CASE("COPY from the server is cut short by query_timeout") {
  shared_postgres();
  const PgweirProcess pgweir(with("query_timeout = \"300ms\"\n"));
  PgConnection client = pgweir.connect();
  CHECK(client.exec("copy (select pg_sleep(0.05) from generate_series(1, 100000)) to stdout").status() ==
        PGRES_COPY_OUT);
  while (client.copy_row()) {
  }
  CHECK(contains(client.finish().message(), "query_timeout"));
  CHECK(client.value("select 1") == "1");
}

TEST_CASE("a backend that takes no cancels is given up with its client, for a named reason") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with("query_timeout = \"300ms\"\n"));
  PgConnection client = pgweir.connect();
  const int backend = std::stoi(client.value("select pg_backend_pid()"));
  REQUIRE(kill(backend, SIGSTOP) == 0);
  client.send("select 1");
  const PgResult result = client.finish();
  CHECK(result.severity() == "FATAL");
  CHECK(result.sqlstate() == "57014");
  CHECK(contains(result.message(), "query_timeout (300ms)"));
  CHECK(closed(client));
  CHECK(counted(pgweir, "cancel_ignored") == 1);
  CHECK(counted(pgweir, "query_timeout") == 1);
  kill(backend, SIGCONT);
  PgConnection next = pgweir.connect();
  CHECK(next.value("select 1") == "1");
  CHECK(next.value("select pg_backend_pid()") != std::to_string(backend));
  CHECK(no_transaction_open(postgres));
}

TEST_CASE("transaction_timeout cancels, rolls back, gives the server away; the client ends its transaction") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with("transaction_timeout = \"300ms\"\n"));
  PgConnection client = pgweir.connect();
  PgConnection other = pgweir.connect();
  client.must("begin");
  const PgResult result = client.exec("select pg_sleep(600)");
  CHECK(result.severity() == "ERROR");
  CHECK(result.sqlstate() == "25P04");
  CHECK(contains(result.message(), "transaction_timeout (300ms)"));
  CHECK(client.transaction() == PQTRANS_INERROR);
  // The only server is free.
  CHECK(other.value("select 1") == "1");
  CHECK(no_transaction_open(postgres));
  CHECK(client.failure("select 1") == "25P02");
  CHECK(client.failure("select 2; select 3") == "25P02");
  CHECK(client.exec_params("select $1::int", {"1"}).sqlstate() == "25P02");
  CHECK(client.transaction() == PQTRANS_INERROR);
  CHECK(client.must("commit").tag() == "ROLLBACK");
  CHECK(client.transaction() == PQTRANS_IDLE);
  CHECK(client.value("select 4") == "4");
  CHECK(counted(pgweir, "transaction_timeout") == 1);
}

TEST_CASE("transaction_timeout of an idle transaction is told with the next statement, in any protocol") {
  const Postgres& postgres = shared_postgres();
  postgres.run("create table if not exists cut(x int); truncate cut");
  const PgweirProcess pgweir(with("transaction_timeout = \"300ms\"\n"));
  PgConnection client = pgweir.connect();
  PgConnection other = pgweir.connect();
  for (const char* begin : {"begin", "begin; insert into cut values (1)"}) {
    for (int protocol = 0; protocol < 3; ++protocol) {
      CAPTURE(begin);
      CAPTURE(protocol);
      client.must(begin);
      const int before = counted(pgweir, "transaction_timeout");
      CHECK(no_transaction_open(postgres));
      CHECK(other.value("select count(*) from cut") == "0");
      if (std::string(begin) == "begin") {
        // Nothing shows that it has come.
        while (client.transaction() == PQTRANS_INTRANS && client.exec("select 1").ok()) {
        }
      } else {
        const PgResult told =
            protocol == 1 ? client.exec_params("select $1::int", {"1"}) : client.exec("select 1");
        CHECK(told.sqlstate() == "25P04");
      }
      CHECK(client.transaction() == PQTRANS_INERROR);
      CHECK(counted(pgweir, "transaction_timeout") == before + 1);
      CHECK(client.failure("select 1") == "25P02");
      if (protocol == 1) {
        const PgResult end = client.exec_params("rollback", {});
        CHECK(end.tag() == "ROLLBACK");
      } else if (protocol == 2) {
        CHECK(client.must("rollback; select 5").value(0, 0) == "5");
      } else {
        CHECK(client.must("rollback").tag() == "ROLLBACK");
      }
      CHECK(client.transaction() == PQTRANS_IDLE);
    }
  }
  CHECK(client.value("select count(*) from cut") == "0");
}

TEST_CASE("transaction_timeout does not part a client from what it keeps in its session") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with("transaction_timeout = \"400ms\"\n"));
  PgConnection client = pgweir.connect();
  client.must("set application_name = 'before'");
  client.must("create temp table mine as select 7 as x");
  const std::string backend = client.value("select pg_backend_pid()");
  client.must("begin; set application_name = 'inside'; select pg_advisory_lock(77)");
  CHECK(client.parameter("application_name") == "inside");
  CHECK(no_transaction_open(postgres));
  CHECK(client.exec_params("select 1", {}).sqlstate() == "25P04");
  CHECK(client.parameter("application_name") == "before");
  CHECK(client.failure("select 1") == "25P02");
  client.must("rollback");
  CHECK(client.value("select pg_backend_pid()") == backend);
  CHECK(client.value("select x from mine") == "7");
  CHECK(client.value("show application_name") == "before");
  CHECK(client.value("select pg_advisory_unlock(77)") == "t");
}

TEST_CASE("transaction_timeout in session mode") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with("pool_mode = \"session\"\ntransaction_timeout = \"300ms\"\n"));
  PgConnection client = pgweir.connect();
  const std::string backend = client.value("select pg_backend_pid()");
  for (int round = 0; round < 2; ++round) {
    client.must("begin");
    client.must("select 1");
    CHECK(no_transaction_open(postgres));
    CHECK(client.exec_params("select 1", {}).sqlstate() == "25P04");
    CHECK(client.failure("select 1") == "25P02");
    CHECK(client.must("rollback").tag() == "ROLLBACK");
    client.must("begin");
    CHECK(client.failure("select pg_sleep(600)") == "25P04");
    CHECK(client.must("rollback").tag() == "ROLLBACK");
    CHECK(client.value("select pg_backend_pid()") == backend);
  }
}

TEST_CASE("a statement outside of a transaction block is one transaction") {
  shared_postgres();
  const PgweirProcess pgweir(with("transaction_timeout = \"200ms\"\n"));
  PgConnection client = pgweir.connect();
  CHECK(client.failure("select pg_sleep(600)") == "25P04");
  CHECK(client.transaction() == PQTRANS_IDLE);
  CHECK(client.value("select 1") == "1");
}

TEST_CASE("a transaction that waits for its server is over after transaction_timeout, too") {
  shared_postgres();
  PgweirSetup setup = with("");
  setup.more = "[users.trust_user]\ntransaction_timeout = \"200ms\"\n[users.postgres]\n";
  setup.pool += "max_db_connections = 1\n";
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect("user=trust_user");
  PgConnection holder = pgweir.connect();
  holder.must("begin; select 1");
  client.must("begin");
  CHECK(client.failure("select 1") == "25P04");
  CHECK(client.failure("select 1") == "25P02");
  client.must("rollback");
  holder.must("commit");
  CHECK(client.value("select 1") == "1");
}

TEST_CASE("idle_transaction_timeout disconnects the client and keeps the server") {
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(with("idle_transaction_timeout = \"300ms\"\n"));
  PgConnection other = pgweir.connect();
  const std::string backend = other.value("select pg_backend_pid()");
  for (const char* last : {"", "select 1", "nonsense"}) {
    WireClient client(pgweir.port());
    client.login("postgres", "postgres");
    client.send('Q', std::string("begin") + '\0');
    if (*last != 0) client.send('Q', std::string(last) + '\0');
    WireMessage message = client.read();
    while (!message.closed() && (message.type != 'E' || error_fields(message.body).severity != "FATAL"))
      message = client.read();
    REQUIRE(message.type == 'E');
    CHECK(error_fields(message.body).sqlstate == "25P03");
    CHECK(contains(error_fields(message.body).message, "idle_transaction_timeout (300ms)"));
    CHECK(client.read().closed());
    CHECK(other.value("select pg_backend_pid()") == backend);
  }
  CHECK(counted(pgweir, "idle_transaction_timeout") == 3);
  CHECK(no_transaction_open(postgres));

  // Time in which something runs does not count.
  PgConnection busy = pgweir.connect();
  busy.must("begin; select pg_sleep(0.4)");
  busy.must("select pg_sleep(0.4)");
  busy.must("commit");
}

TEST_CASE("client_idle_timeout disconnects who does nothing outside of a transaction, but not who listens") {
  shared_postgres();
  const PgweirProcess pgweir(with("client_idle_timeout = \"300ms\"\n", 3));
  PgConnection in_transaction = pgweir.connect();
  in_transaction.must("begin; select 1");
  PgConnection listener = pgweir.connect();
  listener.must("listen news");
  WireClient idle(pgweir.port());
  idle.login("postgres", "postgres");
  const WireMessage last = idle.read();
  REQUIRE(last.type == 'E');
  CHECK(error_fields(last.body).severity == "FATAL");
  CHECK(error_fields(last.body).sqlstate == "57P05");
  CHECK(contains(error_fields(last.body).message, "client_idle_timeout (300ms)"));
  CHECK(idle.read().closed());
  CHECK(in_transaction.value("select 2") == "2");
  CHECK(listener.value("select 3") == "3");
  CHECK(counted(pgweir, "client_idle_timeout") == 1);
}

TEST_CASE("a client that waits for long is told so once, with numbers") {
  shared_postgres();
  const PgweirProcess pgweir(with("query_wait_notify = \"100ms\"\nquery_wait_timeout = \"77s\"\n"));
  PgConnection holder = pgweir.connect();
  holder.must("begin; select 1");
  WireClient waiting(pgweir.port());
  waiting.login("postgres", "postgres");
  waiting.send('Q', std::string("select 1") + '\0');
  const WireMessage notice = waiting.read();
  REQUIRE(notice.type == 'N');
  const LoginError told = error_fields(notice.body);
  CHECK(told.severity == "NOTICE");
  CHECK(contains(told.message, "waiting for 100ms"));
  CHECK(contains(told.detail, "1 of 1 servers in use"));
  CHECK(contains(notice.body, "77s"));
  holder.must("commit");
  CHECK(waiting.read().type == 'T');
  CHECK(counted(pgweir, "wait_notified") == 1);
}

TEST_CASE("a limit of the user counts before the database's, and that before the general; all by reload") {
  shared_postgres();
  const PgweirSetup setup = with("");
  const auto text = [&](const std::string& general, const std::string& database, const std::string& user) {
    PgweirSetup now = setup;
    now.pool = "query_timeout = \"" + general + "\"\n";
    if (!database.empty()) now.any_database += "query_timeout = \"" + database + "\"\n";
    if (!user.empty()) now.more = "[users.postgres]\nquery_timeout = \"" + user + "\"\n";
    return now;
  };
  const PgweirProcess pgweir(text("600s", "", ""));
  PgConnection client = pgweir.connect();
  const auto reload = [&](const PgweirSetup& now) {
    pgweir.rewrite(now.text(pgweir.port()));
    REQUIRE(pgweir.console_exec("RELOAD").ok());
  };
  // One that runs already is met as well.
  client.send("select pg_sleep(600)");
  REQUIRE(eventually([&] { return pgweir.pool("sv_active") == 1; }));
  reload(text("100ms", "", ""));
  CHECK(contains(client.finish().message(), "query_timeout (100ms)"));
  reload(text("100ms", "200ms", ""));
  CHECK(contains(client.exec("select pg_sleep(600)").message(), "query_timeout (200ms)"));
  reload(text("100ms", "200ms", "300ms"));
  CHECK(contains(client.exec("select pg_sleep(600)").message(), "query_timeout (300ms)"));
  reload(text("100ms", "200ms", "0s"));
  CHECK(client.exec("select pg_sleep(0.4)").ok());
}
