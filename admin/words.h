#pragma once
// Numbers, spans and moments in words, for people.

#include <cstdint>
#include <string>

#include "pool/time.h"
#include "protocol/bytes.h"

namespace pgweir {

std::string number_text(double value, int digits);
std::string percent_text(double share);     // 0.031 is "3.1 %"
std::string duration_text(double seconds);  // "430 us", "6.2 ms", "142 ms", "1.4 s", "3 min", "2 h"
std::string duration_text(Duration span);
std::string count_text(std::uint64_t n, const char* one, const char* many);  // "1 client", "2 clients"
// Any bytes as one line of valid UTF-8: blanks and line ends become one blank, other control characters and
// what is not UTF-8 \xNN. Longer text is cut after about `most` characters, and ends in "...", as it does
// when there is more that `text` does not hold.
std::string line_text(Bytes text, std::size_t most, bool more = false);
// In lines of at most `width` characters where blanks allow it. `prefix` stands before the first line, as
// many blanks before the others.
std::string wrapped_text(Bytes text, Bytes prefix, std::size_t width);
// "Tue 10:04 UTC" when `wall_offset` (see AdviceInput) is known, else "began 12 min ago".
std::string moment_text(Instant at, Instant now, Duration wall_offset);

}  // namespace pgweir
