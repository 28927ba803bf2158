#include "admin/speed_curve.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>

#include "pool/time.h"

namespace pgweir {

namespace {

constexpr double completions_to_fit = 30;
constexpr double completions_to_trust = 100;
constexpr std::size_t most_classes = 15;
constexpr double completions_to_compare = 1000;
// How much worse than the best, in squared standard deviations, a curve may fit and still be the right one.
constexpr double fits_as_well = 4;
constexpr double fits_alike = 1;
constexpr int rounds = 20;
constexpr std::array<int, 4> sharpnesses{1, 2, 4, 8};
constexpr std::array<double, 10> declines{0, 1e-5, 3e-5, 1e-4, 2e-4, 4e-4, 8e-4, 1.6e-3, 3.2e-3, 6.4e-3};
constexpr int bends = 52;

struct Cell {
  double completions = 0, exposure = 0;
};
struct Class {
  std::uint64_t fingerprint = 0;
  std::vector<Cell> levels;
  double exposure = 0, completions = 0;
  double rate = 0;
};

std::vector<Class> sum_up(std::span<const SpeedEvidence> evidence, Instant now) {
  std::map<std::uint64_t, Class> all;
  for (const SpeedEvidence& it : evidence) {
    const double age = std::max(0.0, in_seconds(now - it.start - it.length));
    const double weight = std::exp2(-age / (3 * 86400.0));
    for (const auto& [fingerprint, levels] : it.classes) {
      Class& sum = all[fingerprint];
      sum.fingerprint = fingerprint;
      sum.levels.resize(std::max(sum.levels.size(), levels.size()));
      for (std::size_t n = 1; n < levels.size(); ++n) {
        const Cell cell{weight * static_cast<double>(levels[n].completions), weight * levels[n].exposure};
        sum.levels[n].completions += cell.completions;
        sum.levels[n].exposure += cell.exposure;
        sum.completions += cell.completions;
        sum.exposure += cell.exposure;
      }
    }
  }
  std::vector<Class> classes;
  for (auto& [fingerprint, sum] : all)
    if (sum.completions > 0) classes.push_back(std::move(sum));
  std::stable_sort(classes.begin(), classes.end(),
                   [](const Class& a, const Class& b) { return a.exposure > b.exposure; });
  if (classes.size() <= most_classes) return classes;
  Class& rest = classes[most_classes - 1];
  for (std::size_t k = most_classes; k < classes.size(); ++k) {
    rest.levels.resize(std::max(rest.levels.size(), classes[k].levels.size()));
    for (std::size_t n = 0; n < classes[k].levels.size(); ++n) {
      rest.levels[n].completions += classes[k].levels[n].completions;
      rest.levels[n].exposure += classes[k].levels[n].exposure;
    }
    rest.exposure += classes[k].exposure;
    rest.completions += classes[k].completions;
  }
  rest.fingerprint = 0;
  classes.resize(most_classes);
  return classes;
}

Cell cell(const Class& it, int level) {
  const auto n = static_cast<std::size_t>(level);
  return n < it.levels.size() ? it.levels[n] : Cell{};
}

double shape(double n, double bend, int sharpness, double decline) {
  return std::pow(1 + std::pow(n / bend, sharpness), 1.0 / sharpness) * (1 + decline * n * n);
}

// Speeds of the levels and rates of the classes, in turns.
void find_speeds(SpeedCurve& curve, std::vector<Class>& classes) {
  for (int round = 0; round < rounds; ++round) {
    for (Class& it : classes) {
      double finished = 0, expected = 0;
      for (const SpeedCurve::Level& level : curve.levels) {
        finished += cell(it, level.level).completions;
        expected += level.speed * cell(it, level.level).exposure;
      }
      it.rate = finished / std::max(1e-12, expected);
    }
    for (SpeedCurve::Level& level : curve.levels) {
      double expected = 0;
      for (const Class& it : classes) expected += it.rate * cell(it, level.level).exposure;
      level.speed = level.completions / std::max(1e-12, expected);
    }
  }
  // Throughput of the whole mix at each level.
  double time = 0, finished = 0;
  for (const Class& it : classes) {
    if (it.rate <= 0) continue;
    double own = 0;
    for (const SpeedCurve::Level& level : curve.levels) own += cell(it, level.level).completions;
    time += own / it.rate;
    finished += own;
  }
  for (SpeedCurve::Level& level : curve.levels)
    level.throughput = time > 0 ? level.level * level.speed * finished / time : 0;
}

struct Fit {
  double bend = 0, decline = 0, scale = 1, squares = 0, penalized = 0;
  int sharpness = 1;
};

// Weighted least squares of the relative error of scale * shape against 1/speed.
double scale_and_squares(const SpeedCurve& curve, const std::vector<double>& shapes, double& squares) {
  double num = 0, den = 0;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const auto& level = curve.levels[i];
    num += level.completions * shapes[i] * level.speed;
    den += level.completions * shapes[i] * shapes[i] * level.speed * level.speed;
  }
  const double scale = num / std::max(1e-300, den);
  squares = 0;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const double error = scale * shapes[i] * curve.levels[i].speed - 1;
    squares += curve.levels[i].completions * error * error;
  }
  return scale;
}

// % more throughput for each % more connections, up to `top`.
double growth_of(double top, int sharpness, double bend, double decline) {
  const auto slow = [&](double n) { return shape(n, bend, sharpness, decline); };
  return 1 + std::log(slow(top / 1.5) / slow(top)) / std::log(1.5);
}

std::vector<Fit> all_fits(const SpeedCurve& curve) {
  const double top = curve.highest();
  std::vector<Fit> fits;
  std::vector<double> shapes(curve.levels.size());
  for (const int sharpness : sharpnesses)
    for (int i = 0; i < bends; ++i) {
      const double bend = 0.5 * std::pow(8.0 * top / 0.5, i / (bends - 1.0));
      for (const double decline : declines) {
        for (std::size_t j = 0; j < shapes.size(); ++j)
          shapes[j] = shape(curve.levels[j].level, bend, sharpness, decline);
        Fit it{bend, decline, 1, 0, 0, sharpness};
        it.scale = scale_and_squares(curve, shapes, it.squares);
        it.penalized = it.squares * (decline > 0 ? 1.1 : 1.0);  // it must earn its place
        fits.push_back(it);
      }
    }
  return fits;
}

// Levels that are close to each other, as when a DBA went from 16 connections to 24, or when nearly all
// clients are at the pool all the time: no curve can be drawn through that, but whether more got more done
// can be clear, from the slope of the throughput over all levels.
bool is_surely_flat(const SpeedCurve& curve) {
  const auto solid = [](const SpeedCurve::Level& level) {
    return level.completions >= completions_to_compare;
  };
  const auto low = std::find_if(curve.levels.begin(), curve.levels.end(), solid);
  const auto high = std::find_if(curve.levels.rbegin(), curve.levels.rend(), solid);
  if (low == curve.levels.end() || high->level < 1.25 * low->level) return false;
  double weights = 0, mean_x = 0, mean_y = 0;
  const auto x_of = [](const SpeedCurve::Level& level) { return std::log(level.level); };
  const auto y_of = [](const SpeedCurve::Level& level) { return std::log(level.level * level.speed); };
  for (const SpeedCurve::Level& level : curve.levels) {
    weights += level.completions;
    mean_x += level.completions * x_of(level);
    mean_y += level.completions * y_of(level);
  }
  mean_x /= weights;
  mean_y /= weights;
  double xx = 0, xy = 0;
  for (const SpeedCurve::Level& level : curve.levels) {
    xx += level.completions * (x_of(level) - mean_x) * (x_of(level) - mean_x);
    xy += level.completions * (x_of(level) - mean_x) * (y_of(level) - mean_y);
  }
  // Two standard errors of durations that spread as exponential ones do.
  return xy / xx + 2 / std::sqrt(xx) < growth_that_counts;
}

void find_class_slowdowns(SpeedCurve& curve, const std::vector<Class>& classes) {
  const int top = curve.highest();
  for (const Class& it : classes) {
    Cell low, high;
    for (const SpeedCurve::Level& level : curve.levels) {
      const Cell one = cell(it, level.level);
      Cell* side = 3 * level.level <= top ? &low : 3 * level.level >= 2 * top ? &high : nullptr;
      if (side == nullptr) continue;
      side->completions += one.completions;
      side->exposure += one.exposure;
    }
    if (low.completions < completions_to_trust || high.completions < completions_to_trust) continue;
    curve.classes.push_back(
        {it.fingerprint, high.exposure / high.completions / std::max(1e-12, low.exposure / low.completions),
         it.exposure});
  }
}

}  // namespace

int SpeedCurve::solid() const {
  for (auto it = levels.rbegin(); it != levels.rend(); ++it)
    if (it->completions >= completions_to_trust) return it->level;
  return highest();
}

double SpeedCurve::slowdown(double n) const {
  if (!found || n <= 1) return 1;
  return shape(n, bend, sharpness, decline) / shape(1, bend, sharpness, decline);
}

SpeedTable SpeedCurve::table(int highest_level) const {
  SpeedTable table(found ? static_cast<std::size_t>(std::max(1, highest_level)) + 1 : 1, 1.0);
  for (std::size_t n = 2; n < table.size(); ++n) table[n] = speed(static_cast<double>(n));
  return table;
}

SpeedCurve fit_speed(std::span<const SpeedEvidence> evidence, Instant now) {
  SpeedCurve curve;
  std::vector<Class> classes = sum_up(evidence, now);
  std::size_t highest = 0;
  for (const Class& it : classes) highest = std::max(highest, it.levels.size());
  double total = 0;
  for (int n = 1; n < static_cast<int>(highest); ++n) {
    SpeedCurve::Level level{n, 0, 1, 0};
    for (const Class& it : classes) level.completions += cell(it, n).completions;
    if (level.completions < completions_to_fit) continue;
    total += level.completions;
    curve.levels.push_back(level);
  }
  if (curve.levels.empty()) return curve;
  find_speeds(curve, classes);
  find_class_slowdowns(curve, classes);

  double squares = 0;
  scale_and_squares(curve, std::vector<double>(curve.levels.size(), 1.0), squares);
  curve.error = std::sqrt(squares / total);
  const int low = curve.levels.front().level, high = curve.highest();
  if (high < 3 || (high < 2 * low && !is_surely_flat(curve))) return curve;
  const std::vector<Fit> fits = all_fits(curve);
  const Fit* fit = &fits.front();
  for (const Fit& it : fits)
    if (it.penalized < fit->penalized * 0.999) fit = &it;
  // What was not seen is not taken to be slow: of curves that fit alike, the one that is still fast at the
  // lowest level that was seen.
  const auto slow_at_low = [low](const Fit& it) {
    return shape(low, it.bend, it.sharpness, it.decline) / shape(1, it.bend, it.sharpness, it.decline);
  };
  const double alike = fit->penalized + fits_alike;
  for (const Fit& it : fits)
    if (it.penalized <= alike && slow_at_low(it) < slow_at_low(*fit) * 0.999) fit = &it;
  const auto slow = [&](double n) { return shape(n, fit->bend, fit->sharpness, fit->decline); };
  if (fit->squares > 0.6 * squares || slow(high) / slow(low) < 1.1) return curve;
  curve.found = true;
  curve.bend = fit->bend;
  curve.sharpness = fit->sharpness;
  curve.decline = fit->decline;
  for (const Fit& it : fits) {
    if (it.squares <= fit->squares + fits_as_well)
      curve.least_growth =
          std::min(curve.least_growth, growth_of(curve.solid(), it.sharpness, it.bend, it.decline));
  }
  curve.error = std::sqrt(fit->squares / total);
  const double alone = fit->scale * slow(1);
  for (SpeedCurve::Level& level : curve.levels) level.speed *= alone;
  return curve;
}

Gap gap_around(const SpeedCurve& curve, double executing) {
  Gap gap;
  for (const SpeedCurve::Level& level : curve.levels) {
    if (level.completions < completions_to_trust) continue;
    if (level.level <= executing) gap.below = level.level;
    if (level.level >= executing) {
      gap.above = level.level;
      break;
    }
  }
  return gap;
}

Plateau plateau_of(const SpeedCurve& curve) {
  Plateau it;
  if (!curve.found) return it;
  const double top = curve.solid();
  const double below_top = gap_around(curve, top - 1).below;
  const auto throughput = [&](double n) { return n * curve.speed(n); };
  if (top < 1.5) return it;
  it.growth = growth_of(top, curve.sharpness, curve.bend, curve.decline);
  const bool in_doubt = top > 2 * below_top && curve.least_growth < growth_that_counts;
  if (it.growth >= growth_that_counts && !in_doubt) return it;
  it.reached = true;
  double most = 0;
  for (int i = 1; i <= 200; ++i)
    if (const double n = top * i / 200; n >= 1) most = std::max(most, throughput(n));
  it.knee = top;
  for (int i = 1; i <= 200; ++i)
    if (const double n = top * i / 200; n >= 1 && throughput(n) >= 0.95 * most) {
      it.knee = n;
      break;
    }
  const Gap gap = gap_around(curve, std::min(it.knee, in_doubt ? top - 1 : top));
  it.below = gap.below;
  it.above = gap.above;
  const double below = it.below > 0 ? it.below : std::max(1.0, most);
  if (it.above > 2 * below) {
    it.probe = true;
    // At full speed it takes as many statements as `most` to reach that throughput.
    it.knee = std::max(std::sqrt(below * it.above), std::min(most, top));
  } else if (it.below == 0) {
    // Below the lowest level that was seen the curve is a guess; that one is known to be enough.
    it.knee = std::max(it.knee, static_cast<double>(it.above));
  }
  return it;
}

}  // namespace pgweir
