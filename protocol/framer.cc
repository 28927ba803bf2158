#include "protocol/framer.h"

#include <algorithm>
#include <cstring>

#include "protocol/reader.h"

namespace pgweir {

std::optional<Piece> Framer::next(Bytes& bytes) {
  // The body that the call before gave out: an idle connection keeps no memory for it.
  if (left_ == 0 && !gathered_.empty()) std::string().swap(gathered_);
  if (error_ || bytes.empty()) return std::nullopt;
  if (left_ > 0) {
    const Bytes part = bytes.substr(0, left_);
    bytes.remove_prefix(part.size());
    return piece(part, part, false, false);
  }

  const bool split = header_size_ > 0 || bytes.size() < header_length;
  Bytes raw = bytes;
  if (split) {
    const std::size_t part = std::min(bytes.size(), header_length - header_size_);
    std::memcpy(header_ + header_size_, bytes.data(), part);
    header_size_ = static_cast<std::uint8_t>(header_size_ + part);
    bytes.remove_prefix(part);
    // An unknown type is refused as soon as it is seen.
    if (!limit_(header_[0])) error_ = FrameError::unknown_type;
    if (error_ || header_size_ < header_length) return std::nullopt;
    raw = Bytes(header_, header_length);
  } else {
    std::memcpy(header_, bytes.data(), header_length);
  }

  const auto limit = limit_(header_[0]);
  const std::uint32_t declared = Reader(raw.substr(1, 4)).u32();
  if (!limit) {
    error_ = FrameError::unknown_type;
    return std::nullopt;
  }
  if (declared < 4 || declared - 4 > *limit) {
    error_ = FrameError::bad_length;
    return std::nullopt;
  }
  length_ = left_ = declared - 4;
  header_size_ = 0;
  if (split) return piece(raw, {}, true, true);
  raw = raw.substr(0, std::min<std::size_t>(raw.size(), header_length + length_));
  bytes.remove_prefix(raw.size());
  return piece(raw, raw.substr(header_length), true, false);
}

Piece Framer::piece(Bytes raw, Bytes body, bool first, bool borrowed) {
  left_ -= static_cast<std::uint32_t>(body.size());
  Piece result{.type = header_[0],
               .first = first,
               .last = left_ == 0,
               .borrowed = borrowed,
               .length = length_,
               .raw = raw};
  if (whole_->test(static_cast<unsigned char>(header_[0]))) {
    if (first && body.size() == length_) {
      result.body = body;
    } else {
      gathered_.append(body);
      if (result.last) result.body = gathered_;
    }
  }
  return result;
}

}  // namespace pgweir
