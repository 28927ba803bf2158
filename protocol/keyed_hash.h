#pragma once
// SipHash-1-3: a hash for tables whose keys peers choose. Without the key nobody can make texts that collide.

#include <cstdint>

#include "protocol/bytes.h"

namespace pgweir {

struct HashKey {
  std::uint64_t first = 0, second = 0;
};

std::uint64_t keyed_hash(HashKey key, Bytes text);

}  // namespace pgweir
