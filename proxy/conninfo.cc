#include "proxy/conninfo.h"

#include <charconv>

namespace pgweir {
namespace {

using Failure = tl::unexpected<std::string>;

constexpr Bytes blanks = " \t\r\n";

void skip_blanks(Bytes& text) { text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size())); }

tl::expected<std::string, std::string> take_value(Bytes& text, const std::string& key) {
  const bool quoted = text.starts_with('\'');
  if (quoted) text.remove_prefix(1);
  std::string value;
  while (!text.empty()) {
    char c = text.front();
    if (quoted ? c == '\'' : blanks.find(c) != Bytes::npos) break;
    text.remove_prefix(1);
    if (c == '\\' && !text.empty()) {
      c = text.front();
      text.remove_prefix(1);
    }
    if (c == '\0') return Failure("the value of \"" + key + "\" holds a zero byte");
    value += c;
  }
  if (quoted) {
    if (text.empty()) return Failure("the value of \"" + key + "\" lacks its closing quote");
    text.remove_prefix(1);
  }
  return value;
}

tl::expected<void, std::string> set(Conninfo& info, const std::string& key, std::string value) {
  if (key == "host") {
    if (value.find(',') != std::string::npos)
      return Failure("\"host\" names several servers: one is allowed");
    info.host = std::move(value);
  } else if (key == "port") {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), info.port);
    if (error != std::errc() || end != value.data() + value.size() || info.port < 1 || info.port > 65535) {
      return Failure("\"port\" is \"" + printable(value) + "\": a number from 1 to 65535 is allowed");
    }
  } else if (key == "dbname") {
    info.dbname = std::move(value);
  } else if (key == "user") {
    info.user = std::move(value);
  } else if (key == "password") {
    info.password = std::move(value);
  } else {
    return Failure("unknown keyword \"" + printable(key) +
                   "\": host, port, dbname, user and password are allowed");
  }
  return {};
}

}  // namespace

tl::expected<Conninfo, std::string> parse_conninfo(Bytes text) {
  if (text.starts_with("postgres://") || text.starts_with("postgresql://")) {
    return Failure("a URI is not read: write 'host=... port=...'");
  }
  Conninfo info;
  for (skip_blanks(text); !text.empty(); skip_blanks(text)) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n="), text.size());
    const std::string key(text.substr(0, end));
    text.remove_prefix(end);
    skip_blanks(text);
    if (!text.starts_with('=')) return Failure("no \"=\" after \"" + printable(key) + "\"");
    text.remove_prefix(1);
    skip_blanks(text);
    auto value = take_value(text, key);
    if (!value) return Failure(value.error());
    const auto done = set(info, key, std::move(*value));
    if (!done) return Failure(done.error());
  }
  return info;
}

}  // namespace pgweir
