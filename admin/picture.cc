#include "admin/picture.h"

#include <algorithm>
#include <cmath>

namespace pgweir {

std::string bar(double share, int width) {
  // U+258F (one eighth) down to U+2588 (full): the same first two bytes, the last one counts down.
  const auto block = [](int eighths) { return std::string("\xE2\x96") + static_cast<char>(0x90 - eighths); };
  if (!(share > 0) || width <= 0) return {};
  const int eighths = std::max(1, static_cast<int>(std::lround(std::min(share, 1.0) * width * 8)));
  std::string text;
  for (int i = 0; i < eighths / 8; ++i) text += block(8);
  if (eighths % 8 != 0) text += block(eighths % 8);
  return text;
}

}  // namespace pgweir
