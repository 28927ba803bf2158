#include "tests/traffic/dialogue.h"

#include <optional>

#include "protocol/backend.h"
#include "protocol/frontend.h"

namespace pgweir {

namespace {

template <class Write>
void append(std::string& bytes, Write write) {
  Writer out;
  write(out);
  bytes += out.view();
}

}  // namespace

void Dialogue::query(const std::string& sql) {
  append(bytes_, [&](Writer& out) { write_query(out, sql); });
}

void Dialogue::parse(const std::string& name, const std::string& sql) {
  append(bytes_, [&](Writer& out) { write_parse(out, name, sql); });
}

void Dialogue::bind(const std::string& name, const std::vector<std::string>& values) {
  const std::vector<std::optional<Bytes>> parameters(values.begin(), values.end());
  append(bytes_, [&](Writer& out) {
    write_bind(out, BindMessage{.portal = "", .statement = name, .parameters = parameters});
  });
}

void Dialogue::execute() {
  append(bytes_, [](Writer& out) { write_execute(out, ""); });
}

void Dialogue::describe(const std::string& name) {
  append(bytes_, [&](Writer& out) { write_describe(out, {'S', name}); });
}

void Dialogue::close(const std::string& name) {
  append(bytes_, [&](Writer& out) { write_close(out, {'S', name}); });
}

void Dialogue::sync() {
  append(bytes_, [](Writer& out) { write_sync(out); });
}

void Dialogue::copy_data(const std::string& data) {
  append(bytes_, [&](Writer& out) { write_copy_data(out, data); });
}

void Dialogue::copy_done() {
  append(bytes_, [](Writer& out) { write_copy_done(out); });
}

std::string line_of(const WireMessage& message) {
  const std::string type(1, message.type);
  switch (message.type) {
    case 'N':
    case 'S':
    case 'T':
    case 't':
    case 'n':
      return {};
    case 'C':
      return "C:" + std::string(read_command_complete(message.body).value_or("?"));
    case 'D': {
      std::string line = "D:";
      const auto values = read_data_row(message.body);
      if (!values) return "D?";
      for (const auto& value : *values) {
        if (line.size() > 2) line += '|';
        line += value ? *value : Bytes("~");
      }
      return line;
    }
    case 'E': {
      const ErrorFields fields = read_error_fields(message.body);
      return "E:" + std::string(fields.sqlstate) + ":" + std::string(fields.message);
    }
    case 'd':
    case 'Z':
      return type + ":" + message.body;
    default:
      return type;
  }
}

}  // namespace pgweir
