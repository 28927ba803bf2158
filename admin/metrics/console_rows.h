#pragma once
// The rows of a console command as values, so that a metric can name a column of it. Pure; any thread.

#include <optional>
#include <string>
#include <vector>

#include "admin/world.h"
#include "protocol/bytes.h"

namespace pgweir {

struct ConsoleRows {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;

  // Nothing where there is no such column.
  std::optional<std::size_t> index(Bytes column) const;
};

// `words`: of the command table, of a command that takes no argument. No rows when there is none.
ConsoleRows console_rows(Bytes words, const World& world);

}  // namespace pgweir
