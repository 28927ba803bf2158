#pragma once
// A cursor over the body of one message. All bounds checks of the product are here: a read past the end
// returns zero or an empty view and makes the reader fail for good, so a parser reads all its fields and
// asks ok() once. Views point into the body and live as long as it does.

#include <cstdint>

#include "protocol/bytes.h"

namespace pgweir {

class Reader {
 public:
  explicit Reader(Bytes body) : rest_(body) {}

  std::uint8_t u8() { return take(1) ? static_cast<std::uint8_t>(taken_[0]) : 0; }
  std::uint16_t u16() { return take(2) ? static_cast<std::uint16_t>(big_endian()) : 0; }
  std::uint32_t u32() { return take(4) ? big_endian() : 0; }
  std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
  // The next `size` bytes.
  Bytes bytes(std::size_t size) { return take(size) ? taken_ : Bytes{}; }
  // A string that ends with a zero byte, which is consumed and not part of the view.
  Bytes cstring() {
    const auto end = rest_.find('\0');
    if (end == Bytes::npos) {
      fail();
      return {};
    }
    const Bytes text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  // All that is left.
  Bytes rest() { return bytes(rest_.size()); }

  std::size_t left() const { return rest_.size(); }
  bool ok() const { return !failed_; }
  // The body was well formed and nothing is left over.
  bool done() const { return !failed_ && rest_.empty(); }

 private:
  bool take(std::size_t size) {
    if (failed_ || size > rest_.size()) {
      fail();
      return false;
    }
    taken_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }
  void fail() {
    failed_ = true;
    rest_ = {};
  }
  std::uint32_t big_endian() const {
    std::uint32_t value = 0;
    for (char c : taken_) value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
  }

  Bytes rest_;
  Bytes taken_;
  bool failed_ = false;
};

}  // namespace pgweir
