#pragma once
// Builds messages into an owned, growing buffer. `begin` and `end` write the type and the length; the
// buffer may hold any number of messages. Clearing keeps the capacity, so a writer that lives long does not
// allocate in the steady state.

#include <cstdint>
#include <string>

#include "protocol/bytes.h"

namespace pgweir {

class Writer {
 public:
  // Starts a message of the given type; type 0 starts one without a type byte, as the startup packets are.
  Writer& begin(char type) {
    if (type != 0) out_ += type;
    start_ = out_.size();
    return u32(0);
  }
  Writer& end() {
    put(start_, static_cast<std::uint32_t>(out_.size() - start_));
    return *this;
  }
  Writer& u8(std::uint8_t value) {
    out_ += static_cast<char>(value);
    return *this;
  }
  Writer& u16(std::uint16_t value) {
    return u8(static_cast<std::uint8_t>(value >> 8)).u8(static_cast<std::uint8_t>(value));
  }
  Writer& u32(std::uint32_t value) {
    out_.append(4, '\0');
    put(out_.size() - 4, value);
    return *this;
  }
  Writer& bytes(Bytes value) {
    out_ += value;
    return *this;
  }
  // The text up to its first zero byte, and a zero byte.
  Writer& cstring(Bytes value) { return bytes(value.substr(0, value.find('\0'))).u8(0); }

  Bytes view() const { return out_; }
  std::string take() { return std::move(out_); }
  void clear() { out_.clear(); }
  bool empty() const { return out_.empty(); }

 private:
  void put(std::size_t at, std::uint32_t value) {
    for (int i = 3; i >= 0; --i, value >>= 8)
      out_[at + static_cast<std::size_t>(i)] = static_cast<char>(value);
  }

  std::string out_;
  std::size_t start_ = 0;
};

}  // namespace pgweir
