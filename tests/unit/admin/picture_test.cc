#include "admin/picture.h"

#include <doctest/doctest.h>

#include <cmath>

using pgweir::bar;

TEST_CASE("picture: bars are drawn to an eighth of a character") {
  CHECK(bar(1, 3) == "███");
  CHECK(bar(0.5, 4) == "██");
  CHECK(bar(0.5, 1) == "▌");
  CHECK(bar(1.0 / 8, 1) == "▏");
  CHECK(bar(7.0 / 8, 1) == "▉");
  CHECK(bar(0.75, 2) == "█▌");
}

TEST_CASE("picture: nothing is nothing, a little is a thin line, too much is cut off") {
  CHECK(bar(0, 10).empty());
  CHECK(bar(-1, 10).empty());
  CHECK(bar(std::nan(""), 10).empty());
  CHECK(bar(0.5, 0).empty());
  CHECK(bar(1e-9, 10) == "▏");
  CHECK(bar(7, 2) == "██");
}
