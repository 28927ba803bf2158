#include "proxy/net/log_text.h"

#include <spdlog/fmt/fmt.h>

#include <ctime>

namespace pgweir {
namespace {

constexpr std::size_t text_limit = 1500;
constexpr std::size_t name_limit = 128;

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

std::string_view level_word(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "DEBUG";
    case LogLevel::info:
      return "INFO";
    case LogLevel::warning:
      return "WARNING";
    case LogLevel::error:
      return "ERROR";
  }
  return "ERROR";
}

std::string stamp(WallTime time, char between, std::string_view zone) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
  const std::time_t seconds = static_cast<std::time_t>(millis / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}.{:03}{}", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, between, utc.tm_hour, utc.tm_min, utc.tm_sec, millis % 1000, zone);
}

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t size = 0;  // 0: not UTF-8
};

// The first code point of `text`, which is not empty; no overlong forms and no surrogates.
CodePoint decode(Bytes text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return {};
  std::uint32_t value = lead & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3Fu);
  }
  const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return {};
  return {value, size};
}

// Characters that move the cursor, hide, or reorder what follows them.
bool treacherous(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF || c >= 0xE0000;
}

// A name inside "database/user@peer": its blanks would look like the end of it.
std::string name(Bytes text) {
  std::string shown = readable(text, name_limit);
  return shown.find(' ') == std::string::npos ? shown : "\"" + shown + "\"";
}

// `text` holds no control characters any more.
void add_json(std::string& out, Bytes key, Bytes text) {
  out += fmt::format(",\"{}\":\"", key);
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace

std::string readable(Bytes text, std::size_t limit) {
  std::string shown;
  shown.reserve(std::min(text.size(), limit));
  while (!text.empty()) {
    if (shown.size() >= limit) return shown + "...";
    const CodePoint next = decode(text);
    const std::size_t size = next.size == 0 ? 1 : next.size;
    if (next.size == 0 || treacherous(next.value)) {
      for (const char c : text.substr(0, size))
        shown += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
    } else {
      shown += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return shown;
}

std::string text_line(const LogLine& line, WallTime time) {
  std::string out = stamp(time, ' ', " UTC ");
  out += level_word(line.level);
  out += ' ';
  if (line.side != '-') out += fmt::format("{}#{} ", line.side, line.connection);
  if (!line.database.empty() || !line.user.empty()) out += name(line.database) + "/" + name(line.user);
  if (!line.peer.empty()) out += "@" + name(line.peer);
  if (out.back() != ' ') out += ' ';
  if (line.link != 0) out += fmt::format("{}#{} ", line.side == 'C' ? 'S' : 'C', line.link);
  if (line.backend_pid != 0) out += fmt::format("pid {} ", line.backend_pid);
  return out + readable(line.text, text_limit);
}

std::string json_line(const LogLine& line, WallTime time) {
  std::string out =
      fmt::format("{{\"ts\":\"{}\",\"level\":\"{}\"", stamp(time, 'T', "Z"), level_name(line.level));
  if (line.side != '-') out += fmt::format(",\"side\":\"{}\",\"conn\":{}", line.side, line.connection);
  if (!line.database.empty()) add_json(out, "database", readable(line.database, name_limit));
  if (!line.user.empty()) add_json(out, "user", readable(line.user, name_limit));
  if (!line.peer.empty()) add_json(out, "peer", readable(line.peer, name_limit));
  if (line.link != 0) out += fmt::format(",\"link\":{}", line.link);
  if (line.backend_pid != 0) out += fmt::format(",\"backend_pid\":{}", line.backend_pid);
  add_json(out, "msg", readable(line.text, text_limit));
  return out + "}";
}

}  // namespace pgweir
