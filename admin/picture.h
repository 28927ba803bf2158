#pragma once
// Bars of block characters, for the console. UTF-8.

#include <string>

namespace pgweir {

// A bar of `share` (0..1; what is outside is cut off) of `width` characters, to an eighth of a character.
// Anything above zero shows at least the thinnest line. Not padded.
std::string bar(double share, int width);

}  // namespace pgweir
