#include "admin/words.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "pool/time.h"

namespace pgweir {

namespace {

// Of the character in front, in bytes; 0 if there is no valid one (RFC 3629, section 4).
std::size_t utf8_size(Bytes text) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const int first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const int second = byte(1);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool no_character = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
  return overlong || no_character ? 0 : size;
}

bool is_control(Bytes character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

}  // namespace

std::string number_text(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string percent_text(double share) {
  const double value = share * 100;
  return number_text(value, value > 0 && value < 9.95 ? 1 : 0) + " %";
}

std::string duration_text(double secs) {
  if (!std::isfinite(secs)) return "without end";
  if (secs <= 0) return "0 ms";
  if (secs < 0.0005) return number_text(std::max(1.0, secs * 1e6), 0) + " us";
  if (secs < 0.00995) return number_text(secs * 1e3, 1) + " ms";
  if (secs < 0.9995) return number_text(secs * 1e3, 0) + " ms";
  if (secs < 9.95) return number_text(secs, 1) + " s";
  if (secs < 120) return number_text(secs, 0) + " s";
  if (secs < 7200) return number_text(secs / 60, 0) + " min";
  return number_text(secs / 3600, 0) + " h";
}

std::string duration_text(Duration span) { return duration_text(in_seconds(span)); }

std::string count_text(std::uint64_t n, const char* one, const char* many) {
  return std::to_string(n) + ' ' + (n == 1 ? one : many);
}

std::string line_text(Bytes text, std::size_t most, bool more) {
  std::string out;
  std::size_t characters = 0;
  bool blank = false;
  while (!text.empty()) {
    if (Bytes(" \t\r\n\f\v").find(text[0]) != Bytes::npos) {
      blank = !out.empty();
      text.remove_prefix(1);
      continue;
    }
    const std::size_t size = utf8_size(text);
    // What has been cut off in the middle of a character.
    if (size == 0 && more && text.size() < 4 && static_cast<unsigned char>(text[0]) >= 0xc2) break;
    if (characters + (blank ? 1 : 0) >= most) {
      more = true;
      break;
    }
    if (std::exchange(blank, false)) {
      out += ' ';
      ++characters;
    }
    const bool shown = size > 0 && !is_control(text.substr(0, size));
    const std::size_t taken = shown ? size : 1;
    if (shown) {
      out += text.substr(0, size);
    } else {
      constexpr char hex[] = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(text[0]);
      out += {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
    }
    ++characters;
    text.remove_prefix(taken);
  }
  return more ? out + "..." : out;
}

std::string moment_text(Instant at, Instant now, Duration wall_offset) {
  if (wall_offset == Duration::zero()) return "began " + duration_text(now - at) + " ago";
  constexpr const char* days[] = {"Thu", "Fri", "Sat", "Sun",
                                  "Mon", "Tue", "Wed"};  // 1970 began on a Thursday
  const auto minutes = std::chrono::floor<std::chrono::minutes>(at.time_since_epoch() + wall_offset).count();
  if (minutes < 0) return "began " + duration_text(now - at) + " ago";
  char text[32];
  std::snprintf(text, sizeof text, "%s %02d:%02d UTC", days[minutes / 1440 % 7],
                static_cast<int>(minutes / 60 % 24), static_cast<int>(minutes % 60));
  return text;
}

std::string wrapped_text(Bytes text, Bytes prefix, std::size_t width) {
  width -= std::min(width - 1, prefix.size());
  std::string out;
  while (!text.empty()) {
    std::size_t end = text.size();
    if (end > width) {
      end = text.rfind(' ', width);
      if (end == Bytes::npos || end == 0) end = std::min(text.find(' ', 1), text.size());
    }
    out += out.empty() ? std::string(prefix) : "\n" + std::string(prefix.size(), ' ');
    out += text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace pgweir
