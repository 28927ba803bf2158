#pragma once
// What a client's message would mean for transaction mode, read from its text: pure.

#include "pool/session_use.h"
#include "protocol/framer.h"

namespace pgweir {

// `message` is the beginning of a Query or Parse.
SessionUses uses_of(const Piece& message);

}  // namespace pgweir
