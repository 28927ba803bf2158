#include "protocol/writer.h"

#include <doctest/doctest.h>

#include <string>

#include "protocol/reader.h"

using namespace pgweir;
using namespace std::string_view_literals;

TEST_CASE("writer: a message has its type and its length, which counts itself") {
  Writer out;
  CHECK(out.empty());
  out.begin('Q').cstring("select 1").end();
  CHECK(out.view() == "Q\0\0\0\x0dselect 1\0"sv);
  CHECK_FALSE(out.empty());
}

TEST_CASE("writer: type 0 writes no type, as in the startup packets") {
  Writer out;
  out.begin(0).u32(196608).end();
  CHECK(out.view() == "\0\0\0\x08\0\x03\0\0"sv);
}

TEST_CASE("writer: several messages follow each other, each with its own length") {
  Writer out;
  out.begin('S').end().begin('D').u8('S').cstring("x").end().begin('H').end();
  CHECK(out.view() ==
        "S\0\0\0\x04"
        "D\0\0\0\x07Sx\0"
        "H\0\0\0\x04"sv);
}

TEST_CASE("writer: integers are in network order and come back from a reader") {
  Writer out;
  out.u8(0xfe).u16(0xfdfc).u32(0xfbfaf9f8).bytes("raw\0"sv);
  CHECK(out.view() == "\xfe\xfd\xfc\xfb\xfa\xf9\xf8raw\0"sv);
  Reader in(out.view());
  CHECK(in.u8() == 0xfe);
  CHECK(in.u16() == 0xfdfc);
  CHECK(in.u32() == 0xfbfaf9f8);
}

TEST_CASE("writer: a string ends at its first zero byte, lest it becomes two fields") {
  Writer out;
  out.cstring("a\0b"sv).cstring("").cstring("c");
  CHECK(out.view() == "a\0\0c\0"sv);
}

TEST_CASE("writer: taken or cleared, it starts anew") {
  Writer out;
  out.begin('X').end();
  CHECK(out.take() == "X\0\0\0\x04"sv);
  out.clear();
  CHECK(out.empty());
  out.begin('Q').bytes(std::string(70'000, 'x')).end();
  CHECK(Reader(out.view().substr(1, 4)).u32() == 70'004);
  out.clear();
  CHECK(out.empty());
  out.begin('S').end();
  CHECK(out.view() == "S\0\0\0\x04"sv);
}
