#include "admin/words.h"

#include <doctest/doctest.h>

#include <limits>

using namespace pgweir;
using namespace std::chrono_literals;

TEST_CASE("words: durations have two figures and the unit that fits") {
  CHECK(duration_text(0ns) == "0 ms");
  CHECK(duration_text(200ns) == "1 us");
  CHECK(duration_text(430us) == "430 us");
  CHECK(duration_text(6200us) == "6.2 ms");
  CHECK(duration_text(142ms) == "142 ms");
  CHECK(duration_text(1400ms) == "1.4 s");
  CHECK(duration_text(30s) == "30 s");
  CHECK(duration_text(180s) == "3 min");
  CHECK(duration_text(24h) == "24 h");
  CHECK(duration_text(std::numeric_limits<double>::infinity()) == "without end");
}

TEST_CASE("words: shares, counts and moments") {
  CHECK(percent_text(0) == "0 %");
  CHECK(percent_text(0.031) == "3.1 %");
  CHECK(percent_text(0.5) == "50 %");
  CHECK(count_text(1, "client", "clients") == "1 client");
  CHECK(count_text(2, "client", "clients") == "2 clients");
  CHECK(moment_text(Instant(0s), Instant(720s), 0ns) == "began 12 min ago");
  CHECK(moment_text(Instant(4min), Instant(1h), 5 * 24h + 10h) == "Tue 10:04 UTC");
}
