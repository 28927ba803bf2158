#include "admin/erlang.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pgweir {

namespace {

double peakedness_of(const OfferedLoad& load) { return std::clamp(load.peakedness, 0.1, 1000.0); }

// Mean wait of those who wait, in seconds.
double wait_scale(const OfferedLoad& load, int size) {
  const double v = std::max(0.5, (2 * peakedness_of(load) - 1 + load.holding_spread) / 2);
  return v * load.holding / (size - load.mean);
}

double share_waiting(const OfferedLoad& load, int size) {
  const double z = peakedness_of(load);
  return erlang_c(size / z, load.mean / z);
}

}  // namespace

double erlang_b(double servers, double load) {
  if (load <= 0) return servers > 0 ? 0 : 1;
  const double whole = std::floor(servers);
  double x = servers - whole;
  double b = std::pow(load / (1 + load), x);
  for (double step = 0; step < whole; ++step) {
    x += 1;
    b = load * b / (x + load * b);
  }
  return b;
}

double erlang_c(double servers, double load) {
  if (load >= servers) return 1;
  const double b = erlang_b(servers, load);
  return b / (1 - load / servers * (1 - b));
}

double share_waiting_longer(const OfferedLoad& load, int size, double seconds) {
  if (load.mean <= 0) return 0;
  if (size <= load.mean) return 1;
  const double share = share_waiting(load, size);
  const double scale = wait_scale(load, size);
  return scale > 0 ? share * std::exp(-seconds / scale) : 0;
}

double p99_wait(const OfferedLoad& load, int size) {
  if (load.mean <= 0) return 0;
  if (size <= load.mean) return std::numeric_limits<double>::infinity();
  const double share = share_waiting(load, size);
  return share <= 0.01 ? 0 : wait_scale(load, size) * std::log(share / 0.01);
}

int smallest_size(const OfferedLoad& load, double seconds) {
  constexpr int largest = 1 << 20;
  int size = 1 + static_cast<int>(std::clamp(std::floor(load.mean), 0.0, double{largest}));
  while (size < largest && p99_wait(load, size) > seconds) ++size;
  return size;
}

}  // namespace pgweir
