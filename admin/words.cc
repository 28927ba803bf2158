#include "admin/words.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace pgweir {

std::string number_text(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string percent_text(double share) {
  const double value = share * 100;
  return number_text(value, value > 0 && value < 9.95 ? 1 : 0) + " %";
}

std::string duration_text(double secs) {
  if (!std::isfinite(secs)) return "without end";
  if (secs <= 0) return "0 ms";
  if (secs < 0.0005) return number_text(std::max(1.0, secs * 1e6), 0) + " us";
  if (secs < 0.00995) return number_text(secs * 1e3, 1) + " ms";
  if (secs < 0.9995) return number_text(secs * 1e3, 0) + " ms";
  if (secs < 9.95) return number_text(secs, 1) + " s";
  if (secs < 120) return number_text(secs, 0) + " s";
  if (secs < 7200) return number_text(secs / 60, 0) + " min";
  return number_text(secs / 3600, 0) + " h";
}

std::string duration_text(Duration span) {
  return duration_text(std::chrono::duration<double>(span).count());
}

std::string count_text(std::uint64_t n, const char* one, const char* many) {
  return std::to_string(n) + ' ' + (n == 1 ? one : many);
}

std::string moment_text(Instant at, Instant now, Duration wall_offset) {
  if (wall_offset == Duration::zero()) return "began " + duration_text(now - at) + " ago";
  constexpr const char* days[] = {"Thu", "Fri", "Sat", "Sun",
                                  "Mon", "Tue", "Wed"};  // 1970 began on a Thursday
  const auto minutes = std::chrono::floor<std::chrono::minutes>(at.time_since_epoch() + wall_offset).count();
  if (minutes < 0) return "began " + duration_text(now - at) + " ago";
  char text[32];
  std::snprintf(text, sizeof text, "%s %02d:%02d UTC", days[minutes / 1440 % 7],
                static_cast<int>(minutes / 60 % 24), static_cast<int>(minutes % 60));
  return text;
}

}  // namespace pgweir
