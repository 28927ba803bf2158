#include "tests/support/busy_times.h"

#include <algorithm>
#include <utility>

namespace pgweir {

std::size_t BusyTimes::count_from(std::chrono::nanoseconds length) const {
  return static_cast<std::size_t>(std::count_if(
      stretches_.begin(), stretches_.end(), [&](const Stretch& it) { return it.until - it.from >= length; }));
}

std::vector<std::chrono::nanoseconds> BusyTimes::levels() const {
  std::vector<std::pair<Time, int>> changes;
  for (const Stretch& it : stretches_) {
    changes.push_back({it.from, 1});
    changes.push_back({it.until, -1});
  }
  // Of the same instant the end comes first.
  std::sort(changes.begin(), changes.end());
  std::vector<std::chrono::nanoseconds> times(1);
  std::size_t level = 0;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (i > 0) times[level] += changes[i].first - changes[i - 1].first;
    level = static_cast<std::size_t>(static_cast<int>(level) + changes[i].second);
    if (level >= times.size()) times.resize(level + 1);
  }
  return times;
}

std::chrono::nanoseconds BusyTimes::time_from(int level) const {
  std::chrono::nanoseconds time{};
  const auto times = levels();
  for (auto i = static_cast<std::size_t>(level); i < times.size(); ++i) time += times[i];
  return time;
}

std::chrono::nanoseconds BusyTimes::sum() const {
  std::chrono::nanoseconds time{};
  for (const Stretch& it : stretches_) time += it.until - it.from;
  return time;
}

int BusyTimes::highest() const { return static_cast<int>(levels().size()) - 1; }

}  // namespace pgweir
