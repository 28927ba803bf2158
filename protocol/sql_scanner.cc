#include "protocol/sql_scanner.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <utility>

#include "protocol/parameters.h"
#include "protocol/sql_lexer.h"

namespace pgweir {

class SqlScanner {
 public:
  SqlScanner(Bytes sql, SetParameters* parameters) : lexer_(sql), parameters_(parameters) {}

  SqlEffects run();

  // One statement without effects.
  static SqlEffects plain() {
    SqlEffects effects;
    effects.statements_ = 1;
    return effects;
  }

 private:
  using Kind = SqlToken::Kind;

  void advance();
  void observe();
  void observe_word();
  bool at_end() const { return token_.kind == Kind::end || (token_.is(';') && depth_ == 0 && body_ == 0); }
  bool at_name() const { return token_.kind == Kind::word || token_.kind == Kind::quoted; }
  // Behind a parameter's name.
  bool at_value() const { return token_.is('.') || token_.is('=') || token_.is("to") || token_.is("from"); }

  // Within a statement.
  void step() {
    if (!at_end()) advance();
  }
  void statement();
  void transaction(SqlEffect end);
  void set();
  void set_value(Bytes name);
  void reset();
  void set_config();
  void declare();
  void discard();
  void deallocate();
  void prepare();

  void add(SqlEffect effect) { effects_.add(effect); }
  void add_parameter(std::initializer_list<Bytes> parts);
  void add_unknown_parameters();
  void add_local();

  SqlLexer lexer_;
  SetParameters* parameters_;
  SqlEffects effects_;
  SqlToken token_{}, before_{};
  std::size_t depth_ = 0;    // of parentheses
  std::size_t body_ = 0;     // of BEGIN ATOMIC and the CASEs inside
  bool creating_ = false;    // the statement began with CREATE
  bool explaining_ = false;  // or with EXPLAIN
  bool updating_ = false;    // the statement has the word UPDATE
  bool into_temp_ = false;   // behind CREATE or INTO and what may stand before TEMP
  int lookahead_ = 1024;     // tokens that may still be read twice, so that the whole stays linear
};

void SqlEffects::add(const SqlEffects& others) {
  constexpr auto most = std::numeric_limits<std::uint32_t>::max();
  bits_ |= others.bits_;
  statements_ += std::min(others.statements_, most - statements_);
  local_sets_ += std::min(others.local_sets_, most - local_sets_);
}

SqlEffects SqlScanner::run() {
  for (advance(); token_.kind != Kind::end; advance()) {
    if (!token_.is(';')) {
      if (effects_.statements_ != std::numeric_limits<std::uint32_t>::max()) ++effects_.statements_;
      if (token_.kind == Kind::word) statement();
      while (!at_end()) advance();
    }
    depth_ = body_ = 0;
    creating_ = explaining_ = updating_ = into_temp_ = false;
  }
  if (lexer_.unclear()) {
    add(SqlEffect::opaque);
    add_unknown_parameters();
  }
  return effects_;
}

void SqlScanner::advance() {
  before_ = token_;
  token_ = lexer_.next();
  observe();
}

// What counts wherever it stands.
void SqlScanner::observe() {
  switch (token_.kind) {
    case Kind::word:
    case Kind::quoted:
      observe_word();
      return;
    case Kind::other:
      if (token_.is('(')) ++depth_;
      if (token_.is(')') && depth_ > 0) --depth_;
      break;
    case Kind::string:
    case Kind::end:
      break;
  }
  into_temp_ = false;
}

void SqlScanner::observe_word() {
  const bool was_into_temp = std::exchange(into_temp_, false);
  switch (lower_ascii(token_.text.empty() ? '\0' : token_.text[0])) {
    case 'a':
      if (creating_ && token_.is("atomic") && before_.is("begin")) ++body_;
      return;
    case 'c':
      if (token_.is("create")) into_temp_ = true;
      // `AS case` is a label.
      if (body_ > 0 && token_.is("case") && !before_.is("as") && !before_.is('.')) ++body_;
      return;
    case 'e':
      if (body_ > 0 && token_.is("end") && !before_.is("as") && !before_.is('.')) --body_;
      // CREATE TABLE ... AS EXECUTE, EXPLAIN EXECUTE
      if (((creating_ && before_.is("as")) || explaining_) && token_.is("execute")) add(SqlEffect::execute);
      return;
    case 'g':
    case 'l':
      into_temp_ = was_into_temp && (token_.is("global") || token_.is("local"));
      return;
    case 'i':
      into_temp_ = token_.is("into") && !before_.is("insert") && !before_.is("merge");
      return;
    case 'o':
      into_temp_ = was_into_temp && token_.is("or");
      return;
    case 'p':
      if (token_.text.size() < 7) return;
      if (token_.names("pg_temp")) {
        if (creating_ || before_.is("into")) add(SqlEffect::temp_table);
      } else if (token_.names("pg_settings")) {
        if (updating_) add_unknown_parameters();  // its rule calls set_config()
      } else if (token_.names("pg_advisory_lock") || token_.names("pg_advisory_lock_shared") ||
                 token_.names("pg_try_advisory_lock") || token_.names("pg_try_advisory_lock_shared")) {
        add(SqlEffect::advisory_lock);
      } else if (token_.names("pg_advisory_unlock") || token_.names("pg_advisory_unlock_shared") ||
                 token_.names("pg_advisory_unlock_all")) {
        add(SqlEffect::advisory_unlock);
      }
      return;
    case 'r':
      into_temp_ = was_into_temp && token_.is("replace");
      return;
    case 's':
      if (token_.names("set_config")) set_config();
      return;
    case 't':
      if (was_into_temp && (token_.is("temp") || token_.is("temporary"))) add(SqlEffect::temp_table);
      return;
    case 'u':
      if (token_.is("update")) updating_ = true;
      return;
  }
}

void SqlScanner::statement() {
  const SqlToken first = token_;
  const auto simple = [&](Bytes word, SqlEffect effect) {
    if (!first.is(word)) return false;
    add(effect);
    return true;
  };
  switch (lower_ascii(first.text[0])) {
    case 'a':
      if (first.is("abort")) transaction(SqlEffect::rollback);
      return;
    case 'b':
      simple("begin", SqlEffect::begin);
      return;
    case 'c':
      if (first.is("create")) {
        creating_ = true;
      } else if (first.is("commit")) {
        transaction(SqlEffect::commit);
      } else if (first.is("call")) {
        add(SqlEffect::opaque);
        add_unknown_parameters();
      } else {
        simple("close", SqlEffect::close_cursor);
      }
      return;
    case 'd':
      if (first.is("do")) {
        add(SqlEffect::opaque);
        add_unknown_parameters();
      } else if (first.is("declare")) {
        declare();
      } else if (first.is("deallocate")) {
        deallocate();
      } else if (first.is("discard")) {
        discard();
      } else {
        simple("drop", SqlEffect::drop);
      }
      return;
    case 'e':
      explaining_ = first.is("explain");
      if (first.is("end")) transaction(SqlEffect::commit);
      simple("execute", SqlEffect::execute);
      return;
    case 'l':
      if (!simple("listen", SqlEffect::listen)) simple("load", SqlEffect::load);
      return;
    case 'n':
      simple("notify", SqlEffect::notify);
      return;
    case 'p':
      if (first.is("prepare")) prepare();
      return;
    case 'r':
      if (first.is("reset")) reset();
      if (first.is("rollback")) transaction(SqlEffect::rollback);
      return;
    case 's':
      if (first.is("set")) set();
      simple("start", SqlEffect::begin);
      return;
    case 'u':
      simple("unlisten", SqlEffect::unlisten);
      return;
  }
}

void SqlScanner::transaction(SqlEffect end) {
  step();
  if (token_.is("work") || token_.is("transaction")) step();
  if (token_.is("prepared")) return;
  if (token_.is("to")) return add(SqlEffect::rollback_to);
  add(end);
  if (!token_.is("and")) return;
  step();
  if (token_.is("chain")) add(SqlEffect::begin);
}

void SqlScanner::set() {
  step();
  SqlToken name = token_;
  if (!at_name()) return;
  step();
  // Each of these words may be the first part of a parameter's name as well.
  if (!at_value() && name.is("local")) {
    if (token_.is("time") || token_.is("names") || token_.is("xml") || matters_to_parser(token_.text))
      add(SqlEffect::set_for_parser);
    return add_local();
  }
  if (!at_value() && name.is("session")) {
    name = token_;
    if (!at_name()) return;
    step();
    if (!at_value() && name.is("authorization")) return add_parameter({"session_authorization"});
    if (!at_value() && name.is("characteristics")) {
      add_parameter({"default_transaction_isolation"});
      add_parameter({"default_transaction_read_only"});
      return add_parameter({"default_transaction_deferrable"});
    }
  }
  if (at_value()) return set_value(name.text);
  if (name.is("transaction") || name.is("constraints")) return add_local();
  if (name.is("time")) return add_parameter({"timezone"});
  if (name.is("names")) return add_parameter({"client_encoding"});
  if (name.is("role")) return add_parameter({"role"});
  if (name.is("xml")) return add_parameter({"xmloption"});
  if (name.is("seed")) return add_parameter({"seed"});
  if (name.is("schema")) {
    add_parameter({"search_path"});
    if (token_.kind == Kind::string && token_.text.starts_with("pg_temp")) add(SqlEffect::temp_table);
    return;
  }
  add_unknown_parameters();
}

// At the dot, equals sign or word behind a name or its first part.
void SqlScanner::set_value(Bytes name) {
  if (token_.is('.')) {
    step();
    const Bytes second = token_.text;
    step();
    // More parts than two make a name that is not worth telling.
    return token_.is('.') ? add_unknown_parameters() : add_parameter({name, ".", second});
  }
  add_parameter({name});
  const SqlToken search_path{.kind = Kind::quoted, .exact = true, .text = name};
  if (parameters_ == nullptr && !search_path.names("search_path")) return;
  step();
  if (parameters_ != nullptr && token_.is("default")) parameters_->resets = true;
  if (!search_path.names("search_path")) return;
  // CREATE TABLE makes temporary tables then.
  if (token_.names("pg_temp") || (token_.kind == Kind::string && token_.text.starts_with("pg_temp"))) {
    add(SqlEffect::temp_table);
  }
}

void SqlScanner::reset() {
  step();
  const SqlToken name = token_;
  if (!at_name()) return;
  if (parameters_ != nullptr) parameters_->resets = true;
  step();
  if (token_.is('.')) return set_value(name.text);
  if (name.is("all")) {
    add(SqlEffect::reset_all);
    return add_unknown_parameters();
  }
  if (name.is("time") && token_.is("zone")) return add_parameter({"timezone"});
  if (name.is("session") && token_.is("authorization")) return add_parameter({"session_authorization"});
  if (name.is("transaction") && token_.is("isolation")) return;
  add_parameter({name.text});
}

// Behind the function's name: looks ahead for a name that is a constant and a third argument that is TRUE.
void SqlScanner::set_config() {
  if (effects_.has(SqlEffect::set) && parameters_ == nullptr) return;
  SqlLexer ahead = lexer_;
  SqlToken token{}, before{};
  const auto next = [&] {
    before = token;
    token = --lookahead_ < 0 ? SqlToken{} : ahead.next();
    return token;
  };
  if (!next().is('(')) return add_unknown_parameters();
  const SqlToken name = next();
  bool constant = name.kind == Kind::string && name.exact;
  std::size_t depth = 1, commas = 0, comma_at = 0, at = 0;
  for (;; next(), ++at) {
    if (token.kind == Kind::end) return add_unknown_parameters();
    if (token.is('(')) ++depth;
    if (token.is(')') && --depth == 0) break;
    if (!token.is(',') || depth > 1) continue;
    if (++commas == 1 && at != 1) constant = false;
    comma_at = at;
  }
  if (commas == 2 && comma_at + 2 == at && before.is("true")) {
    if (!constant || matters_to_parser(name.text)) add(SqlEffect::set_for_parser);
    return;
  }
  constant ? add_parameter({name.text}) : add_unknown_parameters();
}

void SqlScanner::declare() {
  // Behind FOR the query begins, which may have a WITH of its own.
  while (!at_end() && !token_.is("for")) {
    step();
    if (token_.is("hold") && before_.is("with")) return add(SqlEffect::hold_cursor);
  }
}

void SqlScanner::discard() {
  step();
  if (token_.is("all")) add(SqlEffect::discard_all);
  if (token_.is("plans")) add(SqlEffect::discard_plans);
  if (token_.is("sequences")) add(SqlEffect::discard_sequences);
  if (token_.is("temp") || token_.is("temporary")) add(SqlEffect::discard_temp);
}

void SqlScanner::deallocate() {
  step();
  if (token_.is("prepare")) step();
  add(token_.is("all") ? SqlEffect::deallocate_all : SqlEffect::deallocate_one);
}

void SqlScanner::prepare() {
  step();
  const bool transaction_word = token_.is("transaction");
  step();
  add(transaction_word && token_.kind == Kind::string ? SqlEffect::prepare_transaction : SqlEffect::prepare);
}

void SqlScanner::add_local() {
  add(SqlEffect::set_local);
  if (effects_.local_sets_ != std::numeric_limits<std::uint32_t>::max()) ++effects_.local_sets_;
}

void SqlScanner::add_parameter(std::initializer_list<Bytes> parts) {
  add(SqlEffect::set);
  if (parts.size() == 1 && matters_to_parser(*parts.begin())) add(SqlEffect::set_for_parser);
  if (parameters_ == nullptr) return;
  std::string name;
  for (const Bytes part : parts) name += part;
  name = lower_ascii(name);
  auto& names = parameters_->names;
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  if (names.size() == max_set_parameters) return add_unknown_parameters();
  names.push_back(std::move(name));
}

void SqlScanner::add_unknown_parameters() {
  add(SqlEffect::set);
  add(SqlEffect::set_for_parser);
  if (parameters_ != nullptr) parameters_->others = true;
}

namespace {

// 16 bytes of the text at once, letters in lower case; '_' becomes '\x7f' by that.
using Lanes = std::uint8_t __attribute__((vector_size(16)));

Lanes lower_lanes(const char* text) {
  Lanes lanes;
  std::memcpy(&lanes, text, sizeof lanes);
  return lanes | 0x20;
}

template <class Mask>
bool any(const Mask& mask) {
  std::array<std::uint64_t, 2> halves;
  std::memcpy(halves.data(), &mask, sizeof halves);
  return (halves[0] | halves[1]) != 0;
}

constexpr std::size_t lanes_size = sizeof(Lanes), lanes_reach = lanes_size + 3;

// "temp" is in many words: only the word, pg_temp and TEMPORARY count.
bool is_temp(Bytes text, std::size_t at) {
  const auto equal = [&](std::size_t place, Bytes lower) {
    const Bytes part = text.substr(std::min(place, text.size()), lower.size());
    return std::equal(part.begin(), part.end(), lower.begin(), lower.end(),
                      [](char a, char b) { return lower_ascii(a) == b; });
  };
  const auto ends = [&](std::size_t place) {
    return place >= text.size() || !SqlLexer::in_word(text[place]);
  };
  if (!equal(at, "temp")) return false;
  if (at >= 3 && equal(at - 3, "pg_")) return true;
  return (at == 0 || !SqlLexer::starts_word(text[at - 1])) &&
         (ends(at + 4) || (equal(at, "temporary") && ends(at + 9)));
}

// Whether a word that matters may begin or go on in the 16 bytes from `at`, by four of its letters.
// `window` is what is there, padded with zeros to 19 bytes.
bool has_word(Bytes text, std::size_t at, const char* window) {
  const Lanes a = lower_lanes(window), b = lower_lanes(window + 1), c = lower_lanes(window + 2),
              d = lower_lanes(window + 3);
  if (any(((a == 'e') & (b == 't') & (c == 0x7f) & (d == 'c')) |  // set_config
          ((a == 'v') & (b == 'i') & (c == 's') & (d == 'o')) |   // pg_advisory_lock
          ((a == 'g') & (b == 0x7f) & (c == 's') & (d == 'e')) |  // pg_settings
          ((a == 'u') & (b == '&') & (c == '"')))) {              // an identifier with escapes
    return true;
  }
  if (!any((a == 't') & (b == 'e') & (c == 'm') & (d == 'p'))) return false;
  for (std::size_t i = at; i < at + lanes_size; ++i) {
    if (is_temp(text, i)) return true;
  }
  return false;
}

bool has_word(Bytes text) {
  std::size_t at = 0;
  for (; text.size() - at >= lanes_reach; at += lanes_size) {
    if (has_word(text, at, text.data() + at)) return true;
  }
  std::array<char, lanes_size + lanes_reach> rest{};
  std::copy(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), rest.begin());
  return has_word(text, at, rest.data()) || has_word(text, at + lanes_size, rest.data() + lanes_size);
}

// One statement of the usual kinds, and nothing in it can be an effect, wherever its strings and comments
// end: most strings need no more than this.
bool is_plain(Bytes sql) {
  const std::size_t semicolon = sql.find(';');
  if (semicolon != Bytes::npos && sql.find_first_not_of(" \t\r\n;", semicolon) != Bytes::npos) return false;
  const SqlToken first = SqlLexer(sql).next();
  const auto& usual = {"select", "insert", "update", "delete", "with", "values", "merge", "table"};
  return std::any_of(usual.begin(), usual.end(), [&](Bytes word) { return first.is(word); }) &&
         !has_word(sql);
}

}  // namespace

SqlEffects scan_sql(Bytes sql) {
  if (is_plain(sql)) return SqlScanner::plain();
  return SqlScanner(sql, nullptr).run();
}

SetParameters set_parameters(Bytes sql) {
  SetParameters parameters;
  if (!is_plain(sql)) SqlScanner(sql, &parameters).run();
  return parameters;
}

}  // namespace pgweir
