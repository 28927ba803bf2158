#include "protocol/bytes.h"

namespace pgweir {

std::string printable(Bytes text, std::size_t limit) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (char c : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\\') {
      out += c;
    } else {
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
  if (text.size() > limit) out += "...";
  return out;
}

std::string lower_ascii(Bytes text) {
  std::string result(text);
  for (char& c : result) c = lower_ascii(c);
  return result;
}

}  // namespace pgweir
