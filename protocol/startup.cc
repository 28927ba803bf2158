#include "protocol/startup.h"

#include <algorithm>

#include "protocol/bytes.h"
#include "protocol/message.h"
#include "protocol/reader.h"
#include "protocol/sqlstate.h"

namespace pgweir {

namespace {

// `text` is the word's beginning, of `least` characters or more.
bool abbreviates(Bytes text, Bytes word, std::size_t least) {
  return text.size() >= least && text.size() <= word.size() &&
         std::equal(text.begin(), text.end(), word.begin(),
                    [](char a, char b) { return lower_ascii(a) == b; });
}

// As parse_bool in PostgreSQL's bool.c.
std::optional<bool> to_bool(Bytes text) {
  if (text == "1" || abbreviates(text, "true", 1) || abbreviates(text, "yes", 1) ||
      abbreviates(text, "on", 2)) {
    return true;
  }
  if (text == "0" || abbreviates(text, "false", 1) || abbreviates(text, "no", 1) ||
      abbreviates(text, "off", 2)) {
    return false;
  }
  return std::nullopt;
}

StartupPacket parse_cancel(Reader reader) {
  if (reader.left() < 4 + min_cancel_secret) {
    return StartupError{sqlstate::protocol_violation, "invalid length of cancel request packet"};
  }
  if (reader.left() > 4 + max_cancel_secret) {
    return StartupError{sqlstate::protocol_violation,
                        "invalid length of cancel key in cancel request packet"};
  }
  const std::uint32_t pid = reader.u32();
  return CancelRequest{pid, std::string(reader.rest())};
}

StartupPacket parse_message(StartupMessage message, Reader reader) {
  bool replicates = false;
  while (true) {
    const Bytes name = reader.cstring();
    if (!reader.ok() || name.empty()) break;
    const Bytes value = reader.cstring();
    if (!reader.ok()) break;
    if (name == "user") {
      message.user = value;
    } else if (name == "database") {
      message.database = value;
    } else if (name == "options") {
      message.options = value;
    } else if (name == "replication") {
      message.replication = value;
      replicates = true;
    } else if (name.starts_with("_pq_.")) {
      message.protocol_options.emplace_back(name, value);
    } else {
      message.parameters.emplace_back(name, value);
    }
    if (replicates && message.replication != "database" && !to_bool(message.replication)) {
      return StartupError{sqlstate::invalid_parameter_value,
                          "invalid value for parameter \"replication\": \"" + message.replication + "\"",
                          "Valid values are: \"false\", 0, \"true\", 1, \"database\"."};
    }
  }
  if (!reader.done()) {
    return StartupError{sqlstate::protocol_violation,
                        "invalid startup packet layout: expected terminator as last byte"};
  }
  if (message.user.empty()) {
    return StartupError{sqlstate::invalid_authorization_specification,
                        "no PostgreSQL user name specified in startup packet"};
  }
  if (message.database.empty()) message.database = message.user;
  return message;
}

void write_code(Writer& out, std::uint32_t code) { out.begin(0).u32(code).end(); }

}  // namespace

std::optional<std::uint32_t> startup_body_size(Bytes length_field) {
  Reader reader(length_field);
  const std::uint32_t length = reader.u32();
  if (!reader.done() || length < 8 || length - 4 > max_startup_packet) return std::nullopt;
  return length - 4;
}

StartupPacket parse_startup(Bytes body) {
  if (body.size() < 4 || body.size() > max_startup_packet) return invalid_startup_length();
  Reader reader(body);
  const std::uint32_t code = reader.u32();
  if (code == cancel_request_code) return parse_cancel(reader);
  if (code == ssl_request_code || code == gss_enc_request_code) {
    if (reader.left() > 0) return invalid_startup_length();
    if (code == ssl_request_code) return SslRequest{};
    return GssEncRequest{};
  }
  StartupMessage message;
  message.major = static_cast<std::uint16_t>(code >> 16);
  message.minor = static_cast<std::uint16_t>(code & 0xffff);
  if (message.major != 3) {
    return StartupError{sqlstate::feature_not_supported,
                        "unsupported frontend protocol " + std::to_string(message.major) + "." +
                            std::to_string(message.minor) + ": server supports 3.0 to 3.0"};
  }
  return parse_message(std::move(message), reader);
}

std::optional<std::vector<StartupMessage::Value>> parse_options(Bytes options) {
  std::vector<std::string> words;
  bool inside = false;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const char c = options[i];
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      inside = false;
      continue;
    }
    if (!std::exchange(inside, true)) words.emplace_back();
    if (c == '\\' && i + 1 < options.size()) ++i;
    words.back() += options[i];
  }
  std::vector<StartupMessage::Value> values;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string setting;
    if (words[i] == "-c" && i + 1 < words.size()) {
      setting = words[++i];
    } else if (words[i].starts_with("-c") || words[i].starts_with("--")) {
      setting = words[i].substr(2);
    }
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) return {};
    std::string name = setting.substr(0, equals);
    std::replace(name.begin(), name.end(), '-', '_');
    values.emplace_back(std::move(name), setting.substr(equals + 1));
  }
  return values;
}

bool wants_replication(const StartupMessage& message) {
  return message.replication == "database" || to_bool(message.replication).value_or(false);
}

void write_startup(Writer& out, const StartupMessage& message) {
  out.begin(0).u16(message.major).u16(message.minor);
  out.cstring("user").cstring(message.user).cstring("database").cstring(message.database);
  if (!message.options.empty()) out.cstring("options").cstring(message.options);
  if (!message.replication.empty()) out.cstring("replication").cstring(message.replication);
  for (const auto* list : {&message.parameters, &message.protocol_options}) {
    for (const auto& [name, value] : *list) out.cstring(name).cstring(value);
  }
  out.u8(0).end();
}

void write_ssl_request(Writer& out) { write_code(out, ssl_request_code); }
void write_gss_enc_request(Writer& out) { write_code(out, gss_enc_request_code); }

void write_cancel_request(Writer& out, std::uint32_t pid, Bytes secret) {
  out.begin(0).u32(cancel_request_code).u32(pid).bytes(secret).end();
}

}  // namespace pgweir
