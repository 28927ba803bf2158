#pragma once
// Numbers and texts as bytes, and back. What is read comes from a file that anybody may have written: a
// reader that meets what cannot be is not ok() any more, and gives zeros from then on.

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "pool/time.h"

namespace pgweir {

class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void byte(std::uint8_t value) { out_ += static_cast<char>(value); }
  void fixed32(std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) byte(static_cast<std::uint8_t>(value >> shift));
  }
  // 7 bits to a byte, the lowest first.
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) byte(static_cast<std::uint8_t>(value | 0x80));
    byte(static_cast<std::uint8_t>(value));
  }
  // Signed: 0, -1, 1, -2, ...
  void integer(std::int64_t value) {
    number(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }
  void real(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8) byte(static_cast<std::uint8_t>(bits >> shift));
  }
  // Never negative.
  void span(Duration value) { number(value.count() > 0 ? static_cast<std::uint64_t>(value.count()) : 0); }
  void text(std::string_view value) {
    number(value.size());
    out_ += value;
  }

 private:
  std::string& out_;
};

class ByteReader {
 public:
  static constexpr Duration longest{std::int64_t{1} << 62};

  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  // Nothing is left, and all was well.
  bool complete() const { return ok_ && rest_.empty(); }
  std::size_t left() const { return rest_.size(); }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  std::uint8_t byte() {
    if (rest_.empty()) {
      fail();
      return 0;
    }
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::uint32_t fixed32() {
    std::uint32_t value = 0;
    for (int shift = 0; shift < 32; shift += 8) value |= static_cast<std::uint32_t>(byte()) << shift;
    return value;
  }
  std::uint64_t number(std::uint64_t most = ~std::uint64_t{0}) {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t next = byte();
      if (shift == 63 && next > 1) fail();
      value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
      if ((next & 0x80) == 0) break;
    }
    if (value > most) fail();
    return ok_ ? value : 0;
  }
  std::int64_t integer() {
    const std::uint64_t value = number();
    return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
  }
  int small(int most) { return static_cast<int>(number(static_cast<std::uint64_t>(most))); }
  // Finite and not negative.
  double real() {
    std::uint64_t bits = 0;
    for (int shift = 0; shift < 64; shift += 8) bits |= static_cast<std::uint64_t>(byte()) << shift;
    const auto value = std::bit_cast<double>(bits);
    if (!std::isfinite(value) || value < 0) fail();
    return ok_ ? value : 0;
  }
  Duration span(Duration most = longest) {
    return Duration(static_cast<std::int64_t>(number(static_cast<std::uint64_t>(most.count()))));
  }
  std::string text(std::size_t most) {
    const std::uint64_t size = number(most);
    if (size > rest_.size()) fail();
    std::string value(rest_.substr(0, ok_ ? static_cast<std::size_t>(size) : 0));
    rest_.remove_prefix(value.size());
    return value;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace pgweir
