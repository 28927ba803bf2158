#include "protocol/sql_commands.h"

#include <doctest/doctest.h>

#include <string>

using namespace pgweir;
using namespace std::literals;

TEST_CASE("plain transaction statements") {
  using enum PlainTransaction;
  for (const Bytes sql : {"BEGIN", "begin work;", " Begin /* a */ Transaction -- b"})
    CHECK(plain_transaction(sql) == begin);
  for (const Bytes sql : {"START TRANSACTION ;\n", "start transaction"})
    CHECK(plain_transaction(sql) == start);
  for (const Bytes sql : {"COMMIT", "commit work", "END", "END TRANSACTION;"})
    CHECK(plain_transaction(sql) == commit);
  for (const Bytes sql : {"ROLLBACK", "rollback transaction", "ABORT", "ABORT WORK;"}) {
    CHECK(plain_transaction(sql) == rollback);
  }
}

TEST_CASE("what is not plain is left to the server") {
  for (const Bytes sql : {"",
                          ";",
                          "BEGIN;;",
                          "BEGIN; SELECT 1",
                          "BEGIN READ ONLY",
                          "BEGIN WORK TRANSACTION",
                          "BEGIN ISOLATION LEVEL SERIALIZABLE",
                          "START",
                          "START WORK",
                          "START TRANSACTION READ WRITE",
                          "COMMIT AND CHAIN",
                          "COMMIT AND NO CHAIN",
                          "COMMIT PREPARED 'a'",
                          "ROLLBACK TO a",
                          "ROLLBACK PREPARED 'a'",
                          "BEGIN /*",
                          "BEGIN -- \xc3\xa9",
                          "\"BEGIN\"",
                          "BEGINS",
                          "'BEGIN'",
                          "(BEGIN)",
                          "SELECT 1",
                          "BEGIN 1",
                          "BEGIN \\"}) {
    CAPTURE(sql);
    CHECK_FALSE(plain_transaction(sql));
  }
  CHECK_FALSE(plain_transaction("BEGIN\0"sv));
  CHECK_FALSE(plain_transaction("BEGIN --\0 x"sv));
}

TEST_CASE("names as PostgreSQL folds them") {
  CHECK(deallocate_name("DEALLOCATE a") == "a");
  CHECK(deallocate_name("deallocate prepare My_Plan1$;") == "my_plan1$");
  CHECK(deallocate_name("DEALLOCATE \"My \"\"Plan\"") == "My \"Plan");
  CHECK(deallocate_name("DEALLOCATE \"all\"") == "all");
  CHECK(deallocate_name("DEALLOCATE " + std::string(70, 'A')) == std::string(63, 'a'));
  CHECK(deallocate_name("DEALLOCATE \"" + std::string(70, 'A') + "\"") == std::string(63, 'A'));
  CHECK(prepare_name("PREPARE a AS SELECT 1") == "a");
  CHECK(prepare_name("PREPARE \"A\" (int, numeric(3, 1)) AS SELECT ';', $1;") == "A");
  CHECK(prepare_name("PREPARE transaction AS SELECT 1") == "transaction");
  CHECK(execute_name("EXECUTE A") == "a");
  CHECK(execute_name("EXECUTE a(1, f(2), ')');") == "a");
}

TEST_CASE("names that are a doubt") {
  for (const Bytes sql :
       {"DEALLOCATE ALL", "DEALLOCATE PREPARE ALL", "DEALLOCATE", "DEALLOCATE PREPARE", "DEALLOCATE a b",
        "DEALLOCATE a; SELECT 1", "DEALLOCATE \"\"", "DEALLOCATE \"a", "DEALLOCATE \xc3\xa9",
        "DEALLOCATE U&\"a\"", "DEALLOCATE 'a'", "DEALLOCATE select", "DEALLOCATE a.b", "DEALLOCATE 1"}) {
    CAPTURE(sql);
    CHECK_FALSE(deallocate_name(sql));
  }
  for (const Bytes sql :
       {"PREPARE TRANSACTION 'a'", "PREPARE a", "PREPARE a SELECT 1", "PREPARE a (int AS SELECT 1",
        "PREPARE a AS SELECT 1; SELECT 2", "PREPARE a AS SELECT '", "PREPARE a AS SELECT '\\''"}) {
    CAPTURE(sql);
    CHECK_FALSE(prepare_name(sql));
  }
  for (const Bytes sql :
       {"EXECUTE", "EXECUTE a b", "EXECUTE a(1", "EXECUTE a(1) b", "EXECUTE a(1;)", "EXECUTE a)"}) {
    CAPTURE(sql);
    CHECK_FALSE(execute_name(sql));
  }
}

TEST_CASE("LISTEN and UNLISTEN") {
  using Kind = ListenStatement::Kind;
  CHECK(listen_statement("LISTEN Jobs") == ListenStatement{Kind::listen, "jobs"});
  CHECK(listen_statement("listen \"Jobs\";") == ListenStatement{Kind::listen, "Jobs"});
  CHECK(listen_statement("UNLISTEN a -- b") == ListenStatement{Kind::unlisten, "a"});
  CHECK(listen_statement("UNLISTEN *") == ListenStatement{Kind::unlisten_all, ""});
  for (const Bytes sql :
       {"LISTEN", "LISTEN *", "UNLISTEN", "UNLISTEN * a", "LISTEN a, b", "LISTEN a; LISTEN b", "LISTEN user",
        "LISTEN left", "LISTEN 'a'", "NOTIFY a", "LISTEN \xc3\xa9"}) {
    CAPTURE(sql);
    CHECK_FALSE(listen_statement(sql));
  }
}

TEST_CASE("every UNLISTEN of a query string") {
  using Kind = ListenStatement::Kind;
  using List = std::vector<ListenStatement>;
  CHECK(unlisten_statements("select 1; UNLISTEN Jobs; /* x */ unlisten \"It's\"; discard all; notify a") ==
        List{{Kind::unlisten, "jobs"}, {Kind::unlisten, "It's"}, {Kind::unlisten_all, ""}});
  CHECK(unlisten_statements("begin; unlisten *; commit") == List{{Kind::unlisten_all, ""}});
  for (const char* sql : {"", ";", "listen a", "select 'unlisten a'", "discard temp", "unlisten"})
    CHECK(unlisten_statements(sql).empty());
}
