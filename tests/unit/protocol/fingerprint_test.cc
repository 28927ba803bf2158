#include "protocol/fingerprint.h"

#include <doctest/doctest.h>
#include <pg_query.h>

#include <string>
#include <vector>

#include "protocol/statement_classes.h"

using namespace pgweir;

namespace {

// PostgreSQL's own parser as the judge.
std::string judged(const std::string& sql) {
  const PgQueryFingerprintResult result = pg_query_fingerprint(sql.c_str());
  std::string print = result.error != nullptr ? result.error->message : result.fingerprint_str;
  CHECK_MESSAGE(result.error == nullptr, sql << ": " << print);
  pg_query_free_fingerprint_result(result);
  return print;
}

struct Group {
  std::vector<std::string> alike;
  // libpg_query puts it together with another group: operators of all sorts with a list, LIMIT with OFFSET,
  // a cast constant with any constant. These are worth telling apart.
  bool finer = false;
};

// What is in a group is one class, for PostgreSQL's parser as well; what is in different groups is not.
const std::vector<Group> groups{
    {{"SELECT 1", "select 2", "SELECT /* hint */ 'x'  -- end", "Select $1", "SELECT -5", "SELECT 1.5e-3;",
      "SELECT .5", "SELECT U&'x'", "SELECT E'it\\'s'", "SELECT $$a;b$$", "SELECT B'101'", "SELECT X'1F'"}},
    {{"SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = -1", "select a from t where id=$1",
      "SELECT \"a\" FROM T WHERE ID = '7'"}},
    {{"SELECT a FROM t WHERE id = 1 AND b = 2", "SELECT a FROM t WHERE id = $2 AND b = 'x'"}},
    {{"SELECT a FROM t WHERE id IN (1)", "SELECT a FROM t WHERE id IN (1, 2, 3)",
      "SELECT a FROM t WHERE id in ($1,$2)"},
     true},
    {{"SELECT a FROM t WHERE id NOT IN (1, 2)", "SELECT a FROM t WHERE id NOT IN (5)"}},
    {{"SELECT a FROM t WHERE id = ANY(ARRAY[1, 2])", "SELECT a FROM t WHERE id = ANY(ARRAY[3])"}},
    {{"SELECT a FROM t WHERE id = ANY($1)"}, true},
    {{"SELECT \"A\" FROM t WHERE id = 1"}},
    {{"SELECT a FROM s.t WHERE id = 1"}},
    {{"SELECT a FROM t WHERE id <= 1"}},
    {{"SELECT a - 5 FROM t", "SELECT a-1 FROM t"}},
    {{"SELECT a + 5 FROM t"}},
    {{"SELECT a FROM t ORDER BY a LIMIT 10", "SELECT a FROM t ORDER BY a LIMIT 20"}},
    {{"SELECT a FROM t ORDER BY a LIMIT 10 OFFSET 5"}, true},
    {{"SELECT a FROM t ORDER BY a DESC LIMIT 10"}},
    {{"SELECT 'now'::timestamptz", "SELECT '2020-01-01'::timestamptz"}, true},
    {{"SELECT count(*) FROM t", "SELECT COUNT( * ) FROM t"}},
    {{"SELECT count(a) FROM t"}},
    {{"INSERT INTO t (a, b) VALUES (1, 2)", "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4), (5, 6)",
      "insert into t(a,b) values('x','y'),(1,2)"}},
    {{"INSERT INTO t (a, b) VALUES (1, now())", "INSERT INTO t (a, b) VALUES (1, now()), (2, now())"}},
    {{"INSERT INTO t (a) VALUES (1) RETURNING a, (b), c",
      "INSERT INTO t (a) VALUES (1), (2) RETURNING a, (b), c"}},
    {{"INSERT INTO t (a) VALUES (1) RETURNING a"}},
    {{"INSERT INTO t (a, b) VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = 3",
      "INSERT INTO t (a, b) VALUES (1, 2), (3, 4) ON CONFLICT (a) DO UPDATE SET b = $1"}},
    {{"UPDATE t SET a = a + 1, b = 'x' WHERE id = 3", "UPDATE t SET a = a + $1, b = $2 WHERE id = $3"}},
    {{"UPDATE t SET a = a - 1, b = 'x' WHERE id = 3"}},
    {{"DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id = 2"}},
    {{"BEGIN", "begin ;", "BEGIN WORK", "BEGIN TRANSACTION"}},
    {{"COMMIT", "COMMIT WORK"}},
    {{"SAVEPOINT one", "SAVEPOINT \"two\""}},
    {{"RELEASE one", "RELEASE SAVEPOINT two"}},
    {{"ROLLBACK TO one", "ROLLBACK TO SAVEPOINT two"}},
    {{"ROLLBACK", "ROLLBACK TRANSACTION"}},
    {{"DECLARE c CURSOR FOR SELECT a FROM t", "DECLARE d CURSOR FOR SELECT a FROM t"}},
    {{"FETCH c", "FETCH d"}},
    {{"CLOSE c", "CLOSE d"}},
    {{"PREPARE p AS SELECT a FROM t WHERE id = $1", "PREPARE q AS SELECT a FROM t WHERE id = $1"}},
    {{"DEALLOCATE p", "DEALLOCATE q"}},
    {{"LISTEN x", "LISTEN y"}},
    {{"NOTIFY x", "NOTIFY y"}},
    {{"SELECT a FROM t; SELECT b FROM u", "SELECT a FROM t ;; select b from u;"}},
    {{"SELECT b FROM u; SELECT a FROM t"}},
    {{"WITH w AS (SELECT a FROM t WHERE id = 1) SELECT * FROM w JOIN u ON u.id = w.a WHERE u.b BETWEEN -1 "
      "AND 10",
      "WITH w AS (SELECT a FROM t WHERE id = 9) SELECT * FROM w JOIN u ON u.id = w.a WHERE u.b BETWEEN 1 AND "
      "$1"}},
    {{"SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END FROM t",
      "SELECT CASE WHEN a > -2 THEN -1 ELSE -3 END FROM t"}},
    {{"SELECT a->>'x' FROM t", "SELECT a->>'y' FROM t"}},
    {{"SELECT a->'x' FROM t"}},
    {{"SELECT * FROM f(1, 'x')", "SELECT * FROM f($1, $2)"}},
};

}  // namespace

TEST_CASE("statement classes: as PostgreSQL's own parser has them") {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const std::string& one : groups[i].alike) {
      CAPTURE(one);
      CHECK(statement_class(one) == statement_class(groups[i].alike[0]));
      CHECK(judged(one) == judged(groups[i].alike[0]));
      for (std::size_t k = 0; k < i; ++k) {
        const std::string& other = groups[k].alike[0];
        CAPTURE(other);
        CHECK(statement_class(one) != statement_class(other));
        if (!groups[i].finer) CHECK(judged(one) != judged(other));
      }
    }
  }
}

TEST_CASE("statement classes: what is no statement, or not whole") {
  CHECK(statement_class("") == 0);
  CHECK(statement_class(" ; /* nothing */ ;") == 0);
  // It never fails, and never reads past the end.
  const std::string sql =
      "INSERT INTO t VALUES (1, 'x'), (-2.5e+3, $$y$$) RETURNING \"A\", x[1]; FETCH 5 FROM c -- .";
  for (std::size_t size = 0; size <= sql.size(); ++size) {
    const std::string part = sql.substr(0, size);
    CHECK(statement_class(part) == statement_class(std::string(part)));
    CHECK(class_text(part, 20).size() <= 20 + std::string("…").size());
  }
}

TEST_CASE("statement classes: found fast, they are the same") {
  StatementClasses classes({1, 2});
  for (int round = 0; round < 2; ++round) {
    for (const Group& group : groups) {
      for (const std::string& sql : group.alike) {
        CAPTURE(sql);
        CHECK(classes.of(sql) == statement_class(sql));
      }
    }
  }
  const std::uint64_t read = classes.read();
  for (int i = 0; i < 100; ++i) {
    const std::string n = std::to_string(i);
    CHECK(classes.of("SELECT a FROM t WHERE id = " + n) == statement_class("SELECT a FROM t WHERE id = 1"));
    CHECK(classes.of("SELECT  a FROM t /* " + n + " */ WHERE id = '" + n + "' -- x") ==
          statement_class("SELECT a FROM t WHERE id = 1"));
    std::string list = n;
    for (int k = 0; k < i; ++k) list += ", 7";
    CHECK(classes.of("SELECT a FROM t WHERE id IN (" + list + ")") ==
          statement_class("SELECT a FROM t WHERE id IN (1)"));
  }
  CHECK(classes.read() == read);
  // However many different texts come, it knows no more of them than it has room for.
  for (std::size_t i = 0; i < 2 * StatementClasses::slots; ++i) {
    const std::string sql = "SELECT c" + std::to_string(i);
    CHECK(classes.of(sql) == statement_class(sql));
  }
}

TEST_CASE("statement classes: a batch") {
  const std::uint64_t one = statement_class("SELECT a"), two = statement_class("SELECT b");
  CHECK(batch_class(0, one) == one);
  CHECK(batch_class(one, one) == one);
  CHECK(batch_class(one, two) != batch_class(two, one));
  CHECK(batch_class(one, two) == statement_class("SELECT a; SELECT b"));
}

TEST_CASE("statement classes: the text shows no value") {
  CHECK(class_text("select  a.b,\n count( * )::int from t where x = 'secret' and y in (1, 2) -- secret",
                   200) == "select a.b, count(*)::int from t where x = $ and y in ($)");
  CHECK(class_text("INSERT INTO \"T\"(a, b) VALUES (1, 'secret'), (2, E'secret') RETURNING a[1]->>'secret';",
                   200) == "INSERT INTO \"T\" (a, b) VALUES ($) RETURNING a[$]->> $");
  CHECK(class_text("SAVEPOINT s; SELECT -1", 200) == "SAVEPOINT; SELECT $");
  CHECK(class_text("SELECT äö", 9) == "SELECT ä…");
  CHECK(class_text("SELECT äö", 8) == "SELECT …");
}
