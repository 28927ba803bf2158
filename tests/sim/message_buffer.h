#pragma once
// Cuts received bytes into messages, for the simulated server and clients. Not the product's Framer: a fault
// in that must not hide itself.

#include <optional>
#include <string>

#include "protocol/reader.h"
#include "tests/sim/toy_session.h"

namespace pgweir::sim {

class MessageBuffer {
 public:
  static constexpr std::uint32_t limit = 64U << 20;

  void append(Bytes bytes) { bytes_.append(bytes); }
  std::size_t size() const { return bytes_.size() - begin_; }
  // What has not been taken, for messages about it.
  std::string preview() const { return printable(Bytes(bytes_).substr(begin_), 60); }
  // The stream cannot be understood any more.
  bool broken() const { return broken_; }

  // The next message; `typed` is false for startup packets, whose type is then 0.
  std::optional<Message> next(bool typed) {
    const std::size_t head = typed ? 1 : 0;
    const Bytes rest = Bytes(bytes_).substr(begin_);
    if (broken_ || rest.size() < head + 4) return std::nullopt;
    const std::uint32_t length = Reader(rest.substr(head, 4)).u32();
    if (length < 4 || length > limit) {
      broken_ = true;
      return std::nullopt;
    }
    if (rest.size() < head + length) return std::nullopt;
    Message message{typed ? rest[0] : '\0', std::string(rest.substr(head + 4, length - 4))};
    begin_ += head + length;
    if (begin_ > 65536 || begin_ == bytes_.size()) {
      bytes_.erase(0, begin_);
      begin_ = 0;
    }
    return message;
  }

  // One byte that is no message: the answer to SSLRequest.
  std::optional<char> next_byte() {
    if (size() == 0) return std::nullopt;
    return bytes_[begin_++];
  }

 private:
  std::string bytes_;
  std::size_t begin_ = 0;
  bool broken_ = false;
};

}  // namespace pgweir::sim
