#include "admin/statement.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "protocol/bytes.h"

namespace pgweir {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_word(char c) {
  const char l = lower_ascii(c);
  return (l >= 'a' && l <= 'z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool continues_word(char c) { return begins_word(c) || is_digit(c) || c == '$'; }

ConsoleError unterminated(const char* what) {
  return {sqlstate::syntax_error, std::string("unterminated ") + what};
}

class Splitter {
 public:
  explicit Splitter(Bytes query) : rest_(query) {}

  tl::expected<std::vector<Statement>, ConsoleError> split() {
    while (true) {
      if (!skip_blanks()) return tl::unexpected(unterminated("/* comment"));
      const bool at_end = rest_.empty();
      if (at_end || rest_[0] == ';') {
        if (!statement_.empty()) statements_.push_back(std::exchange(statement_, {}));
        if (at_end) return std::move(statements_);
        rest_.remove_prefix(1);
        continue;
      }
      if (statement_.empty() && statements_.size() == max_statements) {
        return tl::unexpected(ConsoleError{
            sqlstate::program_limit_exceeded,
            "a query of the console has at most " + std::to_string(max_statements) + " statements"});
      }
      if (statement_.size() == max_tokens) {
        return tl::unexpected(
            ConsoleError{sqlstate::program_limit_exceeded,
                         "a statement of the console has at most " + std::to_string(max_tokens) + " words"});
      }
      if (auto error = take_token()) return tl::unexpected(std::move(*error));
    }
  }

 private:
  // Blanks and comments; false when a comment does not end.
  bool skip_blanks() {
    while (!rest_.empty()) {
      if (is_space(rest_[0])) {
        rest_.remove_prefix(1);
      } else if (rest_.starts_with("--")) {
        rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      } else if (rest_.starts_with("/*")) {
        if (!skip_comment()) return false;
      } else {
        break;
      }
    }
    return true;
  }

  bool skip_comment() {
    std::size_t depth = 0;
    while (rest_.size() >= 2) {
      if (rest_.starts_with("/*")) {
        ++depth;
        rest_.remove_prefix(2);
      } else if (rest_.starts_with("*/")) {
        rest_.remove_prefix(2);
        if (--depth == 0) return true;
      } else {
        rest_.remove_prefix(1);
      }
    }
    return false;
  }

  std::optional<ConsoleError> take_token() {
    const char c = rest_[0];
    if (c == '"') return take_quoted('"', Token::Kind::quoted, "quoted word");
    if (c == '\'') return take_quoted('\'', Token::Kind::string, "string");
    if (begins_word(c)) {
      take_while(Token::Kind::word, continues_word);
    } else if (is_digit(c)) {
      take_while(Token::Kind::number, [](char d) { return continues_word(d) || d == '.'; });
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return ConsoleError{sqlstate::syntax_error,
                          "control character " + printable(rest_.substr(0, 1)) + " in the query"};
    } else {
      take(Token::Kind::symbol, 1);
    }
    return {};
  }

  template <class Belongs>
  void take_while(Token::Kind kind, Belongs belongs) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), belongs);
    take(kind, static_cast<std::size_t>(end - rest_.begin()));
  }

  void take(Token::Kind kind, std::size_t size) {
    statement_.push_back({kind, std::string(rest_.substr(0, size))});
    rest_.remove_prefix(size);
  }

  // A doubled quote stands for one.
  std::optional<ConsoleError> take_quoted(char quote, Token::Kind kind, const char* what) {
    std::string text;
    Bytes rest = rest_.substr(1);
    while (true) {
      const auto end = rest.find(quote);
      if (end == Bytes::npos) return unterminated(what);
      text += rest.substr(0, end);
      rest.remove_prefix(end + 1);
      if (!rest.starts_with(quote)) break;
      text += quote;
      rest.remove_prefix(1);
    }
    rest_ = rest;
    statement_.push_back({kind, std::move(text)});
    return {};
  }

  Bytes rest_;
  Statement statement_;
  std::vector<Statement> statements_;
};

}  // namespace

bool Token::is(Bytes word) const {
  return (kind == Kind::word || kind == Kind::quoted) &&
         std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](char a, char b) { return lower_ascii(a) == lower_ascii(b); });
}

tl::expected<std::vector<Statement>, ConsoleError> split_statements(Bytes query) {
  return Splitter(query).split();
}

}  // namespace pgweir
