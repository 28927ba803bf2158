#pragma once
// What a byte is to PostgreSQL's scanner (scan.l).

#include <array>
#include <cstddef>
#include <cstdint>

namespace pgweir::sql_character {

enum Class : std::uint8_t { symbol, blank, letter, digit };

inline constexpr std::array<Class, 256> classes = [] {
  std::array<Class, 256> table{};
  for (const char c : {' ', '\t', '\n', '\r', '\f', '\v'}) table[static_cast<unsigned char>(c)] = blank;
  for (std::size_t c = '0'; c <= '9'; ++c) table[c] = digit;
  for (std::size_t c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = letter;
  for (std::size_t c = 0x80; c <= 0xff; ++c) table[c] = letter;
  table['_'] = letter;
  return table;
}();

inline Class class_of(char c) { return classes[static_cast<unsigned char>(c)]; }

}  // namespace pgweir::sql_character
