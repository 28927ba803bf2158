#pragma once
// Time as values. Nothing below proxy/net/ asks what time it is: an Instant comes in as an argument.

#include <chrono>
#include <cstdint>

namespace pgweir {

using Duration = std::chrono::nanoseconds;

// A clock without now(): the epoch is whatever the owner of time chose (monotonic, never the wall clock).
struct Timeline {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<Timeline>;
  static constexpr bool is_steady = true;
};
using Instant = Timeline::time_point;

inline constexpr Instant never = Instant::max();

// `at + span`, where a span of zero means "no limit", as in the settings.
constexpr Instant deadline_after(Instant at, Duration span) {
  return span == Duration::zero() ? never : at + span;
}

// Of spans that are not negative; what is too long for a Duration stays the longest.
constexpr Duration saturated_sum(Duration a, Duration b) {
  return a > Duration::max() - b ? Duration::max() : a + b;
}

constexpr double in_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

constexpr std::int64_t micros(Duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

}  // namespace pgweir
