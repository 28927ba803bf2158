#pragma once
// Views of bytes. A `Bytes` never owns and is never stored beyond the call that received it, unless the
// declaration says until when it is valid.

#include <string>
#include <string_view>

namespace pgweir {

using Bytes = std::string_view;

// Text that came from a peer, safe to print: control characters, quotes' friends and bytes that are not
// ASCII become \xNN, and what is longer than `limit` bytes ends in "...".
std::string printable(Bytes text, std::size_t limit = 128);

}  // namespace pgweir
