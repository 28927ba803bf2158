#include "admin/console_describe.h"

#include <charconv>

#include "admin/command_table.h"
#include "protocol/reader.h"

namespace pgweir {
namespace {

// The columns of a command whose columns depend on its arguments, which no such command needs a worker for.
tl::expected<ConsoleShape, ConsoleError> try_out(const Command& command, std::span<const Token> arguments,
                                                 const Settings& settings) {
  ConsoleShape shape;
  if (command.run == nullptr || command.action != ConsoleAction::none) return shape;
  const World world{.settings = settings};
  Writer out;
  CommandCall call{world, arguments, out, {}};
  if (auto outcome = command.run(call); !outcome) return tl::unexpected(std::move(outcome.error()));
  const Bytes message = out.view();
  if (message.empty() || message[0] != 'T') return shape;
  const std::uint32_t length = Reader(message.substr(1, 4)).u32();
  shape.columns.emplace();
  for (const Column& it : read_row_description(message.substr(5, length - 4)).value_or(std::vector<Column>{}))
    shape.columns->push_back({std::string(it.name), it.oid});
  return shape;
}

template <class Integer>
std::optional<std::string> integer_to_binary(Bytes text) {
  Integer number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  std::string bytes;
  for (int shift = static_cast<int>(sizeof number) * 8 - 8; shift >= 0; shift -= 8)
    bytes += static_cast<char>(static_cast<std::uint64_t>(number) >> shift);
  return bytes;
}

// Digits to base 10000, as numeric_send writes them.
std::optional<std::string> numeric_to_binary(Bytes text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t dot = std::min(text.find('.'), text.size());
  std::string whole(text.substr(0, dot));
  std::string fraction(dot < text.size() ? text.substr(dot + 1) : Bytes());
  if (whole.empty() || whole.size() > 1000 || fraction.size() > 1000 || !all_digits(whole) ||
      !all_digits(fraction))
    return std::nullopt;
  const auto scale = static_cast<std::uint16_t>(fraction.size());
  whole.insert(0, (4 - whole.size() % 4) % 4, '0');
  fraction.append((4 - fraction.size() % 4) % 4, '0');
  const std::string digits = whole + fraction;
  std::vector<std::uint16_t> groups;
  for (std::size_t i = 0; i < digits.size(); i += 4) {
    std::uint16_t group = 0;
    for (std::size_t j = i; j < i + 4; ++j)
      group = static_cast<std::uint16_t>(group * 10 + (digits[j] - '0'));
    groups.push_back(group);
  }
  auto weight = static_cast<int>(whole.size() / 4) - 1;
  while (!groups.empty() && groups.front() == 0) {
    groups.erase(groups.begin());
    --weight;
  }
  while (!groups.empty() && groups.back() == 0) groups.pop_back();
  if (groups.empty()) weight = 0;
  Writer out;
  out.u16(static_cast<std::uint16_t>(groups.size())).u16(static_cast<std::uint16_t>(weight));
  out.u16(negative && !groups.empty() ? 0x4000 : 0).u16(scale);
  for (const std::uint16_t group : groups) out.u16(group);
  return out.take();
}

}  // namespace

tl::expected<ConsoleShape, ConsoleError> describe_console(Bytes query, const Settings& settings) {
  const auto statements = split_statements(query);
  if (!statements) return tl::unexpected(statements.error());
  if (statements->empty()) return ConsoleShape{};
  if (statements->size() > 1) {
    return tl::unexpected(
        ConsoleError{sqlstate::syntax_error, "cannot insert multiple commands into a prepared statement"});
  }
  const Statement& statement = statements->front();
  const auto [command, words] = find_command(statement);
  if (command == nullptr) return tl::unexpected(unknown_command(statement));
  if (command->columns == nullptr) return try_out(*command, std::span(statement).subspan(words), settings);
  ConsoleShape shape;
  shape.columns.emplace();
  for (const ColumnInfo& it : command->columns()) shape.columns->push_back({std::string(it.name), it.oid});
  return shape;
}

std::optional<std::string> to_binary(Bytes text, std::uint32_t oid) {
  switch (oid) {
    case type_oid::int4:
      return integer_to_binary<std::int32_t>(text);
    case type_oid::int8:
      return integer_to_binary<std::int64_t>(text);
    case type_oid::numeric:
      return numeric_to_binary(text);
    default:
      return std::string(text);
  }
}

}  // namespace pgweir
