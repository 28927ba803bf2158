#pragma once
// A connection string of keywords and values, as libpq reads it, for --to. Pure.

#include <string>
#include <tl/expected.hpp>

#include "protocol/bytes.h"

namespace pgweir {

// Where a PostgreSQL is. What is empty or 0 was not said.
struct Conninfo {
  std::string host;  // a name, an address, or a directory of Unix sockets
  int port = 0;
  std::string dbname, user, password;
};

// "host=10.0.0.5 port=5432": values with blanks in single quotes, a backslash before a quote or a backslash.
// The error names what is wrong and what is allowed, never a password.
tl::expected<Conninfo, std::string> parse_conninfo(Bytes text);

}  // namespace pgweir
