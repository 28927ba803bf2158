#pragma once
// How much slower a host gets when more statements execute at once, from its completions and exposure at each
// level (pool/profile.h). Pure.
//
// Completions of class k at level n are taken as Poisson with the mean m_k r(n) E_k(n): m_k is the rate of
// the class on an idle host, r(n) the speed at level n, E_k(n) its exposure there. Both are found in turns;
// with classes, a few slow statements that fill a pool are not mistaken for a slow host. To 1/r(n) a curve (1
// + (n/n0)^p)^(1/p) (1 + k n^2) is fitted, p = 1 for contention, p = 8 for a hard number of cores, unless "no
// slowdown" says about the same.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "admin/replay.h"
#include "pool/profile.h"

namespace pgweir {

// % more throughput for each % more connections: what is less is not worth them.
inline constexpr double growth_that_counts = 0.15;

struct SpeedCurve {
  struct Level {
    int level = 0;
    double completions = 0;
    double speed = 1;       // measured; relative to the idle host once `found`
    double throughput = 0;  // completions per second that the mix would reach at this level
  };
  struct ClassSlowdown {
    std::uint64_t fingerprint = 0;
    double slowdown = 1;  // time in the upper third of the levels over time in the lower
    double exposure = 0;
  };
  bool found = false;  // false: no slowdown was seen, or nothing to see it by
  double bend = 0;     // n0
  int sharpness = 1;   // p
  double decline = 0;  // k
  double error = 0;    // of the fit, weighted, relative
  // The least growth of throughput at the top (Plateau::growth) among the curves that fit about as well.
  double least_growth = 1;
  std::vector<Level> levels;  // those with enough completions, ascending
  std::vector<ClassSlowdown> classes;

  int highest() const { return levels.empty() ? 0 : levels.back().level; }
  // The highest level that was seen often enough to speak of its throughput.
  int solid() const;
  double slowdown(double n) const;  // over being alone; 1 at n <= 1
  double speed(double n) const { return 1 / slowdown(n); }
  SpeedTable table(int highest_level) const;
};

// `now`: older evidence counts less, by half for every three days.
SpeedCurve fit_speed(std::span<const SpeedEvidence> evidence, Instant now);

// The nearest levels at or below, and at or above `executing`, that were seen often enough; 0: none.
struct Gap {
  int below = 0, above = 0;
};
Gap gap_around(const SpeedCurve& curve, double executing);

// From where on more executing connections do not bring more.
struct Plateau {
  bool reached = false;  // within what was seen
  // % more throughput for each % more executing connections, at the top of what was seen; 1 without a curve.
  double growth = 1;
  // Only somewhere between `below` and `above`, where nothing was seen; and perhaps not, when nothing was
  // seen for long below the top, and curves that flatten fit as well as those that still rise.
  bool probe = false;
  double knee = 0;  // executing connections
  int below = 0, above = 0;
};
Plateau plateau_of(const SpeedCurve& curve);

}  // namespace pgweir
