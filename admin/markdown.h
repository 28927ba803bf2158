#pragma once
// Text in the tables of generated Markdown.

#include <string>

#include "protocol/bytes.h"

namespace pgweir {

// Text inside a cell; what looks like HTML, emphasis or a column must not.
std::string markdown_cell(Bytes text);
// The same as code.
std::string markdown_code(Bytes text);

}  // namespace pgweir
