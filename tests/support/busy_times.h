#pragma once
// Stretches of time in which something was busy, of several at once. A plain value.

#include <chrono>
#include <cstddef>
#include <vector>

namespace pgweir {

class BusyTimes {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void add(Time from, Time until) { stretches_.push_back({from, until}); }
  std::size_t count() const { return stretches_.size(); }
  // How many took at least so long.
  std::size_t count_from(std::chrono::nanoseconds length) const;
  // How long at least `level` were busy at once.
  std::chrono::nanoseconds time_from(int level) const;
  // All of them together.
  std::chrono::nanoseconds sum() const;
  int highest() const;

 private:
  struct Stretch {
    Time from, until;
  };
  // Time at each level.
  std::vector<std::chrono::nanoseconds> levels() const;

  std::vector<Stretch> stretches_;
};

}  // namespace pgweir
