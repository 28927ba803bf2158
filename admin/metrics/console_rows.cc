#include "admin/metrics/console_rows.h"

#include <algorithm>

#include "admin/command_table.h"
#include "protocol/backend.h"
#include "protocol/reader.h"

namespace pgweir {

std::optional<std::size_t> ConsoleRows::index(Bytes column) const {
  const auto found = std::find(columns.begin(), columns.end(), column);
  if (found == columns.end()) return {};
  return static_cast<std::size_t>(found - columns.begin());
}

ConsoleRows console_rows(Bytes words, const World& world) {
  ConsoleRows result;
  const auto table = command_table();
  const auto command =
      std::find_if(table.begin(), table.end(), [&](const Command& it) { return it.words == words; });
  if (command == table.end() || command->run == nullptr) return result;
  Writer out;
  CommandCall call{world, {}, out, {}};
  if (!command->run(call)) return result;
  const std::string messages = out.take();
  for (Bytes rest = messages; rest.size() >= 5;) {
    Reader head(rest);
    const char type = static_cast<char>(head.u8());
    const std::size_t size = head.u32();
    const Bytes body = head.bytes(size - 4);
    if (!head.ok()) break;
    rest.remove_prefix(size + 1);
    if (type == 'T') {
      if (const auto columns = read_row_description(body)) {
        for (const Column& it : *columns) result.columns.emplace_back(it.name);
      }
    } else if (const auto row = read_data_row(body)) {
      auto& values = result.rows.emplace_back();
      for (const auto& value : *row)
        values.push_back(value ? std::optional<std::string>(*value) : std::nullopt);
      values.resize(result.columns.size());
    }
  }
  return result;
}

}  // namespace pgweir
