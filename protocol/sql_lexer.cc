#include "protocol/sql_lexer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/sql_character.h"

namespace pgweir {

namespace {

using namespace sql_character;

bool equal_lower(Bytes text, Bytes lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(),
                                                   [](char a, char b) { return lower_ascii(a) == b; });
}

}  // namespace

bool SqlToken::is(Bytes lower) const { return kind == Kind::word && equal_lower(text, lower); }

bool SqlToken::names(Bytes lower) const {
  return (kind == Kind::word || kind == Kind::quoted) && equal_lower(text, lower);
}

bool SqlLexer::starts_word(char c) { return class_of(c) == letter; }
bool SqlLexer::in_word(char c) { return class_of(c) >= letter || c == '$'; }

SqlToken SqlLexer::take(SqlToken::Kind kind, std::size_t size) {
  const SqlToken token{.kind = kind, .exact = false, .text = rest_.substr(0, size)};
  rest_.remove_prefix(size);
  return token;
}

// The text ends inside of something.
Bytes SqlLexer::open_ended() {
  unclear_ = true;
  return std::exchange(rest_, Bytes{});
}

SqlToken SqlLexer::next() {
  skip_blanks();
  if (rest_.empty()) return {};
  const char c = rest_[0];
  switch (class_of(c)) {
    case letter: {
      std::size_t size = 1;
      while (size < rest_.size() && in_word(rest_[size])) ++size;
      if (size == 1 && size < rest_.size()) {
        const char prefix = lower_ascii(c);
        if (prefix == 'e' && rest_[1] == '\'') {
          rest_.remove_prefix(1);
          return take_string(true);
        }
        if (prefix == 'u' && rest_.substr(1, 2) == "&\"") {
          unclear_ = true;
          rest_.remove_prefix(2);
          return take_quoted();
        }
      }
      return take(SqlToken::Kind::word, size);
    }
    case digit: {
      // Without exponents and underscores: what follows at once makes a word of its own, as in `1INTO`.
      std::size_t size = 1;
      while (size < rest_.size() && class_of(rest_[size]) == digit) ++size;
      return take(SqlToken::Kind::other, size);
    }
    case blank:
    case symbol:
      break;
  }
  if (c == '\'') return take_string(false);
  if (c == '"') return take_quoted();
  if (c == '$') return take_dollar();
  return take(SqlToken::Kind::other, 1);
}

void SqlLexer::skip_blanks() {
  while (!rest_.empty()) {
    if (class_of(rest_[0]) == blank) {
      rest_.remove_prefix(1);
    } else if (rest_.starts_with("--")) {
      rest_.remove_prefix(std::min(rest_.find_first_of("\n\r"), rest_.size()));
    } else if (rest_.starts_with("/*")) {
      skip_comment();
    } else {
      return;
    }
  }
}

void SqlLexer::skip_comment() {
  std::size_t depth = 0;
  for (std::size_t i = 0; i + 1 < rest_.size(); ++i) {
    if (rest_[i] == '/' && rest_[i + 1] == '*') {
      ++depth;
      ++i;
    } else if (rest_[i] == '*' && rest_[i + 1] == '/') {
      ++i;
      if (--depth == 0) return rest_.remove_prefix(i + 1);
    }
  }
  open_ended();
}

SqlToken SqlLexer::take_string(bool escapes) {
  SqlToken token{.kind = SqlToken::Kind::string, .exact = true};
  rest_.remove_prefix(1);
  const Bytes start = rest_;
  for (;;) {
    if (escapes && !take_escaped(token.exact)) {
      token.exact = false;
      token.text = start;
      return token;
    }
    const std::size_t end = rest_.find('\'');
    if (end == Bytes::npos) {
      token.exact = false;
      token.text = start;
      open_ended();
      return token;
    }
    // With standard_conforming_strings off, or as a second byte, this would not be the end.
    const char* const quote = rest_.data() + end;
    if (!escapes && quote != start.data() && quote[-1] == '\\') unclear_ = true;
    rest_.remove_prefix(end + 1);
    token.text = start.substr(0, static_cast<std::size_t>(quote - start.data()));
    if (rest_.starts_with('\'')) {
      token.exact = false;
      rest_.remove_prefix(1);
      continue;
    }
    if (!escapes) return token;
    // A string that goes on in another line keeps its escapes.
    const Bytes behind = rest_;
    skip_blanks();
    if (!rest_.starts_with('\'')) {
      rest_ = behind;
      return token;
    }
    token.exact = false;
    rest_.remove_prefix(1);
  }
}

// Up to the quote that ends an E'' string. False: there is none.
bool SqlLexer::take_escaped(bool& exact) {
  for (std::size_t i = 0; i < rest_.size(); ++i) {
    if (rest_[i] == '\'') {
      rest_.remove_prefix(i);
      return true;
    }
    if (rest_[i] != '\\') continue;
    exact = false;
    // In some encodings this backslash is the second half of a character.
    const bool behind_high = i > 0 && static_cast<unsigned char>(rest_[i - 1]) >= 0x80;
    if (behind_high && i + 1 < rest_.size() && rest_[i + 1] == '\'') unclear_ = true;
    ++i;
  }
  open_ended();
  return false;
}

SqlToken SqlLexer::take_quoted() {
  SqlToken token{.kind = SqlToken::Kind::quoted, .exact = true};
  rest_.remove_prefix(1);
  const Bytes start = rest_;
  for (;;) {
    const std::size_t end = rest_.find('"');
    if (end == Bytes::npos) {
      token.exact = false;
      token.text = start;
      open_ended();
      return token;
    }
    rest_.remove_prefix(end + 1);
    token.text = start.substr(0, start.size() - rest_.size() - 1);
    if (!rest_.starts_with('"')) return token;
    token.exact = false;
    rest_.remove_prefix(1);
  }
}

// A dollar quote, a parameter, or a dollar.
SqlToken SqlLexer::take_dollar() {
  std::size_t size = 1;
  if (size < rest_.size() && class_of(rest_[size]) == digit) {
    while (size < rest_.size() && class_of(rest_[size]) == digit) ++size;
    return take(SqlToken::Kind::other, size);
  }
  while (size < rest_.size() && class_of(rest_[size]) >= letter) ++size;
  if (size == rest_.size() || rest_[size] != '$') return take(SqlToken::Kind::other, 1);
  const Bytes tag = rest_.substr(0, size + 1);
  rest_.remove_prefix(tag.size());
  // Linear: a tag has no dollar inside, so no comparison goes further than to the next one.
  const std::size_t end = rest_.find(tag);
  if (end == Bytes::npos) return {.kind = SqlToken::Kind::string, .exact = false, .text = open_ended()};
  const SqlToken token{.kind = SqlToken::Kind::string, .exact = true, .text = rest_.substr(0, end)};
  rest_.remove_prefix(end + tag.size());
  return token;
}

}  // namespace pgweir
