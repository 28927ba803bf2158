#pragma once
// Socket addresses as the core and people read them.

#include <sys/socket.h>

#include <string>

#include "pool/snapshot.h"

namespace pgweir {

struct NamedAddress {
  std::string address;  // "10.0.0.5"; "unix" for a Unix socket; an IPv4 address in IPv6 clothes is IPv4
  int port = 0;
};

NamedAddress name_of(const sockaddr_storage& address);

// Both ends of a connected socket. A Unix socket has no ports: `unix_port` is the one in its file's name.
PeerAddress ends_of(int fd, int unix_port);

// "10.0.0.5:5432", "[::1]:5432".
std::string with_port(const std::string& address, int port);

// The file of PostgreSQL's Unix socket in this directory.
std::string unix_socket_path(const std::string& directory, int port);

}  // namespace pgweir
