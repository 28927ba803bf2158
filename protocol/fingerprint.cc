#include "protocol/fingerprint.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "protocol/mix.h"
#include "protocol/sql_lexer.h"

namespace pgweir {

namespace {

// ---- what statements of a class have in common ----

struct Part {
  enum class Kind : std::uint8_t { end, word, quoted, constant, symbol };
  Kind kind = Kind::end;
  Bytes text{};
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The size of the number at the front of `text`, which begins with a digit, or a dot and a digit.
std::size_t number_size(Bytes text) {
  std::size_t size = 0;
  const auto digits = [&] {
    while (size < text.size() && (is_digit(text[size]) || text[size] == '_')) ++size;
  };
  digits();
  if (size < text.size() && text[size] == '.') {
    ++size;
    digits();
  }
  if (size < text.size() && lower_ascii(text[size]) == 'e') {
    const std::size_t sign = size + 1 < text.size() && (text[size + 1] == '-' || text[size + 1] == '+');
    if (size + 1 + sign < text.size() && is_digit(text[size + 1 + sign])) {
      size += 1 + sign;
      digits();
    }
  }
  return size;
}

// Behind these a sign belongs to the number that follows.
constexpr std::array<Bytes, 25> before_values{
    "and",    "between",   "by",     "case", "distinct", "else", "from",   "having", "ilike",
    "in",     "interval",  "is",     "like", "limit",    "not",  "offset", "on",     "or",
    "return", "returning", "select", "then", "values",   "when", "where"};

// Statements whose names are of no interest: the words that may follow and are none, with a blank around
// each.
struct Unnamed {
  Bytes first;
  Bytes known;
};
constexpr std::array<Unnamed, 17> unnamed{{
    {"savepoint", ""},
    {"release", " savepoint "},
    {"rollback", " to savepoint and chain no prepared "},
    {"declare", " asensitive binary insensitive scroll no cursor "},
    {"fetch", " next prior first last absolute relative all forward backward from in "},
    {"move", " next prior first last absolute relative all forward backward from in "},
    {"close", " all "},
    {"prepare", " transaction "},
    {"deallocate", " prepare all "},
    {"listen", ""},
    {"unlisten", ""},
    {"notify", ""},
    {"begin",
     " isolation level serializable repeatable read committed uncommitted write only not deferrable "},
    {"start",
     " isolation level serializable repeatable read committed uncommitted write only not deferrable "},
    {"commit", " and chain no prepared "},
    {"end", " and chain no "},
    {"abort", " and chain no "},
}};

constexpr std::array<Bytes, 3> noise{"work", "transaction", "savepoint"};

// Reads statement after statement as parts.
class Parts {
 public:
  explicit Parts(Bytes sql) : sql_(sql), lexer_(sql) {}

  Part next();

 private:
  using Kind = Part::Kind;

  Part read();
  Part constant(Bytes text) { return {Kind::constant, text}; }
  bool sign_follows(const SqlToken& token);
  Bytes rest_from(const char* at) const {
    return {at, static_cast<std::size_t>(sql_.data() + sql_.size() - at)};
  }
  // The part as it counts, or nothing of it.
  bool passes(Part& part);
  bool is_name(const Part& part);
  static bool is(const Part& part, Bytes lower) {
    return part.kind == Kind::word && part.text.size() == lower.size() &&
           std::equal(lower.begin(), lower.end(), part.text.begin(),
                      [](char a, char b) { return a == lower_ascii(b); });
  }
  static bool is(const Part& part, char c) { return part.kind == Kind::symbol && part.text[0] == c; }

  Bytes sql_;
  SqlLexer lexer_;
  Part before_{};  // read last
  Part held_{};    // read, and not given out yet
  bool has_held_ = false;
  const Unnamed* unnamed_ = nullptr;
  bool named_ = false;    // the name has been left out
  bool started_ = false;  // within a statement
  int depth_ = 0;
  int values_ = -1;        // the depth at which VALUES stands
  bool row_done_ = false;  // its first row has been read
};

Part Parts::read() {
  const SqlToken token = lexer_.next();
  switch (token.kind) {
    case SqlToken::Kind::end:
      return {};
    case SqlToken::Kind::word: {
      // B'', X'', N'' and U&'' constants.
      const Bytes rest = rest_from(token.text.data() + token.text.size());
      const bool of_string = token.text.size() == 1 && Bytes("bBxXnNuU").find(token.text[0]) != Bytes::npos &&
                             (rest.starts_with('\'') || rest.starts_with("&'"));
      if (!of_string) return {Kind::word, token.text};
      if (rest.starts_with('&')) lexer_.next();
      lexer_.next();
      return constant(token.text);
    }
    case SqlToken::Kind::quoted:
      return {Kind::quoted, token.text};
    case SqlToken::Kind::string:
      return constant(token.text);
    case SqlToken::Kind::other:
      break;
  }
  const char first = token.text[0];
  if (first == '$' && token.text.size() > 1) return constant(token.text);
  const Bytes rest = rest_from(token.text.data());
  if (is_digit(first) || (first == '.' && rest.size() > 1 && is_digit(rest[1]))) {
    const std::size_t size = number_size(rest);
    lexer_ = SqlLexer(rest.substr(size));
    return constant(rest.substr(0, size));
  }
  if (sign_follows(token)) return read();
  return {Kind::symbol, token.text};
}

bool Parts::sign_follows(const SqlToken& token) {
  if (!token.is('-') && !token.is('+')) return false;
  SqlLexer ahead = lexer_;
  const SqlToken next = ahead.next();
  if (next.kind != SqlToken::Kind::other || !(is_digit(next.text[0]) || next.text[0] == '.')) return false;
  switch (before_.kind) {
    case Kind::end:
      return true;
    case Kind::symbol:
      return before_.text[0] != ')' && before_.text[0] != ']';
    case Kind::word:
      return std::any_of(before_values.begin(), before_values.end(),
                         [&](Bytes word) { return is(before_, word); });
    case Kind::quoted:
    case Kind::constant:
      break;
  }
  return false;
}

bool Parts::is_name(const Part& part) {
  if (part.kind == Kind::quoted) return true;
  if (part.kind != Kind::word) return false;
  std::size_t at = 0;
  const Bytes known = unnamed_->known;
  while (at < known.size()) {
    const std::size_t end = known.find(' ', at + 1);
    if (end == Bytes::npos) break;
    if (is(part, known.substr(at + 1, end - at - 1))) return false;
    at = end;
  }
  return true;
}

bool Parts::passes(Part& part) {
  if (part.kind == Kind::end) return true;
  if (is(part, ';') && depth_ == 0) {
    started_ = named_ = row_done_ = false;
    unnamed_ = nullptr;
    values_ = -1;
    return true;
  }
  if (!started_) {
    started_ = true;
    for (const Unnamed& statement : unnamed)
      if (is(part, statement.first)) unnamed_ = &statement;
    return true;
  }
  if (unnamed_ == nullptr) return true;
  // BEGIN WORK, ROLLBACK TO SAVEPOINT x: words that change nothing.
  if (std::any_of(noise.begin(), noise.end(), [&](Bytes word) { return is(part, word); })) return false;
  if (named_ || !is_name(part)) return true;
  named_ = true;
  return false;
}

Part Parts::next() {
  if (has_held_) {
    has_held_ = false;
    return held_;
  }
  for (;;) {
    Part part = read();
    const Part before = std::exchange(before_, part);
    if (!passes(part)) continue;
    if (is(part, '(')) ++depth_;
    if (is(part, ')') && depth_ > 0) {
      --depth_;
      if (depth_ == values_) row_done_ = true;
      return part;
    }
    if (is(part, "values")) {
      values_ = depth_;
      row_done_ = false;
      return part;
    }
    // Rows like the first one.
    if (is(part, ',') && std::exchange(row_done_, false)) {
      const Part row = read();
      before_ = row;
      if (!is(row, '(')) {
        held_ = row;
        has_held_ = true;
        return part;
      }
      int depth = 1;
      while (depth > 0) {
        const Part inside = read();
        before_ = inside;
        if (inside.kind == Kind::end) return {};
        if (is(inside, '(')) ++depth;
        if (is(inside, ')')) --depth;
      }
      row_done_ = true;
      continue;
    }
    // Constants like the one before.
    if (is(part, ',') && before.kind == Kind::constant) {
      const Part value = read();
      before_ = value;
      if (value.kind == Kind::constant) continue;
      held_ = value;
      has_held_ = true;
      if (is(value, '(')) ++depth_;
      if (is(value, ')') && depth_ > 0) --depth_;
      return part;
    }
    row_done_ = false;
    return part;
  }
}

// ---- the number ----

// Letters of words count without their case; quoted identifiers as they are.
std::uint64_t mix_text(std::uint64_t hash, Bytes text, bool fold) {
  for (std::size_t at = 0; at < text.size(); at += 8) {
    std::uint64_t chunk = 0;
    std::memcpy(&chunk, text.data() + at, std::min<std::size_t>(8, text.size() - at));
    // 0x20 to every byte of ASCII: in a word only letters change, and the underline, which nothing else
    // becomes.
    if (fold) chunk |= (~chunk & 0x8080808080808080u) >> 2;
    hash = mix(hash, chunk);
  }
  return hash;
}

bool needs_no_quotes(Bytes quoted) {
  return !quoted.empty() && SqlLexer::starts_word(quoted[0]) &&
         std::all_of(quoted.begin(), quoted.end(),
                     [](char c) { return SqlLexer::in_word(c) && c == lower_ascii(c); });
}

// ---- the text ----

// Whether there is no blank between them.
bool is_glued(const Part& before, const Part& part) {
  constexpr Bytes not_behind = "([.:", not_before = ")],;.:";
  const bool symbols = before.kind == Part::Kind::symbol && part.kind == Part::Kind::symbol;
  if (before.kind == Part::Kind::symbol && not_behind.find(before.text[0]) != Bytes::npos) return true;
  if (part.kind != Part::Kind::symbol) return false;
  if (not_before.find(part.text[0]) != Bytes::npos) return true;
  // An operator, a call.
  const bool adjacent = before.text.data() + before.text.size() == part.text.data();
  return adjacent && (symbols || part.text[0] == '(' || part.text[0] == '[');
}

}  // namespace

std::uint64_t statement_class(Bytes sql) {
  Parts parts(sql);
  std::uint64_t all = 0, hash = 0;
  for (Part part = parts.next(); part.kind != Part::Kind::end; part = parts.next()) {
    switch (part.kind) {
      case Part::Kind::word:
        hash = mix(mix_text(hash, part.text, true), 1);
        break;
      case Part::Kind::quoted: {
        const bool plain = needs_no_quotes(part.text);
        hash = mix(mix_text(hash, part.text, plain), plain ? 1 : 2);
        break;
      }
      case Part::Kind::constant:
        hash = mix(hash, 3);
        break;
      case Part::Kind::symbol:
        if (part.text[0] == ';') {
          if (hash != 0) all = batch_class(all, std::exchange(hash, 0));
        } else {
          hash = mix(hash, 0x100u + static_cast<unsigned char>(part.text[0]));
        }
        break;
      case Part::Kind::end:
        break;
    }
  }
  return hash == 0 ? all : batch_class(all, hash);
}

std::uint64_t batch_class(std::uint64_t batch, std::uint64_t next) {
  return batch == 0 || batch == next ? next : mix(mix(batch, 4), next);
}

std::string class_text(Bytes sql, std::size_t limit) {
  Parts parts(sql);
  std::string text;
  Part before{};
  for (Part part = parts.next(); part.kind != Part::Kind::end; before = part, part = parts.next()) {
    if (text.size() > limit) break;
    if (!text.empty() && !is_glued(before, part)) text += ' ';
    switch (part.kind) {
      case Part::Kind::constant:
        text += '$';
        break;
      case Part::Kind::quoted:
        text += '"';
        text += part.text;
        text += '"';
        break;
      case Part::Kind::word:
      case Part::Kind::symbol:
        text += part.text;
        break;
      case Part::Kind::end:
        break;
    }
  }
  while (text.ends_with(';')) text.pop_back();
  if (text.size() <= limit) return text;
  // Not in the middle of a character.
  std::size_t size = limit;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  text.resize(size);
  return text + "…";
}

}  // namespace pgweir
