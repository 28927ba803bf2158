#include "admin/alerts/growth.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "admin/words.h"

namespace pgweir {
namespace {

constexpr double sure = 1.96;  // of the normal distribution, 95 % on both sides

double median(std::vector<double> values) {
  const std::size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle), values.end());
  return values[middle];
}

double days_until(double room, double slope) {
  if (room <= 0) return 0;
  return slope > 0 ? room / slope : std::numeric_limits<double>::infinity();
}

std::string days_text(double days) {
  if (!std::isfinite(days)) return "much later";
  if (days < 1) return "now";
  if (days < 21) return number_text(days, 0) + " days";
  return number_text(days / 7, 0) + " weeks";
}

}  // namespace

GrowthForecast forecast_growth(std::span<const DayDemand> days, int size) {
  GrowthForecast forecast{.days = days.size()};
  if (!days.empty()) forecast.demand = days.back().demand;
  if (days.size() < least_days) return forecast;

  std::vector<double> slopes;
  double s = 0;  // Mann and Kendall's: ups less downs
  for (std::size_t i = 0; i < days.size(); ++i) {
    for (std::size_t j = i + 1; j < days.size(); ++j) {
      const double rise = days[j].demand - days[i].demand;
      slopes.push_back(rise / static_cast<double>(days[j].day - days[i].day));
      s += rise > 0 ? 1 : rise < 0 ? -1 : 0;
    }
  }
  std::sort(slopes.begin(), slopes.end());
  const auto n = static_cast<double>(days.size());
  const double deviation = std::sqrt(n * (n - 1) * (2 * n + 5) / 18);
  const double slope = median(slopes);
  std::vector<double> at_the_end;  // each day moved to the last one
  for (const DayDemand& it : days)
    at_the_end.push_back(it.demand + slope * static_cast<double>(days.back().day - it.day));
  forecast.demand = median(at_the_end);
  forecast.per_week = slope * 7;
  if (slope <= 0 || (s - 1) / deviation < sure) {
    forecast.state = GrowthForecast::State::steady;
    return forecast;
  }
  // The bounds of the slope are the slopes of these ranks (Sen 1968).
  const auto at_rank = [&](double rank) {
    return slopes[static_cast<std::size_t>(std::clamp(rank, 0.0, static_cast<double>(slopes.size() - 1)))];
  };
  const double all = static_cast<double>(slopes.size());
  const double low = at_rank(std::floor((all - sure * deviation) / 2));
  const double high = at_rank(std::ceil((all + sure * deviation) / 2));
  forecast.state = GrowthForecast::State::growing;
  forecast.earliest = days_until(size - forecast.demand, high);
  forecast.latest = days_until(size - forecast.demand, low);
  return forecast;
}

std::string forecast_text(const GrowthForecast& forecast, int size) {
  const std::string demand = number_text(forecast.demand, 1);
  switch (forecast.state) {
    case GrowthForecast::State::too_little:
      return count_text(forecast.days, "whole day", "whole days") + " of history, " +
             std::to_string(least_days) + " are needed to tell growth from weekdays";
    case GrowthForecast::State::steady:
      return "no growth in " + std::to_string(forecast.days) + " days: the busiest minute of a day needs " +
             demand + " of " + count_text(static_cast<std::uint64_t>(size), "server", "servers");
    case GrowthForecast::State::growing:
      return "the busiest minute of a day needs " + demand + " of " +
             count_text(static_cast<std::uint64_t>(size), "server", "servers") + ", " +
             number_text(forecast.per_week, 1) + " more each week; all will be in use between " +
             days_text(forecast.earliest) + " and " + days_text(forecast.latest) + " from now";
  }
  return {};
}

std::optional<AlertFinding> judge_growth(const GrowthForecast& forecast, const std::string& pool, int size,
                                         Duration horizon) {
  if (forecast.state != GrowthForecast::State::growing || horizon == Duration::zero()) return {};
  const double limit = std::chrono::duration<double, std::ratio<86400>>(horizon).count();
  if (forecast.earliest > limit * 1.25) return {};
  return AlertFinding{.key = {AlertKind::growth, pool},
                      .severity = AlertSeverity::notice,
                      .holds = forecast.earliest > limit,
                      .value = forecast.earliest,
                      .limit = limit,
                      .unit = "days",
                      .reason = forecast_text(forecast, size) + ", by " +
                                count_text(forecast.days, "day", "days") + " of history.",
                      .action = "Plan a larger pool (SHOW RECOMMENDATIONS " + pool +
                                "), or find out what has grown (SHOW QUERIES " + pool + ")."};
}

void DemandDays::add_minute(std::int64_t day, double demand) {
  if (days_.empty()) first_ = day;
  double& busiest = days_[day];
  busiest = std::max(busiest, demand);
  if (days_.size() > most_days) days_.erase(days_.begin());
}

std::vector<DayDemand> DemandDays::whole_days(std::int64_t today) const {
  std::vector<DayDemand> all;
  for (const auto& [day, demand] : days_) {
    if (day != first_ && day < today) all.push_back({day, demand});
  }
  return all;
}

}  // namespace pgweir
