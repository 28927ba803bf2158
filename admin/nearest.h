#pragma once
// The known word that somebody probably meant. Pure; any thread.

#include <optional>
#include <span>

#include "protocol/bytes.h"

namespace pgweir {

// The candidate with the fewest slips from `word` (a letter too many, too few, wrong, or swapped with its
// neighbour; case does not count), the first of equals. Nothing when even that is not near: more than one
// slip in three letters. The result is one of `candidates`.
std::optional<Bytes> nearest(Bytes word, std::span<const Bytes> candidates);

}  // namespace pgweir
