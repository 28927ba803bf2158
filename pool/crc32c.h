#pragma once
// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of records on disk.

#include <array>
#include <cstdint>
#include <string_view>

namespace pgweir {

constexpr std::uint32_t crc32c(std::string_view bytes) {
  constexpr auto table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value & 1u) != 0 ? value >> 1 ^ 0x82f63b78u : value >> 1;
      entries[i] = value;
    }
    return entries;
  }();
  std::uint32_t crc = 0xffffffffu;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xffu] ^ crc >> 8;
  return ~crc;
}

static_assert(crc32c("123456789") == 0xe3069283u);

}  // namespace pgweir
