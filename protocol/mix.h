#pragma once
// One step of a fast hash, as wyhash has it (https://github.com/wangyi-fudan/wyhash): both halves of a
// product. Not for tables whose keys peers choose: that is keyed_hash.h.

#include <cstdint>

namespace pgweir {

inline std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  __extension__ using Wide = unsigned __int128;
  const Wide product =
      static_cast<Wide>(hash ^ value ^ 0x9e3779b97f4a7c15u) * static_cast<Wide>(hash ^ 0xbf58476d1ce4e5b9u);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace pgweir
