#pragma once
// SASLprep (RFC 4013): spellings of the same password become the same bytes before they are hashed.

#include <string>

#include "protocol/bytes.h"

namespace pgweir {

// The password as SCRAM hashes it. Does what PostgreSQL does, so that verifiers made there fit:
//  - ASCII, control characters included, stays as it is;
//  - what is not valid UTF-8, is prohibited, or would become empty stays as it is too;
//  - prohibited characters and text direction are judged before the normalisation, not after it as RFC 4013
//    wants, which matters for a few characters such as U+2135.
// libidn normalises as Unicode 3.2 did, so passwords with one of five CJK compatibility characters (UAX 15,
// corrigendum 4) or with broken Hangul or Indic sequences (corrigendum 5) come out differently.
// libidn's cost grows with the square of the length when letters carry accents (64 Ki of them take a
// second): run it where PBKDF2 runs, off the event loop.
std::string saslprep(Bytes password);

}  // namespace pgweir
