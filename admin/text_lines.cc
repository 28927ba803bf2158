#include "admin/text_lines.h"

#include <algorithm>

namespace pgweir {

Bytes trimmed(Bytes text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == Bytes::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Bytes take_line(Bytes& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const Bytes line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::optional<std::string> take_quoted(Bytes& text, char quote) {
  if (!text.starts_with(quote)) return {};
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] != quote) {
      out += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == quote) {
      out += text[i++];
    } else {
      text.remove_prefix(i + 1);
      return out;
    }
  }
  return {};
}

}  // namespace pgweir
