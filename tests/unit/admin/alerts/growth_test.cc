#include "admin/alerts/growth.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

using State = GrowthForecast::State;

// Weekends need less, and every day is a bit off.
std::vector<DayDemand> days(int count, double first, double per_day) {
  constexpr double noise[] = {0.3, -0.4, 0.1, 0.5, -0.2, -0.3, 0.2, -0.1, 0.4, -0.5, 0};
  std::vector<DayDemand> all;
  for (int day = 0; day < count; ++day) {
    const double weekend = day % 7 >= 5 ? -1 : 0;
    all.push_back({day, first + per_day * day + noise[day % 11] + weekend});
  }
  return all;
}

}  // namespace

TEST_CASE("growth: less than two weeks say nothing but that") {
  const GrowthForecast forecast = forecast_growth(days(13, 5, 1), 20);
  CHECK(forecast.state == State::too_little);
  CHECK(forecast_text(forecast, 20).find("13 whole days of history, 14 are needed") == 0);
  CHECK_FALSE(judge_growth(forecast, "p", 20, 24h * 14));
  CHECK(forecast_growth({}, 20).state == State::too_little);
}

TEST_CASE("growth: a steady demand is no growth, whatever the weekdays do") {
  for (const int count : {14, 15, 17, 21, 40, 100}) {
    CAPTURE(count);
    CHECK(forecast_growth(days(count, 8, 0), 10).state == State::steady);
    CHECK(forecast_growth(days(count, 8, -0.1), 10).state == State::steady);
  }
}

TEST_CASE("growth: the true date lies in the range, and the alert comes two weeks before the earliest") {
  // Reaches 20 at day 60 on workdays.
  const double slope = 0.2;
  const auto all = days(30, 8, slope);
  const GrowthForecast forecast = forecast_growth(all, 20);
  REQUIRE(forecast.state == State::growing);
  CHECK(forecast.per_week == doctest::Approx(1.4).epsilon(0.15));
  CHECK(forecast.earliest < 31);
  CHECK(forecast.latest > 31);
  CHECK(forecast.earliest > 20);
  CHECK_FALSE(judge_growth(forecast, "p", 20, 24h * 14));
  const GrowthForecast later = forecast_growth(days(50, 8, slope), 20);
  const auto alert = judge_growth(later, "p", 20, 24h * 14);
  REQUIRE(alert);
  CHECK_FALSE(alert->holds);
  CHECK(alert->severity == AlertSeverity::notice);
  CHECK(alert->reason.find("more each week; all will be in use between") != std::string::npos);
  CHECK_FALSE(judge_growth(later, "p", 20, 0s));
  CHECK(judge_growth(forecast_growth(days(90, 8, slope), 20), "p", 20, 24h * 14)->value == 0);
}

TEST_CASE("growth: only whole days count, the busiest minute of each, and they are bounded") {
  DemandDays demand;
  for (int day = 1; day <= 20; ++day) {
    demand.add_minute(day, 2);
    demand.add_minute(day, day);
    demand.add_minute(day, 1);
  }
  const auto known = demand.whole_days(20);
  REQUIRE(known.size() == 18);
  CHECK(known.front().day == 2);
  CHECK(known.back().demand == 19);
  for (int day = 21; day < 1000; ++day) demand.add_minute(day, 1);
  CHECK(demand.whole_days(1000).size() == DemandDays::most_days);
}
