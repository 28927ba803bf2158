#pragma once
// How many levels share a row where each is shown with its time. Pure.

namespace pgweir {

inline constexpr int most_level_rows = 24;

// 1, 2, 5, 10, 20, 50 and so on. Level 0 always has a row of its own.
inline int levels_of_a_row(int highest) {
  for (int scale = 1;; scale *= 10) {
    for (const int width : {scale, 2 * scale, 5 * scale}) {
      if ((highest + width - 1) / width < most_level_rows) return width;
    }
  }
}

}  // namespace pgweir
