#pragma once
// A minute as a worker measures it, made up.

#include <cmath>
#include <cstdint>
#include <memory>

#include "pool/windows.h"

namespace pgweir {

// A minute with so many servers in use on average, spread as independent arrivals spread them, and of so
// many transactions of 10 ms.
inline WindowRef steady_minute(Instant start, double in_use, int pool_size, Duration wait = {}) {
  auto minute = std::make_shared<MinuteWindow>();
  minute->start = start;
  minute->duration = std::chrono::minutes(1);
  const auto transactions = static_cast<std::uint64_t>(in_use * 6000);
  minute->arrivals = minute->completions = transactions;
  minute->holding_seconds = in_use * 60;
  minute->holding_seconds_squared = in_use * 60 * 0.02;
  const auto levels = static_cast<int>(in_use * 3 + 5);
  for (int level = 0; level < levels; ++level) {
    const double share = std::exp(level * std::log(in_use) - in_use - std::lgamma(level + 1.0));
    minute->held.add_time(level, Duration(static_cast<std::int64_t>(60e9 * share)));
  }
  minute->virtual_demand = minute->held;
  Histogram waits;
  for (std::uint64_t i = 0; i < transactions; ++i) waits.record(wait);
  minute->waits = waits.pack();
  minute->highest_needing = levels;
  minute->pool_size = pool_size;
  minute->clients = 100;
  return minute;
}

}  // namespace pgweir
