#include "admin/world.h"

#include <cstdio>

namespace pgweir {

std::string time_text(const World& world, Instant at) {
  using namespace std::chrono;
  const auto second = floor<seconds>(at.time_since_epoch() + world.wall_offset);
  const auto day = floor<days>(second);
  const year_month_day date{sys_days(day)};
  const hh_mm_ss time(second - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d:%02d UTC", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return text;
}

}  // namespace pgweir
