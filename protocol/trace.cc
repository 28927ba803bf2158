#include "protocol/trace.h"

#include <optional>
#include <variant>
#include <vector>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/message.h"
#include "protocol/startup.h"

namespace pgweir {

namespace {

constexpr std::size_t most_values = 16;  // of a list, then "..."

// Fields, each behind a tab.
class Line {
 public:
  Line(char direction, std::size_t body_size, Bytes name) {
    text_ += direction;
    word(std::to_string(body_size + 4)).word(name);
  }

  // What is ours to print.
  Line& word(Bytes value) {
    text_ += '\t';
    text_ += value;
    return *this;
  }
  Line& number(std::int64_t value) { return word(std::to_string(value)); }
  // What a peer sent.
  Line& quoted(Bytes value) { return word('"' + printable(value) + '"'); }
  Line& named(Bytes name, Bytes value) {
    word(name);
    text_ += "=\"" + printable(value) + '"';
    return *this;
  }
  Line& nullable(const std::optional<Bytes>& value) { return value ? quoted(*value) : word("NULL"); }
  template <typename T, typename Show>
  Line& list(const std::vector<T>& values, Show show) {
    number(static_cast<std::int64_t>(values.size()));
    for (std::size_t i = 0; i < values.size() && i < most_values; ++i) show(values[i]);
    return values.size() > most_values ? word("...") : *this;
  }
  Line& malformed() { return word("malformed"); }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void show_values(Line& line, const std::vector<std::optional<Bytes>>& values) {
  line.list(values, [&](const std::optional<Bytes>& value) { line.nullable(value); });
}

void show_numbers(Line& line, const std::vector<std::uint32_t>& values) {
  line.list(values, [&](std::uint32_t value) { line.number(value); });
}

void show_text(Line& line, const std::optional<Bytes>& text) { text ? line.quoted(*text) : line.malformed(); }

void show_error(Line& line, Bytes body) {
  const ErrorFields fields = read_error_fields(body);
  line.named("S", fields.severity).named("C", fields.sqlstate).named("M", fields.message);
  if (!fields.detail.empty()) line.named("D", fields.detail);
  if (!fields.hint.empty()) line.named("H", fields.hint);
}

void show_authentication(Line& line, Bytes body) {
  const auto request = read_authentication(body);
  if (!request) {
    line.malformed();
    return;
  }
  switch (request->kind) {
    case AuthenticationKind::ok:
      line.word("Ok");
      return;
    case AuthenticationKind::cleartext_password:
      line.word("CleartextPassword");
      return;
    case AuthenticationKind::md5_password:
      line.word("MD5Password");
      return;
    case AuthenticationKind::sasl:
      line.word("SASL").list(request->mechanisms, [&](Bytes name) { line.quoted(name); });
      return;
    case AuthenticationKind::sasl_continue:
      line.word("SASLContinue");
      return;
    case AuthenticationKind::sasl_final:
      line.word("SASLFinal");
      return;
    case AuthenticationKind::other:
      line.number(request->code);
  }
}

void show_target(Line& line, const std::optional<Target>& target) {
  if (!target) {
    line.malformed();
  } else {
    line.word(Bytes(&target->kind, 1)).quoted(target->name);
  }
}

struct ShowStartup {
  Bytes body;

  std::string operator()(const StartupMessage& message) const {
    Line line('F', body.size(), "StartupMessage");
    line.word(std::to_string(message.major) + '.' + std::to_string(message.minor));
    line.named("user", message.user).named("database", message.database);
    if (!message.options.empty()) line.named("options", message.options);
    if (!message.replication.empty()) line.named("replication", message.replication);
    for (const auto* list : {&message.parameters, &message.protocol_options}) {
      for (const auto& [name, value] : *list) line.named(printable(name), value);
    }
    return line.take();
  }
  std::string operator()(const SslRequest&) const { return Line('F', body.size(), "SSLRequest").take(); }
  std::string operator()(const GssEncRequest&) const {
    return Line('F', body.size(), "GSSENCRequest").take();
  }
  std::string operator()(const CancelRequest& request) const {
    return Line('F', body.size(), "CancelRequest").number(request.pid).take();
  }
  std::string operator()(const StartupError& error) const {
    return Line('F', body.size(), "StartupPacket").malformed().quoted(error.message).take();
  }
};

}  // namespace

std::string trace_startup(Bytes body) { return std::visit(ShowStartup{body}, parse_startup(body)); }

std::string trace_frontend(char type, Bytes body) {
  Line line('F', body.size(), frontend_name(type));
  switch (type) {
    case frontend_type::query:
      show_text(line, read_query(body));
      break;
    case frontend_type::parse:
      if (const auto message = read_parse(body)) {
        line.quoted(message->statement).quoted(message->query);
        show_numbers(line, message->parameter_types);
      } else {
        line.malformed();
      }
      break;
    case frontend_type::bind:
      if (const auto message = read_bind(body)) {
        line.quoted(message->portal).quoted(message->statement);
        show_values(line, message->parameters);
      } else {
        line.malformed();
      }
      break;
    case frontend_type::describe:
      show_target(line, read_describe(body));
      break;
    case frontend_type::close:
      show_target(line, read_close(body));
      break;
    case frontend_type::execute:
      if (const auto message = read_execute(body)) {
        line.quoted(message->portal).number(message->max_rows);
      } else {
        line.malformed();
      }
      break;
    case frontend_type::copy_data:
      line.quoted(body);
      break;
    case frontend_type::copy_fail:
      show_text(line, read_copy_fail(body));
      break;
    default:
      if (frontend_name(type) == "Unknown") line.quoted(Bytes(&type, 1));
  }
  return line.take();
}

std::string trace_backend(char type, Bytes body) {
  Line line('B', body.size(), backend_name(type));
  switch (type) {
    case backend_type::authentication:
      show_authentication(line, body);
      break;
    case backend_type::backend_key_data:
      if (const auto key = read_backend_key_data(body)) {
        line.number(key->pid);
      } else {
        line.malformed();
      }
      break;
    case backend_type::parameter_status:
      if (const auto status = read_parameter_status(body)) {
        line.quoted(status->name).quoted(status->value);
      } else {
        line.malformed();
      }
      break;
    case backend_type::ready_for_query:
      if (const auto status = read_ready_for_query(body)) {
        const char letter = static_cast<char>(*status);
        line.word(Bytes(&letter, 1));
      } else {
        line.malformed();
      }
      break;
    case backend_type::negotiate_protocol_version:
      if (const auto version = read_negotiate_protocol_version(body)) {
        line.number(version->newest_minor).list(version->options, [&](Bytes name) { line.quoted(name); });
      } else {
        line.malformed();
      }
      break;
    case backend_type::error_response:
    case backend_type::notice_response:
      show_error(line, body);
      break;
    case backend_type::row_description:
      if (const auto columns = read_row_description(body)) {
        line.list(*columns, [&](const Column& column) { line.quoted(column.name).number(column.oid); });
      } else {
        line.malformed();
      }
      break;
    case backend_type::data_row:
      if (const auto values = read_data_row(body)) {
        show_values(line, *values);
      } else {
        line.malformed();
      }
      break;
    case backend_type::parameter_description:
      if (const auto types = read_parameter_description(body)) {
        show_numbers(line, *types);
      } else {
        line.malformed();
      }
      break;
    case backend_type::command_complete:
      show_text(line, read_command_complete(body));
      break;
    case backend_type::copy_data:
    case backend_type::notification_response:
    case backend_type::function_call_response:
      line.quoted(body);
      break;
    default:
      if (backend_name(type) == "Unknown") line.quoted(Bytes(&type, 1));
  }
  return line.take();
}

}  // namespace pgweir
