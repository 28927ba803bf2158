#pragma once
// For the extended protocol: what a query of the console will answer with, before it is run. Pure; any
// thread.

#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "admin/console_error.h"
#include "admin/settings.h"
#include "protocol/backend.h"

namespace pgweir {

struct ConsoleShape {
  struct Column {
    std::string name;
    std::uint32_t oid = type_oid::text;
  };
  std::optional<std::vector<Column>> columns{};  // nothing: it returns no rows
};
// An error for what can be no prepared statement: several statements, or nothing that the console knows.
// Whether the user may run it is not looked at.
tl::expected<ConsoleShape, ConsoleError> describe_console(Bytes query, const Settings& settings);

// A value of this type, as it stands in a text result, in binary. Nothing when it is not of the type.
std::optional<std::string> to_binary(Bytes text, std::uint32_t oid);

}  // namespace pgweir
