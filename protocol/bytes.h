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

// ASCII only.
constexpr char lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string lower_ascii(Bytes text);
// Also when it is empty.
constexpr bool all_digits(Bytes text) { return text.find_first_not_of("0123456789") == Bytes::npos; }

}  // namespace pgweir
