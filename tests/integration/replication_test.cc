// Replication connections: PostgreSQL's own programs, and libpq, through pgweir.

#include <doctest/doctest.h>
#include <signal.h>

#include <filesystem>

#include "tests/integration/servers.h"
#include "tests/support/temp_dir.h"

using namespace pgweir;

namespace {

// One that can replicate, started for this file when it is first asked for.
struct Source {
  Source() : postgres(options()) { postgres.run("create table changes (n int)"); }
  static PostgresOptions options() {
    PostgresOptions options;
    options.configuration = {"wal_level = logical", "max_wal_senders = 10", "wal_sender_timeout = 0"};
    options.hba = {standby_hba};
    return options;
  }
  // Without walsenders and slots of an earlier test.
  Postgres& clean() {
    REQUIRE(eventually([&] { return postgres.value("select count(*) from pg_stat_replication") == "0"; }));
    postgres.run("select pg_drop_replication_slot(slot_name) from pg_replication_slots; truncate changes;");
    return postgres;
  }
  Postgres postgres;
};

Postgres& source() {
  static Source only;
  return only.clean();
}

std::vector<std::string> program(const std::string& name, const PgweirProcess& pgweir,
                                 std::vector<std::string> more) {
  std::vector<std::string> command{postgres_program(name),        "-h", "127.0.0.1", "-p",
                                   std::to_string(pgweir.port()), "-U", "postgres",  "-w"};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

// Rows of SHOW CLIENTS or SHOW SERVERS with this in the column "replication".
int shown(const PgweirProcess& pgweir, const std::string& command, const std::string& kind) {
  const PgResult all = pgweir.console_exec(command);
  int found = 0;
  for (int row = 0; row < all.rows(); ++row) found += all.value(row, "replication") == kind;
  return found;
}

// The start of a stream of changes: a PGRES_COPY_BOTH.
void start_stream(PgConnection& client, const std::string& slot) {
  client.must("CREATE_REPLICATION_SLOT " + slot + " TEMPORARY LOGICAL test_decoding");
  client.send("START_REPLICATION SLOT " + slot + " LOGICAL 0/0");
  REQUIRE(client.next().status() == PGRES_COPY_BOTH);
}

// Reads the stream until this comes.
bool stream_has(PgConnection& client, const std::string& text) {
  return eventually([&] {
    PQconsumeInput(client.raw());
    char* row = nullptr;
    for (;;) {
      const int size = PQgetCopyData(client.raw(), &row, 1);
      if (size <= 0) return false;
      const std::string data(row, static_cast<std::size_t>(size));
      PQfreemem(row);
      if (data.find(text) != std::string::npos) return true;
    }
  });
}

// Reads the stream to its end; the error there.
PgResult stream_end(PgConnection& client) {
  REQUIRE(eventually([&] {
    PQconsumeInput(client.raw());
    char* row = nullptr;
    int size = 0;
    while ((size = PQgetCopyData(client.raw(), &row, 1)) > 0) PQfreemem(row);
    return size < 0;
  }));
  return PgResult(PQgetResult(client.raw()));
}

}  // namespace

TEST_CASE("replication: a logical stream in both directions, to its end, and SQL before and behind it") {
  Postgres& postgres = source();
  for (const char* mode : {"transaction", "session", "statement"}) {
    CAPTURE(mode);
    PgweirSetup setup(postgres);
    setup.pool = std::string("pool_mode = \"") + mode + "\"\n";
    const PgweirProcess pgweir(setup);
    PgConnection client = pgweir.connect("replication=database application_name=mirror");
    CHECK(client.parameter("application_name") == "mirror");
    CHECK(client.must("IDENTIFY_SYSTEM").rows() == 1);
    const std::string pid = client.value("select pg_backend_pid()");
    client.must("set work_mem = '5MB'");
    CHECK(client.value("select current_setting('work_mem')") == "5MB");
    CHECK(client.value("select pg_backend_pid()") == pid);
    start_stream(client, "mirror");
    postgres.run("insert into changes values (42)");
    CHECK(stream_has(client, "n[integer]:42"));
    CHECK(shown(pgweir, "SHOW CLIENTS", "logical") == 1);
    CHECK(shown(pgweir, "SHOW SERVERS", "logical") == 1);

    REQUIRE(PQputCopyEnd(client.raw(), nullptr) == 1);
    CHECK(stream_end(client).ok());
    client.finish();
    CHECK(client.value("select pg_backend_pid()") == pid);
    client.must("DROP_REPLICATION_SLOT mirror");
    client = PgConnection(pgweir.conninfo());
    REQUIRE(client.try_connect());
    CHECK(eventually([&] { return shown(pgweir, "SHOW SERVERS", "logical") == 0; }));
    CHECK(client.value("select 1") == "1");
  }
}

TEST_CASE("replication: pg_basebackup, pg_receivewal and pg_recvlogical work as they are") {
  Postgres& postgres = source();
  const PgweirProcess pgweir{PgweirSetup(postgres)};
  const TempDir dir;
  const std::string backup = (dir.path() / "backup").string(), wal = (dir.path() / "wal").string(),
                    changes = (dir.path() / "changes").string();
  run_program(program("pg_basebackup", pgweir, {"-D", backup, "-X", "stream", "-c", "fast"}));
  CHECK(std::filesystem::exists(backup + "/PG_VERSION"));
  CHECK(run_program({postgres_program("pg_verifybackup"), backup}).find("successfully verified") !=
        std::string::npos);

  std::filesystem::create_directory(wal);
  run_program(program("pg_recvlogical", pgweir,
                      {"-d", "postgres", "--slot", "decoded", "--create-slot", "-P", "test_decoding"}));
  {
    ChildProcess receivewal(program("pg_receivewal", pgweir, {"-D", wal, "--synchronous"}), {});
    ChildProcess recvlogical(
        program("pg_recvlogical", pgweir, {"-d", "postgres", "--slot", "decoded", "--start", "-f", changes}),
        {});
    REQUIRE(eventually([&] {
      return shown(pgweir, "SHOW CLIENTS", "physical") == 1 && shown(pgweir, "SHOW CLIENTS", "logical") == 1;
    }));
    postgres.run("insert into changes select generate_series(1, 10000)");
    CHECK(eventually([&] { return read_file(changes).find("n[integer]:10000") != std::string::npos; }));
    // The receiver's own words travel the other way.
    CHECK(eventually([&] {
      return postgres.value(
                 "select count(*) from pg_stat_replication where flush_lsn >= "
                 "(select flush_lsn from pg_stat_replication where application_name = "
                 "'pg_recvlogical')") == "2";
    }));
    receivewal.signal(SIGINT);
    recvlogical.signal(SIGINT);
    CHECK(receivewal.wait() == 0);
    CHECK(recvlogical.wait() == 0);
  }
  CHECK(eventually([&] { return postgres.value("select count(*) from pg_stat_replication") == "0"; }));
  run_program(program("pg_recvlogical", pgweir, {"-d", "postgres", "--slot", "decoded", "--drop-slot"}));
  CHECK(eventually([&] {
    return shown(pgweir, "SHOW SERVERS", "logical") + shown(pgweir, "SHOW SERVERS", "physical") == 0;
  }));
}

TEST_CASE("replication: a connection takes a server beside the pool, under the limit of the database") {
  Postgres& postgres = source();
  PgweirSetup setup(postgres);
  setup.pool = "default_pool_size = 1\nmax_db_connections = 3\nquery_wait_timeout = \"300ms\"\n";
  const PgweirProcess pgweir(setup);
  PgConnection holder = pgweir.connect();
  holder.must("begin; select 1");
  PgConnection one = pgweir.connect("replication=database");
  PgConnection two = pgweir.connect("replication=database");
  one.must("IDENTIFY_SYSTEM");
  two.must("IDENTIFY_SYSTEM");
  PgConnection three(pgweir.conninfo("replication=database"));
  CHECK_FALSE(three.try_connect());
  CHECK(three.error().find("query_wait_timeout") != std::string::npos);
  const PgResult databases = pgweir.console_exec("SHOW DATABASES");
  for (int row = 0; row < databases.rows(); ++row) {
    if (databases.value(row, "name") != "postgres") continue;
    CHECK(databases.value(row, "current_connections") == "3");
    CHECK(databases.value(row, "current_client_connections") == "3");
  }
  CHECK(pgweir.pool("sv_active") == 1);
  holder.must("commit");
  // An idle server of the pool gives way.
  PgConnection four = pgweir.connect("replication=database");
  four.must("IDENTIFY_SYSTEM");
}

TEST_CASE("replication: what the server refuses, the client is told") {
  const Postgres& postgres = shared_postgres();  // takes no physical replication
  const PgweirProcess pgweir{PgweirSetup(postgres)};
  PgConnection client(pgweir.conninfo("user=trust_user replication=database"));
  CHECK_FALSE(client.try_connect());
  CHECK(client.error().find("must be superuser or replication role") != std::string::npos);
  PgConnection odd(pgweir.conninfo("replication=sometimes"));
  CHECK_FALSE(odd.try_connect());
  CHECK(odd.error().find("invalid value for parameter \"replication\"") != std::string::npos);
  PgConnection off = pgweir.connect("replication=off");
  CHECK(off.value("select 1") == "1");
}

TEST_CASE("replication: the ends of a stream") {
  Postgres& postgres = source();
  const auto walsenders = [&] { return postgres.value("select count(*) from pg_stat_replication"); };
  PgweirProcess pgweir{PgweirSetup(postgres)};
  SUBCASE("its client dies") {
    PgConnection client = pgweir.connect("replication=database");
    start_stream(client, "mirror");
    client.vanish();
    CHECK(eventually([&] { return walsenders() == "0"; }));
    CHECK(eventually([&] { return shown(pgweir, "SHOW SERVERS", "logical") == 0; }));
  }
  SUBCASE("its walsender is ended") {
    PgConnection client = pgweir.connect("replication=database");
    start_stream(client, "mirror");
    postgres.run("select pg_terminate_backend(pid) from pg_stat_replication");
    CHECK(stream_end(client).sqlstate() == "57P01");
    CHECK(eventually([&] { return shown(pgweir, "SHOW CLIENTS", "logical") == 0; }));
  }
  SUBCASE("pgweir drains") {
    PgConnection client = pgweir.connect("replication=database");
    start_stream(client, "mirror");
    PgConnection idle = pgweir.connect("replication=database");
    pgweir.process().signal(SIGTERM);
    CHECK(pgweir.process().wait() == 0);
    CHECK(stream_end(client).sqlstate() == "57P01");
    CHECK(eventually([&] { return walsenders() == "0"; }));
  }
  SUBCASE("a cancel") {
    PgConnection client = pgweir.connect("replication=database");
    client.send("select pg_sleep(605)");
    REQUIRE(eventually([&] {
      return postgres.value("select count(*) from pg_stat_activity where query = 'select pg_sleep(605)'") ==
             "1";
    }));
    client.cancel();
    CHECK(client.finish().sqlstate() == "57014");
    CHECK(client.must("IDENTIFY_SYSTEM").rows() == 1);
  }
}
