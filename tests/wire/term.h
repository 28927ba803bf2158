#pragma once
// The words of a wire script: `Name "text" ["list" null] key=value`. What is sent, what is expected and what
// came are all terms, so that they are compared and printed in one way.
//
// Text is in double quotes, with \n \t \r \\ \" and \xNN; "ab"*3 repeats it, "a"+"b" joins it.

#include <string>
#include <vector>

namespace pgweir {

struct Term {
  enum class Kind { word, text, list };
  Kind kind = Kind::word;
  std::string key;    // of key=value, else empty
  std::string value;  // of a word or a text
  std::vector<Term> items;

  static Term word(std::string value) { return {Kind::word, {}, std::move(value), {}}; }
  static Term text(std::string value) { return {Kind::text, {}, std::move(value), {}}; }
  static Term list(std::vector<Term> items) { return {Kind::list, {}, {}, std::move(items)}; }
  Term named(std::string name) && {
    key = std::move(name);
    return std::move(*this);
  }
};
using Terms = std::vector<Term>;

// Throws std::runtime_error for a line that makes no sense.
Terms parse_terms(const std::string& line);
std::string print(const Terms& terms);

// Whether what came is what was expected: the same words and texts in the same places, where `*` stands for
// anything, what is expected may be shorter, and of the keys only the expected ones count.
bool matches(const Terms& expected, const Terms& actual);

// The term of that key; null when there is none.
const Term* find_key(const Terms& terms, const std::string& key);

}  // namespace pgweir
