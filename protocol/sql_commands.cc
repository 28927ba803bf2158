#include "protocol/sql_commands.h"

#include <algorithm>
#include <array>

#include "protocol/sql_lexer.h"

namespace pgweir {

namespace {

using Kind = SqlToken::Kind;

constexpr std::size_t max_name = 63;  // NAMEDATALEN - 1

// What cannot be a name without quotes: the keywords that are RESERVED_KEYWORD or TYPE_FUNC_NAME_KEYWORD in a
// kwlist.h of PostgreSQL 13 to 18. A word that is reserved in some of them is a doubt.
constexpr std::array reserved{
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
};

// One statement, taken word by word.
class Statement {
 public:
  explicit Statement(Bytes sql) : sql_(sql), lexer_(sql) { take(); }

  // Takes the word if it is next.
  bool word(Bytes lower) { return token_.is(lower) && take(); }
  bool symbol(char c) { return token_.is(c) && take(); }

  std::optional<std::string> name() {
    std::string name(token_.text);
    if (token_.kind == Kind::word) {
      name = lower_ascii(name);
      const auto is_name = [&](Bytes word) { return word == name; };
      if (std::any_of(reserved.begin(), reserved.end(), is_name)) return std::nullopt;
    } else if (token_.kind == Kind::quoted) {
      for (auto quote = name.find('"'); quote != std::string::npos; quote = name.find('"', quote + 1)) {
        name.erase(quote, 1);  // doubled
      }
    }
    if (name.empty() || (token_.kind != Kind::word && token_.kind != Kind::quoted)) return std::nullopt;
    take();
    if (name.size() > max_name) name.resize(max_name);
    return name;
  }

  // Whatever it is, up to the end of the statement.
  void skip_rest() {
    while (token_.kind != Kind::end && !token_.is(';')) take();
  }
  // An optional list in parentheses; false when it does not end.
  bool skip_parentheses() {
    if (!token_.is('(')) return true;
    std::size_t depth = 0;
    do {
      if (token_.is('(')) ++depth;
      if (token_.is(')')) --depth;
      take();
    } while (depth > 0 && token_.kind != Kind::end && !token_.is(';'));
    return depth == 0;
  }

  // Nothing follows, and all of it could be read.
  bool ends() {
    symbol(';');
    return token_.kind == Kind::end && !lexer_.unclear() && std::all_of(sql_.begin(), sql_.end(), [](char c) {
             return c != 0 && static_cast<unsigned char>(c) < 0x80;
           });
  }

 private:
  bool take() {
    token_ = lexer_.next();
    return true;
  }

  Bytes sql_;
  SqlLexer lexer_;
  SqlToken token_{};
};

}  // namespace

std::optional<PlainTransaction> plain_transaction(Bytes sql) {
  Statement statement(sql);
  PlainTransaction kind;
  if (statement.word("start")) {
    if (!statement.word("transaction")) return std::nullopt;
    kind = PlainTransaction::start;
  } else {
    if (statement.word("begin")) {
      kind = PlainTransaction::begin;
    } else if (statement.word("commit") || statement.word("end")) {
      kind = PlainTransaction::commit;
    } else if (statement.word("rollback") || statement.word("abort")) {
      kind = PlainTransaction::rollback;
    } else {
      return std::nullopt;
    }
    if (!statement.word("work")) statement.word("transaction");
  }
  return statement.ends() ? std::optional(kind) : std::nullopt;
}

std::optional<ListenStatement> listen_statement(Bytes sql) {
  using Listen = ListenStatement::Kind;
  Statement statement(sql);
  ListenStatement result{.kind = Listen::listen, .channel = {}};
  if (statement.word("unlisten")) {
    result.kind = statement.symbol('*') ? Listen::unlisten_all : Listen::unlisten;
  } else if (!statement.word("listen")) {
    return std::nullopt;
  }
  if (result.kind != Listen::unlisten_all) {
    auto channel = statement.name();
    if (!channel) return std::nullopt;
    result.channel = std::move(*channel);
  }
  if (!statement.ends()) return std::nullopt;
  return result;
}

std::vector<ListenStatement> unlisten_statements(Bytes sql) {
  using Listen = ListenStatement::Kind;
  std::vector<ListenStatement> found;
  Statement statement(sql);
  do {
    if (statement.word("unlisten")) {
      if (statement.symbol('*')) {
        found.push_back({.kind = Listen::unlisten_all, .channel = {}});
      } else if (auto channel = statement.name()) {
        found.push_back({.kind = Listen::unlisten, .channel = std::move(*channel)});
      }
    } else if (statement.word("discard") && statement.word("all")) {
      found.push_back({.kind = Listen::unlisten_all, .channel = {}});
    }
    statement.skip_rest();
  } while (statement.symbol(';'));
  return found;
}

std::optional<std::string> deallocate_name(Bytes sql) {
  Statement statement(sql);
  if (!statement.word("deallocate")) return std::nullopt;
  statement.word("prepare");
  auto name = statement.name();
  return statement.ends() ? std::move(name) : std::nullopt;
}

std::optional<std::string> prepare_name(Bytes sql) {
  Statement statement(sql);
  if (!statement.word("prepare")) return std::nullopt;
  auto name = statement.name();
  if (!name) return std::nullopt;
  if (!statement.skip_parentheses() || !statement.word("as")) return std::nullopt;
  statement.skip_rest();
  return statement.ends() ? std::move(name) : std::nullopt;
}

std::optional<std::string> execute_name(Bytes sql) {
  Statement statement(sql);
  if (!statement.word("execute")) return std::nullopt;
  auto name = statement.name();
  if (!name) return std::nullopt;
  return statement.skip_parentheses() && statement.ends() ? std::move(name) : std::nullopt;
}

}  // namespace pgweir
