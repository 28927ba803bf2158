#include "protocol/bytes.h"

#include <doctest/doctest.h>

using namespace pgweir;

TEST_CASE("printable: what could confuse a terminal or a log is escaped") {
  struct Case {
    Bytes text;
    std::string expected;
  };
  using namespace std::string_view_literals;
  for (const auto& [text, expected] : {
           Case{"", ""},
           Case{"plain text, 'quoted' \"too\"", "plain text, 'quoted' \"too\""},
           Case{"a\nb\tc", "a\\x0ab\\x09c"},
           Case{"\x1b[2J", "\\x1b[2J"},
           Case{"\0"sv, "\\x00"},
           Case{"\x7f\x80\xff", "\\x7f\\x80\\xff"},
           Case{"back\\slash", "back\\x5cslash"},
           Case{" ~", " ~"},
       }) {
    CHECK(printable(text) == expected);
  }
}

TEST_CASE("printable: what is too long ends in dots, what just fits does not") {
  CHECK(printable("abcdef", 6) == "abcdef");
  CHECK(printable("abcdefg", 6) == "abcdef...");
  CHECK(printable("\n\n", 1) == "\\x0a...");
  CHECK(printable(std::string(128, 'x')) == std::string(128, 'x'));
  CHECK(printable(std::string(129, 'x')) == std::string(128, 'x') + "...");
}
