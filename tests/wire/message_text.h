#pragma once
// Protocol messages from and to the words of a wire script. tests/wire/README.md lists them.

#include <string>

#include "tests/support/wire_client.h"
#include "tests/wire/term.h"

namespace pgweir {

// The bytes of a frontend message; throws std::runtime_error for words that are none.
std::string encode_message(const Terms& terms);
// A backend message; of an unknown type, or one that does not hold what it should, the bytes.
Terms decode_message(const WireMessage& message);

}  // namespace pgweir
