#pragma once
// When a pool's demand will reach its size, from the days there are: the median of all slopes between two
// days (Theil and Sen), taken for a trend only when Mann and Kendall's test says so at 95 %. Always a range
// of dates, never a single one.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "admin/alerts/alert.h"
#include "pool/time.h"

namespace pgweir {

inline constexpr std::size_t least_days = 14;  // two weeks, so that weekdays do not look like a trend

// Servers that 99 % of the busiest minute of a day would have used.
struct DayDemand {
  std::int64_t day = 0;  // since 1970, UTC; or since the epoch of the timeline
  double demand = 0;
};

struct GrowthForecast {
  enum class State : std::uint8_t { too_little, steady, growing };
  State state = State::too_little;
  std::size_t days = 0;             // that were seen
  double demand = 0;                // now, by the trend; while too little is known the last day's
  double per_week = 0;              // servers
  double earliest = 0, latest = 0;  // days until `size` is reached; latest may be infinite
};

struct PoolForecast {
  std::string pool;  // "database/user"
  int size = 0;
  GrowthForecast forecast;
  std::string in_short;  // forecast_text()
};

// `days` ascending, whole days only.
GrowthForecast forecast_growth(std::span<const DayDemand> days, int size);
// One sentence for people; says what is missing.
std::string forecast_text(const GrowthForecast& forecast, int size);

// Nothing unless demand may reach the size within `horizon`, or has.
std::optional<AlertFinding> judge_growth(const GrowthForecast& forecast, const std::string& pool, int size,
                                         Duration horizon);

// The days of one pool, made from its minutes. The first day, which began in its middle, and the one that has
// not ended count for nothing.
class DemandDays {
 public:
  static constexpr std::size_t most_days = 400;
  void add_minute(std::int64_t day, double demand);
  // Those between the first and `today`.
  std::vector<DayDemand> whole_days(std::int64_t today) const;

 private:
  std::map<std::int64_t, double> days_;
  std::int64_t first_ = 0;
};

}  // namespace pgweir
