#include "admin/statement.h"

#include <doctest/doctest.h>

using namespace pgweir;
using Kind = Token::Kind;

namespace {

// Tokens in brackets, by statement: a word is itself, others have their sign before them.
std::string split(Bytes query) {
  const auto statements = split_statements(query);
  if (!statements) return std::string(statements.error().sqlstate) + " " + statements.error().message;
  std::string out;
  for (const Statement& statement : *statements) {
    CHECK_FALSE(statement.empty());
    out += "[";
    for (std::size_t i = 0; i < statement.size(); ++i) {
      if (i > 0) out += " ";
      switch (statement[i].kind) {
        case Kind::word:
          break;
        case Kind::number:
          out += "#";
          break;
        case Kind::quoted:
          out += "\"";
          break;
        case Kind::string:
          out += "'";
          break;
        case Kind::symbol:
          out += "~";
          break;
      }
      out += statement[i].text;
    }
    out += "]";
  }
  return out;
}

}  // namespace

TEST_CASE("statements: words, numbers, quotes and symbols") {
  CHECK(split("SHOW pools") == "[SHOW pools]");
  CHECK(split("select 1, 1.5, 1e3, a1$") == "[select #1 ~, #1.5 ~, #1e3 ~, a1$]");
  CHECK(split("\tshow\r\n\"Pools\"") == "[show \"Pools]");
  CHECK(split(R"(SET "a""b"='it''s; -- not')") == "[SET \"a\"b ~= 'it's; -- not]");
  CHECK(split("version()") == "[version ~( ~)]");
  CHECK(split("''\"\"") == "[' \"]");
  CHECK(split("caf\xc3\xa9") == "[caf\xc3\xa9]");
}

TEST_CASE("statements: several in one query, empty ones left out") {
  CHECK(split("") == "");
  CHECK(split(" ; ;; ") == "");
  CHECK(split("a;b c;") == "[a][b c]");
  CHECK(split(";;a ;; b") == "[a][b]");
}

TEST_CASE("statements: comments count as blanks") {
  CHECK(split("-- ping") == "");
  CHECK(split("--\nshow--x\npools") == "[show pools]");
  CHECK(split("/* a /* nested; */ b */show/**/pools") == "[show pools]");
  CHECK(split("show /") == "[show ~/]");
  CHECK(split("a - b * c") == "[a ~- b ~* c]");
}

TEST_CASE("statements: what does not end is an error of the whole query") {
  CHECK(split("a; /* b") == "42601 unterminated /* comment");
  CHECK(split("/* /* */") == "42601 unterminated /* comment");
  CHECK(split("/*/") == "42601 unterminated /* comment");
  CHECK(split("'abc") == "42601 unterminated string");
  CHECK(split("'abc''") == "42601 unterminated string");
  CHECK(split("\"abc") == "42601 unterminated quoted word");
  CHECK(split("\"") == "42601 unterminated quoted word");
  CHECK(split(Bytes("show\0pools", 10)) == "42601 control character \\x00 in the query");
  CHECK(split("show \x1b[2J") == "42601 control character \\x1b in the query");
}

TEST_CASE("statements: their number and length have limits") {
  std::string many, wide;
  for (std::size_t i = 0; i < max_statements; ++i) many += "a;";
  for (std::size_t i = 0; i < max_tokens; ++i) wide += "a ";
  CHECK(split_statements(many + ";; ").value().size() == max_statements);
  CHECK(split_statements(many + "b").error().sqlstate == "54000");
  CHECK(split_statements(wide).value()[0].size() == max_tokens);
  CHECK(split_statements(wide + "a").error().sqlstate == "54000");
}

TEST_CASE("statements: words are compared without regard to case, strings are no words") {
  CHECK(Token{Kind::word, "pOoLs"}.is("POOLS"));
  CHECK(Token{Kind::quoted, "pools"}.is("POOLS"));
  CHECK_FALSE(Token{Kind::string, "pools"}.is("pools"));
  CHECK_FALSE(Token{Kind::word, "pool"}.is("pools"));
  CHECK_FALSE(Token{Kind::word, "poolss"}.is("pools"));
}
