#pragma once
// A query of the console, cut into statements and these into tokens, by PostgreSQL's lexical rules as far as
// a console needs them: `--` and nested /* */ comments, 'strings', "quoted" words, `;`. Pure; any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "admin/console_error.h"
#include "protocol/bytes.h"

namespace pgweir {

struct Token {
  enum class Kind : std::uint8_t {
    word,    // letters, digits, _, $, and bytes that are not ASCII
    number,  // begins with a digit
    quoted,  // "..."; `text` is what it means, without the quotes
    string,  // '...'; likewise
    symbol,  // one character
  };
  Kind kind = Kind::symbol;
  std::string text;

  // Whether it is this word; the case does not matter. Quoted words count, as in PgBouncer.
  bool is(Bytes word) const;
  bool is_symbol(char c) const { return kind == Kind::symbol && text.size() == 1 && text[0] == c; }
};

using Statement = std::vector<Token>;  // never empty

// Limits of one query, so that a small query cannot ask for a huge answer.
inline constexpr std::size_t max_statements = 32;
inline constexpr std::size_t max_tokens = 128;  // of one statement

// Empty statements are left out. An error means that nothing of the query may be done.
tl::expected<std::vector<Statement>, ConsoleError> split_statements(Bytes query);

}  // namespace pgweir
