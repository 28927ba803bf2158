#pragma once
// The emergency brake: more transactions at once, fewer done. Pure; any thread.

#include <optional>
#include <string>
#include <vector>

#include "pool/windows.h"

namespace pgweir {

struct Brake {
  int size = 0;  // where most was done
  std::string why;
};

// Whether throughput fell while the number of executing connections rose, three minutes in a row, up to the
// last whole minute, by so much that no noise explains it (15 % and 30 % in all). `minutes` oldest first, of
// a pool of `current` servers; never less than half of them.
std::optional<Brake> pull_brake(const std::vector<WindowRef>& minutes, int current, Instant now);

}  // namespace pgweir
