#pragma once
// Helpers for tests of single messages.

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "protocol/reader.h"
#include "protocol/writer.h"

namespace pgweir {

// The body of the one message in `out`, whose type and length are checked.
inline std::string body_of(const Writer& out, char type) {
  REQUIRE(out.view().size() >= 5);
  CHECK(out.view()[0] == type);
  CHECK(Reader(out.view().substr(1, 4)).u32() == out.view().size() - 1);
  return std::string(out.view().substr(5));
}

// Calls `check` with a copy of each part of `body` that lacks its end: a copy of its own size, so that the
// address sanitizer sees a read behind it.
template <typename Check>
void for_each_truncation(const std::string& body, Check check) {
  for (std::size_t size = 0; size < body.size(); ++size) {
    CAPTURE(size);
    const std::string part(body, 0, size);
    check(part);
  }
}

inline std::string big_endian(std::uint32_t value) {
  Writer out;
  return out.u32(value).take();
}

}  // namespace pgweir
