#pragma once
// What the readers and writers of message bodies share: values that may be NULL, and lists behind a count of
// 16 bits. For frontend.cc and backend.cc.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "protocol/reader.h"
#include "protocol/writer.h"

namespace pgweir {

template <typename T>
std::optional<T> when(bool good, T value) {
  return good ? std::optional<T>(std::move(value)) : std::nullopt;
}

// Nothing for the length -1, which stands for NULL. Other negative lengths fail the reader.
inline std::optional<Bytes> read_nullable(Reader& in) {
  const std::uint32_t size = in.u32();
  if (!in.ok() || size == 0xffffffff) return std::nullopt;
  return in.bytes(size);
}

inline void write_nullable(Writer& out, const std::optional<Bytes>& value) {
  if (!value) {
    out.u32(0xffffffff);
  } else {
    out.u32(static_cast<std::uint32_t>(value->size())).bytes(*value);
  }
}

// The declared count only ends the loop: what is kept never outgrows the body, as each entry takes bytes
// of it.
template <typename ReadOne>
auto read_list(Reader& in, ReadOne read_one) {
  std::vector<decltype(read_one(in))> list;
  for (int left = in.u16(); left > 0 && in.ok(); --left) list.push_back(read_one(in));
  return list;
}

template <typename T, typename WriteOne>
void write_list(Writer& out, std::span<const T> list, WriteOne write_one) {
  list = list.first(std::min<std::size_t>(list.size(), 0xffff));
  out.u16(static_cast<std::uint16_t>(list.size()));
  for (const T& one : list) write_one(out, one);
}

}  // namespace pgweir
