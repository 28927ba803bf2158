#pragma once
// What the console says it is: its version, its place among the databases, and the parameters of a session.

#include <array>

#include "protocol/bytes.h"

namespace pgweir {

// PgBouncer's version whose console this is, and then our own: readers look for x.y.z behind "PgBouncer ".
inline constexpr Bytes console_version = "PgBouncer 1.25.2 (pgweir " PGWEIR_VERSION ")";

// The database and user under which the console lists itself, as PgBouncer's does.
inline constexpr Bytes console_database = "pgbouncer";

// The login reports some of them, drivers ask for others.
struct ConsoleParameter {
  Bytes name;
  Bytes value;
  bool reported = false;  // by ParameterStatus at the login
};

// The reported ones are those of PgBouncer's console.
inline constexpr std::array console_parameters{
    ConsoleParameter{"server_version", "1.25.2/pgweir", true},
    ConsoleParameter{"client_encoding", "UTF8", true},
    ConsoleParameter{"server_encoding", "UTF8", true},
    ConsoleParameter{"DateStyle", "ISO", true},
    ConsoleParameter{"TimeZone", "GMT", true},
    ConsoleParameter{"standard_conforming_strings", "on", true},
    ConsoleParameter{"is_superuser", "on", true},
    ConsoleParameter{"integer_datetimes", "on"},
    ConsoleParameter{"extra_float_digits", "1"},
    ConsoleParameter{"transaction_isolation", "read committed"},
    ConsoleParameter{"default_transaction_isolation", "read committed"},
    ConsoleParameter{"transaction_read_only", "off"},
    ConsoleParameter{"default_transaction_read_only", "off"},
    ConsoleParameter{"in_hot_standby", "off"},
};

}  // namespace pgweir
