#pragma once
// What a server is: whether it takes writes, and whether that is what target_session_attrs asks for.
//
// PostgreSQL 14 and later say it at the login, as parameters; older ones are asked. Pure functions.

#include <cstdint>
#include <optional>

#include "admin/settings.h"
#include "protocol/bytes.h"
#include "protocol/parameters.h"

namespace pgweir {

enum class ServerRole : std::uint8_t {
  unknown,
  primary,    // and transactions may write unless they say otherwise
  read_only,  // a primary with default_transaction_read_only
  standby,    // in recovery
};

// "is a standby"
Bytes describe(ServerRole role);

// libpq's meaning of target_session_attrs. Nothing is known against a server whose role is unknown.
bool fits(SessionAttrs wanted, ServerRole role);

// What a server that has just logged in says of itself; unknown if it does not.
ServerRole reported_role(const Parameters& parameters);

// The query to ask for a role, in a session in which clients may have set anything, and the row of its
// answer.
extern const Bytes role_question;
std::optional<ServerRole> read_role(Bytes data_row);

}  // namespace pgweir
