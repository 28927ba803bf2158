#include "protocol/sql_scanner.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/sql_lexer.h"

using namespace pgweir;
using namespace std::literals;
using enum SqlEffect;

namespace {

SqlEffects effects(std::initializer_list<SqlEffect> list) {
  SqlEffects all;
  for (const SqlEffect effect : list) all.add(effect);
  return all;
}

bool has_exactly(Bytes sql, std::initializer_list<SqlEffect> list) {
  const SqlEffects wanted = effects(list), found = scan_sql(sql);
  for (std::uint32_t bit = 1; bit != 0 && bit <= static_cast<std::uint32_t>(opaque); bit <<= 1) {
    const auto effect = static_cast<SqlEffect>(bit);
    if (found.has(effect) != wanted.has(effect)) {
      MESSAGE(std::string(sql), ": effect ", bit, found.has(effect) ? " found" : " missed");
      return false;
    }
  }
  return true;
}

bool sets(Bytes sql, const std::vector<std::string>& names, bool others = false) {
  const SetParameters parameters = set_parameters(sql);
  return scan_sql(sql).has(set) == (!names.empty() || others) && parameters.names == names &&
         parameters.others == others;
}

}  // namespace

TEST_CASE("ordinary statements have no effect on the session") {
  for (const Bytes sql : {"SELECT 1",
                          "select * from t where a = $1;",
                          "INSERT INTO temp VALUES (1)",
                          "insert into t default values",
                          "UPDATE t SET a = 1 WHERE b = 'SET x = 1'",
                          "DELETE FROM t",
                          "WITH hold AS (SELECT 1) TABLE hold",
                          "SELECT 'set_config(''a'', ''b'', false)'",
                          "SELECT $$pg_advisory_lock(1)$$",
                          "SELECT 1 -- pg_advisory_lock(1)",
                          "SELECT 1 /* ; SET a = 1 /* ; */ ; SET b = 1 */",
                          "SELECT ';SET a = 1'",
                          "SELECT E'\\';SET a = 1'",
                          "SELECT $a$;SET x = 1;$b$;$a$",
                          "SELECT 1 AS \";SET a = 1\"",
                          "EXPLAIN SELECT 1",
                          "MERGE INTO temp USING s ON true",
                          "CREATE TABLE temp (temp int)",
                          "CREATE TABLE attempts AS SELECT 1 AS temporary",
                          "SELECT * FROM pg_settings",
                          "SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock(2)",
                          "SAVEPOINT a",
                          "RELEASE a",
                          "FETCH ALL FROM c",
                          "SELECT set_config('a.b', $1, true)",
                          "select pg_catalog.set_config ( 'a' , f(1, 2, true) , TRUE ) ",
                          "ALTER ROLE a SET search_path = b",
                          "ALTER SYSTEM SET a = 1",
                          "CREATE FUNCTION f() RETURNS int SET a = 1 AS 'x'",
                          "SHOW ALL",
                          "COPY t FROM STDIN",
                          "GRANT EXECUTE ON FUNCTION f TO a",
                          "SELECT * FROM pg_temp.t",
                          "CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()",
                          "COMMIT PREPARED 'a'",
                          "ROLLBACK PREPARED 'a'",
                          "(SELECT 1)",
                          "",
                          " ; ",
                          "SELECT U&'d\\0061t'",
                          "VALUES ('\\d+')",
                          "VACUUM"}) {
    CHECK(has_exactly(sql, {}));
    CHECK(set_parameters(sql).names.empty());
  }
}

TEST_CASE("statements that change the session") {
  CHECK(has_exactly("SET a = 1", {set}));
  CHECK(has_exactly("RESET a", {set}));
  CHECK(has_exactly("RESET ALL", {set, reset_all}));
  CHECK(has_exactly("CREATE TEMP TABLE a (b int)", {temp_table}));
  CHECK(has_exactly("create or replace temporary view v as select 1", {temp_table}));
  CHECK(has_exactly("CREATE LOCAL TEMP TABLE a AS SELECT 1", {temp_table}));
  CHECK(has_exactly("CREATE GLOBAL /* */ TEMPORARY TABLE a (b int)", {temp_table}));
  CHECK(has_exactly("SELECT 1 INTO TEMP a", {temp_table}));
  CHECK(has_exactly("SELECT 1 INTO LOCAL TEMPORARY TABLE a", {temp_table}));
  CHECK(has_exactly("SELECT 1INTO TEMP a", {temp_table}));
  CHECK(has_exactly("CREATE TABLE pg_temp.a (b int)", {temp_table}));
  CHECK(has_exactly("CREATE TABLE \"pg_temp\".a (b int)", {temp_table}));
  CHECK(has_exactly("EXPLAIN ANALYZE CREATE TEMP TABLE a AS SELECT 1", {temp_table}));
  CHECK(has_exactly("DECLARE a CURSOR WITH HOLD FOR SELECT 1", {hold_cursor}));
  CHECK(has_exactly("DECLARE a CURSOR WITHOUT HOLD FOR SELECT 1", {}));
  CHECK(has_exactly("DECLARE a CURSOR FOR WITH hold AS (SELECT 1) SELECT 1", {}));
  CHECK(has_exactly("CLOSE a", {close_cursor}));
  CHECK(has_exactly("SELECT pg_advisory_lock(1)", {advisory_lock}));
  CHECK(has_exactly("SELECT \"pg_try_advisory_lock\"(1), PG_ADVISORY_UNLOCK(1)",
                    {advisory_lock, advisory_unlock}));
  CHECK(has_exactly("WITH a AS (SELECT pg_advisory_lock_shared(1)) SELECT 1", {advisory_lock}));
  CHECK(has_exactly("SELECT pg_advisory_unlock_all()", {advisory_unlock}));
  CHECK(has_exactly("PREPARE a AS SELECT 1", {prepare}));
  CHECK(has_exactly("PREPARE transaction AS SELECT 1", {prepare}));
  CHECK(has_exactly("PREPARE TRANSACTION 'a'", {prepare_transaction}));
  CHECK(has_exactly("EXECUTE a(1)", {execute}));
  CHECK(has_exactly("EXPLAIN ANALYZE EXECUTE a", {execute}));
  CHECK(has_exactly("CREATE TABLE a AS EXECUTE b", {execute}));
  CHECK(has_exactly("DEALLOCATE a", {deallocate_one}));
  CHECK(has_exactly("DEALLOCATE PREPARE ALL", {deallocate_all}));
  CHECK(has_exactly("DISCARD ALL", {discard_all}));
  CHECK(has_exactly("DISCARD PLANS;DISCARD SEQUENCES;DISCARD TEMPORARY",
                    {discard_plans, discard_sequences, discard_temp}));
  CHECK(has_exactly("LISTEN a", {listen}));
  CHECK(has_exactly("UNLISTEN *", {unlisten}));
  CHECK(has_exactly("NOTIFY a, 'b'", {notify}));
  CHECK(has_exactly("DROP TABLE a", {drop}));
  CHECK(has_exactly("LOAD 'auto_explain'", {load}));
  CHECK(has_exactly("DO $$BEGIN END$$", {opaque, set}));
  CHECK(has_exactly("CALL f()", {opaque, set}));
  CHECK(has_exactly("UPDATE pg_settings SET setting = '1' WHERE name = 'a'", {set}));
}

TEST_CASE("transaction statements") {
  CHECK(has_exactly("BEGIN ISOLATION LEVEL SERIALIZABLE", {begin}));
  CHECK(has_exactly("START TRANSACTION READ ONLY", {begin}));
  CHECK(has_exactly("COMMIT", {commit}));
  CHECK(has_exactly("END WORK", {commit}));
  CHECK(has_exactly("COMMIT TRANSACTION AND CHAIN", {commit, begin}));
  CHECK(has_exactly("ROLLBACK AND NO CHAIN", {rollback}));
  CHECK(has_exactly("ABORT", {rollback}));
  CHECK(has_exactly("ROLLBACK WORK TO SAVEPOINT a", {rollback_to}));
  CHECK(has_exactly("BEGIN; SELECT 1; COMMIT;", {begin, commit}));
}

TEST_CASE("names of parameters") {
  CHECK(sets("SET a TO 1", {"a"}));
  CHECK(sets("SET SESSION \"Search_Path\" = b", {"search_path"}));
  CHECK(sets("SET TIME ZONE 'UTC'; SET NAMES 'UTF8'; SET ROLE x", {"timezone", "client_encoding", "role"}));
  CHECK(sets("SET SESSION AUTHORIZATION a; RESET SESSION AUTHORIZATION", {"session_authorization"}));
  CHECK(sets("RESET TIME ZONE", {"timezone"}));
  CHECK(sets("SET My.Thing = 1; RESET my.thing", {"my.thing"}));
  CHECK(sets("SET local.a = 1; SET session.b = 2; SET role.c = 3", {"local.a", "session.b", "role.c"}));
  CHECK(sets("SET role TO x", {"role"}));
  CHECK(sets("SET SCHEMA 'a'; SET XML OPTION CONTENT", {"search_path", "xmloption"}));
  CHECK(sets(
      "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
      {"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable"}));
  CHECK(sets("SELECT set_config('Search_path', $1, false)", {"search_path"}));
  CHECK(sets("SELECT set_config('a', 'b', f(1,true))", {"a"}));
  CHECK(sets("SELECT set_config('a', 'b', true), set_config('c', 'd', false)", {"c"}));
  CHECK(sets("SELECT set_config(name, 'b', false)", {}, true));
  CHECK(sets("SELECT set_config('a' || 'b', 'b', false)", {}, true));
  CHECK(sets("SELECT set_config('a', set_config('b', 'c', false), true)", {"b"}));
  CHECK(sets("RESET ALL", {}, true));
  CHECK(sets("SET a = 1; DO 'x'", {"a"}, true));
  CHECK(sets("SET a = 1; SET A = 2; SELECT 1; SET b = 3", {"a", "b"}));
  CHECK(sets("RESET TRANSACTION ISOLATION LEVEL", {}));
  std::string many;
  for (std::size_t i = 0; i <= max_set_parameters; ++i) many += "SET a" + std::to_string(i) + " = 1;";
  CHECK(set_parameters(many).names.size() == max_set_parameters);
  CHECK(set_parameters(many).others);
}

TEST_CASE("parameters that are reset") {
  for (const Bytes sql :
       {"RESET a", "reset a.b", "RESET TIME ZONE", "SET a TO DEFAULT", "SET SESSION a = default"})
    CHECK(set_parameters(sql).resets);
  for (const Bytes sql : {"SET a = 1", "SET a TO 'default'", "SET a = \"default\"", "SELECT 1"})
    CHECK_FALSE(set_parameters(sql).resets);
}

TEST_CASE("a search path that begins with pg_temp makes temporary tables") {
  CHECK(has_exactly("SET search_path = pg_temp, public", {set, temp_table}));
  CHECK(has_exactly("SET search_path TO 'pg_temp'", {set, temp_table}));
  CHECK(has_exactly("SET SCHEMA 'pg_temp'", {set, temp_table}));
  CHECK(has_exactly("SET search_path = public, pg_temp", {set}));
}

TEST_CASE("local settings are counted and leave the session as it is") {
  const SqlEffects local = scan_sql(
      "SET LOCAL a = 1; SET TRANSACTION READ ONLY; SET CONSTRAINTS ALL DEFERRED; SET LOCAL TIME ZONE 'UTC'");
  CHECK(local.has(set_local));
  CHECK_FALSE(local.has(set));
  CHECK(local.local_sets() == 4);
  CHECK(local.statements() == 4);
  CHECK(has_exactly("SET LOCAL ROLE a", {set_local}));
}

TEST_CASE("statements are counted") {
  const auto count = [](Bytes sql) { return scan_sql(sql).statements(); };
  CHECK(count("") == 0);
  CHECK(count(" -- nothing\n ;; /* */ ;") == 0);
  CHECK(count("SELECT 1") == 1);
  CHECK(count("/* a */ SELECT 1 ; ; \n") == 1);
  CHECK(count("SELECT 1;SELECT 2") == 2);
  CHECK(count("SELECT ';'; SELECT $$;$$;") == 2);
  CHECK(count("CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b); SELECT 1") == 2);
  CHECK(count("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END; "
              "SELECT 3") == 2);
  CHECK(count("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end, 2 AS case; END; SELECT 3") == 2);
}

TEST_CASE("the first statement does not hide the second") {
  for (const Bytes first : {"SELECT 1",
                            "SELECT 'a''b'",
                            "SELECT E'a\\'b'",
                            "SELECT $a$ ' $a$",
                            "SELECT \"a\"\"'\"",
                            "SELECT 1 -- '\n",
                            "SELECT 1 /* ' /* */ */",
                            "SELECT $1",
                            "SELECT a$b$c",
                            "SELECT 1$$;$$",
                            "SELECT (1)",
                            "DISCARD",
                            "SET",
                            "RESET",
                            "PREPARE",
                            "DEALLOCATE PREPARE",
                            "COMMIT",
                            "SELECT E'a'\n'\\''",
                            "SELECT 'a' 'b'",
                            "SELECT B'1', X'2', N'3'",
                            "SELECT 1 --a\r"}) {
    const std::string sql = std::string(first) + "; LISTEN a";
    CAPTURE(sql);
    CHECK(scan_sql(sql).has(listen));
    CHECK(scan_sql(sql).statements() == 2);
  }
}

TEST_CASE("what cannot be read for certain is opaque") {
  for (const Bytes sql :
       {"SET a = '", "SELECT 1; SELECT $a$ x $b$", "LISTEN \"a", "BEGIN /* /* */", "LISTEN U&\"a\"",
        "SELECT U&\"\\0073et_config\"('a', 'b', false)", "SELECT 'a\\'; SET x = 1; --'",
        "BEGIN; SELECT E'\x83\\'; SET x = 1; --'", "LISTEN E'a"}) {
    CAPTURE(sql);
    CHECK(scan_sql(sql).has(opaque));
    CHECK(scan_sql(sql).has(set));
    CHECK(set_parameters(sql).others);
  }
}

TEST_CASE("words are found at any place of a long text") {
  for (std::size_t front = 0; front < 70; ++front) {
    for (std::size_t back = 0; back < 3; ++back) {
      const std::string a(front, 'a'), b(back, ' ');
      CHECK(scan_sql("SELECT " + a + " Set_Config('a', 'b', false)" + b).has(set));
      CHECK(scan_sql("SELECT " + a + ", pg_advisory_lock(1)" + b).has(advisory_lock));
      CHECK(scan_sql("SELECT " + a + " INTO TEMP" + b).has(temp_table));
      CHECK(scan_sql("UPDATE " + a + " pg_settings" + b).has(set));
      CHECK(scan_sql("SELECT " + a + " U&\"\"" + b).has(opaque));
      CHECK(scan_sql("SELECT " + a + "; SET a = 1" + b).has(set));
      CHECK(scan_sql("SELECT 1 INTO " + a + "_pg_temp, temperature INTO TEMPORARY" + b).has(temp_table));
      CHECK(scan_sql("SELECT " + a + b).none());
    }
  }
}

TEST_CASE("long and deep texts are read in linear time") {
  const auto repeat = [](Bytes text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  CHECK(scan_sql("SELECT " + repeat("set_config('a',", 100'000)).has(set));
  CHECK(set_parameters("SELECT " + repeat("set_config('a',", 100'000)).others);
  CHECK(scan_sql(repeat("/*", 500'000)).has(opaque));
  CHECK(scan_sql("LISTEN " + repeat("$a", 500'000)).has(listen));
  CHECK(scan_sql(repeat("E'a' ", 200'000)).statements() == 1);
  CHECK(scan_sql(repeat("SET LOCAL a = 1;", 50'000)).local_sets() == 50'000);
}

TEST_CASE("the effects of several queries add up") {
  SqlEffects all = scan_sql("SET a = 1; SET LOCAL b = 1");
  all.add(scan_sql("LISTEN a"));
  CHECK(all.has(set));
  CHECK(all.has(listen));
  CHECK(all.statements() == 3);
  CHECK(all.local_sets() == 1);
  CHECK_FALSE(all.none());
}

TEST_CASE("tokens") {
  using Kind = SqlToken::Kind;
  SqlLexer lexer("a$1 \"b\"\"c\" 'd' E'\\'e' $x$f$x$ $1 12ab -- g\n;");
  const auto next = [&](Kind kind, Bytes text, bool exact) {
    const SqlToken token = lexer.next();
    return token.kind == kind && token.text == text && token.exact == exact;
  };
  CHECK(next(Kind::word, "a$1", false));
  CHECK(next(Kind::quoted, "b\"\"c", false));
  CHECK(next(Kind::string, "d", true));
  CHECK(next(Kind::string, "\\'e", false));
  CHECK(next(Kind::string, "f", true));
  CHECK(next(Kind::other, "$1", false));
  CHECK(next(Kind::other, "12", false));
  CHECK(next(Kind::word, "ab", false));
  CHECK(next(Kind::other, ";", false));
  CHECK(next(Kind::end, "", false));
  CHECK(next(Kind::end, "", false));
  CHECK_FALSE(lexer.unclear());
}

TEST_CASE("what changes how later texts are parsed is told apart from other settings") {
  const auto matters = [](Bytes sql) { return scan_sql(sql).has(SqlEffect::set_for_parser); };
  for (const Bytes sql :
       {"SET TimeZone TO 'UTC'", "set local datestyle = 'ISO, DMY'", "SET TIME ZONE 'UTC'",
        "SET LOCAL TIME ZONE 0", "SET NAMES 'LATIN1'", "set session client_encoding to utf8",
        "RESET intervalstyle", "RESET ALL", "SET XML OPTION DOCUMENT", "SET LOCAL XML OPTION DOCUMENT",
        "select 1; set \"timezone\" to 'UTC'", "SELECT set_config('TIMEZONE', $1, true)",
        "SELECT set_config('transform_null_equals', 'on', false)", "SELECT set_config($1, $2, true)",
        "SELECT set_config(lower('x'), 'on', false)", "SET standard_conforming_strings = off",
        "SET LOCAL backslash_quote TO on"}) {
    CAPTURE(sql);
    CHECK(matters(sql));
  }
  for (const Bytes sql :
       {"SET search_path TO a", "SET LOCAL statement_timeout = 5",
        "SELECT set_config('request.jwt', $1, true)", "SELECT set_config('role', 'a', false)",
        "RESET work_mem", "SET TRANSACTION READ ONLY", "SET LOCAL ROLE a", "SET app.timezone = 'x'",
        "SELECT 'SET TimeZone'", "select timezone from t"}) {
    CAPTURE(sql);
    CHECK_FALSE(matters(sql));
  }
}
