#include "protocol/reader.h"

#include <doctest/doctest.h>

#include <string>

using namespace pgweir;
using namespace std::string_view_literals;

TEST_CASE("reader: fields come in order, integers in network order") {
  Reader in(
      "\x01\x02\x03\x04\x05\x06\x07\xff\xff\xff\xfe"sv
      "name\0xyzrest"sv);
  CHECK(in.u8() == 1);
  CHECK(in.u16() == 0x0203);
  CHECK(in.u32() == 0x04050607);
  CHECK(in.i32() == -2);
  CHECK(in.cstring() == "name");
  CHECK(in.bytes(3) == "xyz");
  CHECK(in.left() == 4);
  CHECK(in.ok());
  CHECK_FALSE(in.done());
  CHECK(in.rest() == "rest");
  CHECK(in.done());
}

TEST_CASE("reader: high bytes are not signed") {
  Reader in("\xff\xff\xfe\x80\x00\x00\x01"sv);
  CHECK(in.u8() == 0xff);
  CHECK(in.u16() == 0xfffe);
  CHECK(in.u32() == 0x80000001);
  CHECK(in.done());
}

TEST_CASE("reader: an empty string and an empty rest are good values") {
  Reader in("\0"sv);
  CHECK(in.cstring().empty());
  CHECK(in.bytes(0).empty());
  CHECK(in.rest().empty());
  CHECK(in.done());
  CHECK(Reader("").done());
}

TEST_CASE("reader: a field that is cut gives nothing and fails") {
  struct Case {
    std::size_t needs;
    bool (*is_nothing)(Reader&);
  };
  for (const auto& [needs, is_nothing] : {
           Case{1, [](Reader& in) { return in.u8() == 0; }},
           Case{2, [](Reader& in) { return in.u16() == 0; }},
           Case{4, [](Reader& in) { return in.u32() == 0; }},
           Case{4, [](Reader& in) { return in.i32() == 0; }},
           Case{7, [](Reader& in) { return in.bytes(7).empty(); }},
           Case{5, [](Reader& in) { return in.cstring().empty(); }},  // no zero byte in sight
       }) {
    for (std::size_t size = 0; size < needs; ++size) {
      const std::string body(size, 'x');
      Reader in(body);
      CHECK(is_nothing(in));
      CHECK_FALSE(in.ok());
      CHECK_FALSE(in.done());
      CHECK(in.left() == 0);
    }
  }
}

TEST_CASE("reader: a failure is for good") {
  Reader in("\x01\x02\x03"sv);
  CHECK(in.u32() == 0);
  CHECK(in.u8() == 0);
  CHECK(in.cstring().empty());
  CHECK(in.bytes(0).empty());
  CHECK(in.rest().empty());
  CHECK_FALSE(in.ok());
  CHECK_FALSE(in.done());
}

TEST_CASE("reader: a huge size does not wrap around") {
  Reader in("abc");
  CHECK(in.bytes(static_cast<std::size_t>(-1)).empty());
  CHECK_FALSE(in.ok());
}
