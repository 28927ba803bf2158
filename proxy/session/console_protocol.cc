#include "proxy/session/console_protocol.h"

#include <utility>

#include "protocol/message.h"
#include "protocol/reader.h"
#include "protocol/sqlstate.h"

namespace pgweir {
namespace {

ConsoleProtocol::Step failed(const ConsoleError& error) {
  Writer out;
  write_error_response(out, {.severity = "ERROR",
                             .sqlstate = error.sqlstate,
                             .message = error.message,
                             .detail = error.detail,
                             .hint = error.hint});
  return {.bytes = out.take(), .failed = true};
}

ConsoleProtocol::Step malformed() {
  return failed({sqlstate::protocol_violation, "malformed message of the extended query protocol"});
}

ConsoleProtocol::Step too_much(const std::string& what) {
  return failed({sqlstate::program_limit_exceeded, "too many " + what + " on the console"});
}

std::string plain(char type) {
  Writer out;
  out.begin(type).end();
  return out.take();
}

template <class Format>
void write_shape(Writer& out, const ConsoleShape& shape, Format format) {
  if (!shape.columns) {
    out.begin('n').end();
    return;
  }
  out.begin('T').u16(static_cast<std::uint16_t>(shape.columns->size()));
  for (std::size_t i = 0; i < shape.columns->size(); ++i) {
    const auto& [name, oid] = (*shape.columns)[i];
    const std::uint16_t size = oid == type_oid::int4 ? 4 : oid == type_oid::int8 ? 8 : 0xffff;
    out.cstring(name).u32(0).u16(0).u32(oid).u16(size).u32(0xffffffff).u16(format(i));
  }
  out.end();
}

}  // namespace

std::uint16_t ConsoleProtocol::Portal::format(std::size_t column) const {
  if (formats.empty()) return 0;
  return formats.size() == 1 ? formats[0] : formats[column];
}

ConsoleProtocol::Step ConsoleProtocol::on_message(char type, Bytes body, const Settings& settings) {
  switch (type) {
    case 'P':
      return parse(body, settings);
    case 'B':
      return bind(body);
    case 'D':
      return describe(body);
    case 'E':
      return execute(body);
    case 'C':
      return close(body);
    default:
      return malformed();
  }
}

void ConsoleProtocol::simple_query() {
  statements_.erase("");
  portals_.erase("");
}

std::size_t ConsoleProtocol::text_size() const {
  std::size_t size = 0;
  for (const auto& [name, statement] : statements_) size += name.size() + statement.query.size();
  return size;
}

ConsoleProtocol::Step ConsoleProtocol::parse(Bytes body, const Settings& settings) {
  const auto message = read_parse(body);
  if (!message) return malformed();
  const std::string name(message->statement);
  if (name.empty()) statements_.erase(name);
  if (statements_.contains(name)) {
    return failed({sqlstate::duplicate_prepared_statement,
                   "prepared statement \"" + printable(name, 64) + "\" already exists"});
  }
  if (!message->parameter_types.empty())
    return failed({sqlstate::feature_not_supported, "commands of the console take no parameters"});
  if (statements_.size() >= most_statements || text_size() + name.size() + message->query.size() > most_text)
    return too_much("prepared statements");
  auto shape = describe_console(message->query, settings);
  if (!shape) return failed(shape.error());
  statements_[name] = {std::string(message->query), std::move(*shape)};
  return {.bytes = plain('1')};
}

ConsoleProtocol::Step ConsoleProtocol::bind(Bytes body) {
  const auto message = read_bind(body);
  if (!message) return malformed();
  const auto found = statements_.find(message->statement);
  if (found == statements_.end()) {
    return failed({sqlstate::invalid_sql_statement_name,
                   "prepared statement \"" + printable(message->statement, 64) + "\" does not exist"});
  }
  if (!message->parameters.empty())
    return failed({sqlstate::protocol_violation, "commands of the console take no parameters"});
  const auto& columns = found->second.shape.columns;
  const std::size_t formats = message->result_formats.size();
  const bool fits = formats <= 1 || (columns && formats == columns->size());
  for (const std::uint16_t format : message->result_formats) {
    if (format > 1 || !fits) return failed({sqlstate::protocol_violation, "bind message has wrong formats"});
  }
  const std::string name(message->portal);
  portals_.erase(name);
  if (portals_.size() >= most_portals) return too_much("portals");
  Portal& portal = portals_[name];
  portal.query = found->second.query;
  portal.shape = found->second.shape;
  portal.formats = message->result_formats;
  return {.bytes = plain('2')};
}

ConsoleProtocol::Step ConsoleProtocol::describe(Bytes body) const {
  const auto target = read_describe(body);
  if (!target) return malformed();
  Writer out;
  if (target->kind == 'S') {
    const auto found = statements_.find(target->name);
    if (found == statements_.end()) {
      return failed({sqlstate::invalid_sql_statement_name,
                     "prepared statement \"" + printable(target->name, 64) + "\" does not exist"});
    }
    out.begin('t').u16(0).end();
    write_shape(out, found->second.shape, [](std::size_t) { return std::uint16_t{0}; });
  } else {
    const auto found = portals_.find(target->name);
    if (found == portals_.end()) {
      return failed(
          {sqlstate::invalid_cursor_name, "portal \"" + printable(target->name, 64) + "\" does not exist"});
    }
    const Portal& portal = found->second;
    write_shape(out, portal.shape, [&](std::size_t column) { return portal.format(column); });
  }
  return {.bytes = out.take()};
}

ConsoleProtocol::Step ConsoleProtocol::execute(Bytes body) {
  const auto message = read_execute(body);
  if (!message) return malformed();
  const auto found = portals_.find(message->portal);
  if (found == portals_.end()) {
    return failed(
        {sqlstate::invalid_cursor_name, "portal \"" + printable(message->portal, 64) + "\" does not exist"});
  }
  if (found->second.over) {
    return failed({sqlstate::object_not_in_prerequisite_state,
                   "portal \"" + printable(message->portal, 64) + "\" cannot be run"});
  }
  if (found->second.run) return fetch(found->second, message->max_rows);
  executing_ = message->portal;
  most_rows_ = message->max_rows;
  return {.ask = found->second.query};
}

ConsoleProtocol::Step ConsoleProtocol::close(Bytes body) {
  const auto target = read_close(body);
  if (!target) return malformed();
  if (target->kind == 'S') {
    if (const auto found = statements_.find(target->name); found != statements_.end())
      statements_.erase(found);
  } else if (const auto found = portals_.find(target->name); found != portals_.end()) {
    portals_.erase(found);
  }
  return {.bytes = plain('3')};
}

// The rows of a text result in the formats of the portal. What cannot be made binary becomes NULL, so that
// nobody reads one type as another.
std::string ConsoleProtocol::row_in_format(const Portal& portal, Bytes message) {
  const auto values = read_data_row(message.substr(5));
  if (!values || !portal.shape.columns || values->size() != portal.shape.columns->size())
    return std::string(message);
  std::vector<std::optional<std::string>> kept(values->size());
  std::vector<std::optional<Bytes>> row(values->size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] = (*values)[i];
    if (!row[i] || portal.format(i) == 0) continue;
    kept[i] = to_binary(*row[i], (*portal.shape.columns)[i].oid);
    row[i] = kept[i] ? std::optional<Bytes>(*kept[i]) : std::nullopt;
  }
  Writer out;
  write_data_row(out, row);
  return out.take();
}

ConsoleProtocol::Step ConsoleProtocol::answered(Bytes answer) {
  const auto found = portals_.find(executing_);
  if (found == portals_.end()) return malformed();
  Portal& portal = found->second;
  portal.run = true;
  Step step;
  while (answer.size() >= 5) {
    const std::size_t size = Reader(answer.substr(1, 4)).u32() + std::size_t{1};
    const Bytes message = answer.substr(0, size);
    answer.remove_prefix(std::min(size, answer.size()));
    switch (message[0]) {
      case 'T':
      case 'Z':
        break;
      case 'D':
        portal.rows.push_back(row_in_format(portal, message));
        break;
      case 'C':
      case 'I':
        portal.end = message;
        break;
      case 'E':
        step.failed = true;
        [[fallthrough]];
      default:
        step.bytes += message;
    }
  }
  if (step.failed) {
    portals_.erase(found);
    return step;
  }
  Step rows = fetch(portal, most_rows_);
  step.bytes += rows.bytes;
  return step;
}

ConsoleProtocol::Step ConsoleProtocol::fetch(Portal& portal, std::int32_t most) {
  Step step;
  for (std::int32_t count = 0; !portal.rows.empty(); ++count) {
    if (most > 0 && count == most) {
      step.bytes += plain('s');
      return step;
    }
    step.bytes += portal.rows.front();
    portal.rows.pop_front();
  }
  step.bytes += portal.end;
  portal.over = true;
  return step;
}

}  // namespace pgweir
