#pragma once
// What the core knows of TLS: that a connection can be encrypted, and what came of it.

#include <string>

#include "admin/settings.h"
#include "protocol/bytes.h"

namespace pgweir {

// An encrypted connection.
struct TlsInfo {
  bool alpn = false;        // the peer named PostgreSQL as what it wants to speak
  std::string description;  // as SHOW CLIENTS shows it: version/cipher/key exchange
  std::string binding;      // tls-server-end-point (RFC 5929): the hash of the server's certificate; or empty
};

// How a connection is to be encrypted.
struct TlsStart {
  bool server = false;      // pgweir is the server: a client is at the other end
  std::string received;     // what was read already, and belongs to the handshake
  TlsMode mode{};           // of a connection to a server
  std::string server_name;  // of a connection to a server: whose certificate is wanted
};

struct TlsResult {
  std::string error;  // empty: it is encrypted
  TlsInfo info;       // then
};

}  // namespace pgweir
