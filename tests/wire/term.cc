#include "tests/wire/term.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <utility>

namespace pgweir {
namespace {

class TermReader {
 public:
  explicit TermReader(const std::string& line) : line_(line) {}

  Terms all() {
    Terms terms = until('\0');
    return terms;
  }

 private:
  bool at_end() const { return at_ >= line_.size(); }
  char peek() const { return at_end() ? '\0' : line_[at_]; }

  Terms until(char closing) {
    Terms terms;
    for (;;) {
      while (peek() == ' ' || peek() == '\t') ++at_;
      if (at_end()) {
        if (closing != '\0') throw std::runtime_error("a list without an end");
        return terms;
      }
      if (peek() == closing) {
        ++at_;
        return terms;
      }
      terms.push_back(one());
    }
  }

  Term one() {
    if (peek() == '"') return Term::text(text());
    if (peek() == '[') {
      ++at_;
      return Term::list(until(']'));
    }
    const std::size_t start = at_;
    while (!at_end() && !std::isspace(static_cast<unsigned char>(peek())) &&
           std::string("[]\"=").find(peek()) == std::string::npos) {
      ++at_;
    }
    std::string word = line_.substr(start, at_ - start);
    if (word.empty()) throw std::runtime_error("unexpected '" + std::string(1, peek()) + "'");
    if (peek() != '=') return Term::word(std::move(word));
    ++at_;
    return one().named(std::move(word));
  }

  // "..." with its repetitions and what is joined to it.
  std::string text() {
    std::string whole;
    for (;;) {
      const std::string piece = quoted();
      std::size_t times = 1;
      if (peek() == '*') {
        std::size_t digits = 0;
        times = std::stoul(line_.substr(++at_), &digits);
        at_ += digits;
      }
      for (std::size_t i = 0; i < times; ++i) whole += piece;
      if (peek() != '+') return whole;
      ++at_;
    }
  }

  std::string quoted() {
    if (peek() != '"') throw std::runtime_error("a text is expected behind '+'");
    std::string piece;
    for (++at_; peek() != '"'; ++at_) {
      if (at_end()) throw std::runtime_error("a text without an end");
      piece += peek() == '\\' ? escaped() : peek();
    }
    ++at_;
    return piece;
  }

  char escaped() {
    switch (++at_; peek()) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'x': {
        const auto byte = static_cast<char>(std::stoi(line_.substr(at_ + 1, 2), nullptr, 16));
        at_ += 2;
        return byte;
      }
      case '"':
      case '\\':
        return peek();
    }
    throw std::runtime_error("unknown escape in a text");
  }

  const std::string& line_;
  std::size_t at_ = 0;
};

std::string print_text(const std::string& text) {
  static constexpr std::size_t longest = 120;
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      ((out += "\\x") += digits[byte >> 4]) += digits[byte & 15];
    }
  }
  out += '"';
  if (text.size() > longest) out += "...(" + std::to_string(text.size()) + " bytes)";
  return out;
}

std::string print(const Term& term) {
  std::string out = term.key.empty() ? "" : term.key + "=";
  switch (term.kind) {
    case Term::Kind::word:
      return out + term.value;
    case Term::Kind::text:
      return out + print_text(term.value);
    case Term::Kind::list:
      return out + "[" + print(term.items) + "]";
  }
  return out;
}

bool is_wildcard(const Term& term) { return term.kind == Term::Kind::word && term.value == "*"; }

bool matches_one(const Term& expected, const Term& actual) {
  if (is_wildcard(expected)) return true;
  if (expected.kind == Term::Kind::list) {
    return actual.kind == Term::Kind::list && expected.items.size() == actual.items.size() &&
           std::ranges::equal(expected.items, actual.items, matches_one);
  }
  return expected.kind == actual.kind && expected.value == actual.value;
}

}  // namespace

Terms parse_terms(const std::string& line) { return TermReader(line).all(); }

std::string print(const Terms& terms) {
  std::string out;
  for (const Term& term : terms) {
    if (!out.empty()) out += ' ';
    out += print(term);
  }
  return out;
}

const Term* find_key(const Terms& terms, const std::string& key) {
  const auto found = std::ranges::find(terms, key, &Term::key);
  return found == terms.end() ? nullptr : &*found;
}

bool matches(const Terms& expected, const Terms& actual) {
  std::size_t place = 0;
  for (const Term& term : expected) {
    if (!term.key.empty()) {
      const Term* found = find_key(actual, term.key);
      if (!found || !matches_one(term, *found)) return false;
      continue;
    }
    if (place >= actual.size() || !actual[place].key.empty() || !matches_one(term, actual[place]))
      return false;
    ++place;
  }
  return true;
}

}  // namespace pgweir
