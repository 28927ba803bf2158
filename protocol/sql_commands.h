#pragma once
// Recognises a few commands for certain, for those who answer or act in the server's place. Each of these
// functions wants a string of exactly one statement, with an optional semicolon, blanks and comments, and
// returns nothing when in any doubt: bytes that are not ASCII, Unicode escapes, a name that PostgreSQL
// would not take, anything that is not written here. The work is little when the first word is another.
//
// Names come as PostgreSQL stores them: lower case unless quoted, cut to 63 bytes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir {

// START TRANSACTION is a BEGIN with a command tag of its own.
enum class PlainTransaction : std::uint8_t { begin, start, commit, rollback };

// BEGIN [WORK | TRANSACTION], START TRANSACTION, {COMMIT | END | ROLLBACK | ABORT} [WORK | TRANSACTION].
std::optional<PlainTransaction> plain_transaction(Bytes sql);

struct ListenStatement {
  enum class Kind : std::uint8_t { listen, unlisten, unlisten_all };
  Kind kind;
  std::string channel;  // empty for unlisten_all
  friend bool operator==(const ListenStatement&, const ListenStatement&) = default;
};

// LISTEN channel, UNLISTEN channel, UNLISTEN *.
std::optional<ListenStatement> listen_statement(Bytes sql);

// Every UNLISTEN in a query string of any number of statements, in order; DISCARD ALL counts as UNLISTEN *.
// Names that cannot be read are left out. Unlike its neighbours this one is not strict: whoever asks waits
// for the server's word on each.
std::vector<ListenStatement> unlisten_statements(Bytes sql);

// The name in DEALLOCATE [PREPARE] name; not ALL.
std::optional<std::string> deallocate_name(Bytes sql);
// The name in PREPARE name [(types)] AS statement. What the statement is remains open.
std::optional<std::string> prepare_name(Bytes sql);
// The name in EXECUTE name [(arguments)].
std::optional<std::string> execute_name(Bytes sql);

}  // namespace pgweir
