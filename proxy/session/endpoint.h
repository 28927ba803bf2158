#pragma once
// Where a server listens.

#include <string>

namespace pgweir {

struct Endpoint {
  std::string host;  // a name, an address, or the directory of a Unix socket (starts with '/')
  int port = 0;

  // "a:5432", "[::1]:5432", "/run/postgresql:5432"
  std::string name() const {
    const bool v6 = !host.starts_with('/') && host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  }
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

}  // namespace pgweir
