#include "admin/nearest.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "protocol/bytes.h"

namespace pgweir {
namespace {

constexpr std::size_t longest_word = 64;  // longer ones are no slip of a word of ours

// The optimal string alignment distance, with the last three rows of its matrix.
std::size_t slips(Bytes a, Bytes b) {
  using Row = std::array<std::size_t, longest_word + 1>;
  Row before_last{}, last{}, row{};
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last = last;
    last = row;
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const char x = lower_ascii(a[i - 1]), y = lower_ascii(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (x == y ? 0 : 1)});
      if (i > 1 && j > 1 && x == lower_ascii(b[j - 2]) && lower_ascii(a[i - 2]) == y) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

std::optional<Bytes> nearest(Bytes word, std::span<const Bytes> candidates) {
  std::optional<Bytes> best;
  std::size_t fewest = 0;
  if (word.size() > longest_word) return best;
  for (const Bytes candidate : candidates) {
    if (candidate.size() > longest_word) continue;
    const std::size_t count = slips(word, candidate);
    if (count > std::max<std::size_t>(1, std::min(word.size(), candidate.size()) / 3)) continue;
    if (!best || count < fewest) {
      best = candidate;
      fewest = count;
    }
  }
  return best;
}

}  // namespace pgweir
