#pragma once
// The class of a statement: the same number for all statements that differ in nothing but constants, blanks,
// comments, letter case, the length of lists of constants, the number of VALUES rows, and the names of
// savepoints, cursors and prepared statements.
//
// Pure and linear; statement_class() allocates nothing. Built on tokens and not on a grammar, so where
// PostgreSQL's parser would see through a different way of writing (an alias, a redundant parenthesis) the
// classes differ. A number has no meaning beyond this version of the function; 0 is the class of no text.

#include <cstdint>
#include <string>

#include "protocol/bytes.h"

namespace pgweir {

std::uint64_t statement_class(Bytes sql);

// The class of a batch in which a statement of class `next` follows those of class `batch` (0: none yet).
// Repetitions of the same statement do not count.
std::uint64_t batch_class(std::uint64_t batch, std::uint64_t next);

// How the class is shown: `$` for constants, one blank between tokens, nothing that a client sent as a value.
// At most `limit` bytes, and "…" behind what was cut.
std::string class_text(Bytes sql, std::size_t limit);

}  // namespace pgweir
