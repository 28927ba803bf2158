#pragma once
// What readers of PgBouncer's files share. Pure; any thread.

#include <optional>
#include <string>

#include "protocol/bytes.h"

namespace pgweir {

// Without blanks at its ends.
Bytes trimmed(Bytes text);
// The first line, without its end; it is taken away from `text`.
Bytes take_line(Bytes& text);
// What stands in quotes at the beginning, a doubled quote for one; it is taken away from `text`. Nothing when
// there is none, or it is not closed.
std::optional<std::string> take_quoted(Bytes& text, char quote);

}  // namespace pgweir
