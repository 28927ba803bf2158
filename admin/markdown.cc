#include "admin/markdown.h"

namespace pgweir {

std::string markdown_cell(Bytes text) {
  std::string result;
  for (const char c : text) {
    if (Bytes("|*_<[\\").find(c) != Bytes::npos) result += '\\';
    result += c;
  }
  return result;
}

// A bar would end the cell even inside of code.
std::string markdown_code(Bytes text) {
  std::string result = "`";
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result + "`";
}

}  // namespace pgweir
