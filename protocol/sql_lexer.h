#pragma once
// Cuts SQL text into tokens as PostgreSQL's scan.l does, as far as it takes to know where a string, a comment
// or a statement ends. Allocates nothing, reads every byte a bounded number of times, never fails.
//
// Multi-byte client encodings that are not supersets of ASCII byte by byte (SJIS, BIG5, GBK, UHC, GB18030)
// may use letters and the backslash as second bytes. Their text is cut right but for such a backslash in an
// E'' string, which is reported as unclear.

#include <cstddef>
#include <cstdint>

#include "protocol/bytes.h"

namespace pgweir {

struct SqlToken {
  enum class Kind : std::uint8_t { end, word, quoted, string, other };

  Kind kind = Kind::end;
  bool exact = false;  // of a quoted identifier or string: `text` is its value, without anything to undo
  // A word as it is written; what is between the quotes of an identifier or string; one byte of the rest.
  Bytes text{};

  // `lower` is in lower case.
  bool is(Bytes lower) const;  // a word
  bool is(char c) const { return kind == Kind::other && text[0] == c; }
  // Whether the token names the object; quoted names are compared without regard to case as well.
  bool names(Bytes lower) const;
};

class SqlLexer {
 public:
  explicit SqlLexer(Bytes sql) : rest_(sql) {}

  SqlToken next();

  // Something in what was read means different things in different settings, or did not end: a backslash in
  // front of a quote, an identifier with Unicode escapes, an open string or comment.
  bool unclear() const { return unclear_; }

  static bool starts_word(char c);
  static bool in_word(char c);

 private:
  void skip_blanks();
  void skip_comment();
  SqlToken take(SqlToken::Kind kind, std::size_t size);
  SqlToken take_string(bool escapes);
  bool take_escaped(bool& exact);
  SqlToken take_quoted();
  SqlToken take_dollar();
  Bytes open_ended();

  Bytes rest_;
  bool unclear_ = false;
};

}  // namespace pgweir
