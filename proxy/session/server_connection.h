#pragma once
// A connection to a PostgreSQL server that has to log in: what ServerLogin knows of it.

#include <cstdint>
#include <string>

#include "protocol/parameters.h"
#include "proxy/session/connection.h"
#include "proxy/session/error_text.h"
#include "proxy/session/server_access.h"
#include "proxy/session/server_role.h"

namespace pgweir {

class ServerConnection : public Connection {
 public:
  using Connection::Connection;

  virtual const ServerAccess& access() const = 0;
  // The login came to an end.
  virtual void login_done(SharedParameters parameters, std::int32_t backend_pid, std::string secret,
                          ServerRole role) = 0;
  // `server_said_no`: it is not the network.
  virtual void login_failed(const ErrorText& error, bool server_said_no) = 0;
};

}  // namespace pgweir
