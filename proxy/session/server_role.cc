#include "proxy/session/server_role.h"

#include "protocol/backend.h"

namespace pgweir {

namespace {

ServerRole role_of(bool in_recovery, bool read_only) {
  return in_recovery ? ServerRole::standby : read_only ? ServerRole::read_only : ServerRole::primary;
}

}  // namespace

Bytes describe(ServerRole role) {
  switch (role) {
    case ServerRole::unknown:
      return "does not say whether it is a primary";
    case ServerRole::primary:
      return "is a primary";
    case ServerRole::read_only:
      return "is a primary whose transactions are read-only by default";
    case ServerRole::standby:
      return "is a standby";
  }
  return {};
}

bool fits(SessionAttrs wanted, ServerRole role) {
  if (role == ServerRole::unknown) return true;
  switch (wanted) {
    case SessionAttrs::any:
    case SessionAttrs::prefer_standby:
      return true;
    case SessionAttrs::read_write:
      return role == ServerRole::primary;
    case SessionAttrs::read_only:
      return role != ServerRole::primary;
    case SessionAttrs::primary:
      return role != ServerRole::standby;
    case SessionAttrs::standby:
      return role == ServerRole::standby;
  }
  return true;
}

ServerRole reported_role(const Parameters& parameters) {
  const std::string* const recovery = parameters.find("in_hot_standby");
  const std::string* const read_only = parameters.find("default_transaction_read_only");
  if (recovery == nullptr || read_only == nullptr) return ServerRole::unknown;
  return role_of(*recovery == "on", *read_only == "on");
}

// reset_val: what a client has set is not what the server is.
constexpr Bytes role_question =
    "SELECT pg_catalog.pg_is_in_recovery(), reset_val FROM pg_catalog.pg_settings"
    " WHERE name OPERATOR(pg_catalog.=) 'default_transaction_read_only'";

std::optional<ServerRole> read_role(Bytes data_row) {
  const auto values = read_data_row(data_row);
  if (!values || values->size() != 2 || !(*values)[0] || !(*values)[1]) return std::nullopt;
  return role_of(*(*values)[0] == "t", *(*values)[1] == "on");
}

}  // namespace pgweir
