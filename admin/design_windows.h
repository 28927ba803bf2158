#pragma once
// Which stretches of time decide the size of a pool, and what each of them asks for.

#include <string>
#include <vector>

#include "admin/erlang.h"
#include "admin/recommend.h"
#include "pool/meter.h"

namespace pgweir {

// Fewer transactions, or a shorter load, say nothing.
inline constexpr std::uint64_t enough_transactions = 1000;
inline constexpr Duration shortest_load = std::chrono::seconds(10);

struct DesignWindow {
  MinuteWindow window;
  std::string name;     // in words
  double load = 0;      // connections in use on average, had nobody waited
  OfferedLoad offered;  // with the headroom
  Duration p99_wait{};
  int size = 0;  // the smallest that keeps the target
};

// The three minutes with the most load and the one with the longest waits, those that hold enough; when none
// does, all that is kept as one. Empty when that is not enough either.
std::vector<DesignWindow> design_windows(const PoolMeasure& measure, const AdviceInput& input);

}  // namespace pgweir
