#pragma once
// Cuts a byte stream into messages. A read is not a message: only the Framer decides where messages start.
//
// Messages pass in pieces, as the reads bring them, whatever their size, without being gathered in memory.
// Only the types in `whole` are gathered as well: with the last piece of such a message comes its whole
// body. A length is believed only after it has been checked against the limit of its type.

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>

#include "protocol/bytes.h"
#include "protocol/message.h"

namespace pgweir {

struct Piece {
  char type = 0;
  bool first = false;  // the message begins here, and `raw` begins with its header
  bool last = false;   // the message ends here
  // True when `raw` is the framer's own copy of a header that came in parts: valid until the next call only.
  bool borrowed = false;
  std::uint32_t length = 0;  // of the whole body, as declared
  Bytes raw{};               // the part of the message, header included, that this read brought
  // The whole body, with the last piece of a type that is gathered: valid until the next call only.
  Bytes body{};
};

enum class FrameError : std::uint8_t { unknown_type, bad_length };

class Framer {
 public:
  using Types = std::bitset<256>;
  // The largest body that a type may have, nothing for a type that does not exist.
  using Limit = std::optional<std::uint32_t> (*)(char type);

  Framer(const Types* whole, Limit limit) : whole_(whole), limit_(limit) {}

  // The next piece at the front of `bytes`, which is shortened by it. Nothing when bytes are used up or the
  // stream is broken (see error()).
  std::optional<Piece> next(Bytes& bytes);

  // From the next message on; not while one is half through.
  void gather(const Types* whole) { whole_ = whole; }

  std::optional<FrameError> error() const { return error_; }
  char error_type() const { return header_[0]; }
  // No message is half through.
  bool at_boundary() const { return header_size_ == 0 && left_ == 0; }

 private:
  Piece piece(Bytes raw, Bytes body, bool first, bool borrowed);

  const Types* whole_;
  Limit limit_;
  std::string gathered_;
  std::uint32_t length_ = 0;  // of the body of the message in progress
  std::uint32_t left_ = 0;    // of it, not seen yet
  std::uint8_t header_size_ = 0;
  char header_[header_length] = {};
  std::optional<FrameError> error_;
};

}  // namespace pgweir
