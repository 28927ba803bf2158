#include "admin/duration.h"

#include <array>
#include <charconv>
#include <limits>
#include <span>
#include <system_error>

namespace pgweir {
namespace {

struct Unit {
  Bytes name;
  std::int64_t worth;  // nanoseconds, or bytes
};

using namespace std::chrono_literals;

constexpr std::int64_t in_ns(Duration d) { return d.count(); }
// Both from the smallest up.
constexpr std::array time_units{Unit{"us", in_ns(1us)},   Unit{"ms", in_ns(1ms)}, Unit{"s", in_ns(1s)},
                                Unit{"min", in_ns(1min)}, Unit{"h", in_ns(1h)},   Unit{"d", in_ns(24h)}};
constexpr std::array size_units{Unit{"B", 1}, Unit{"KiB", std::int64_t{1} << 10},
                                Unit{"MiB", std::int64_t{1} << 20}, Unit{"GiB", std::int64_t{1} << 30},
                                Unit{"TiB", std::int64_t{1} << 40}};

std::optional<std::int64_t> parse(Bytes text, std::span<const Unit> units, Bytes unit_of_bare_number) {
  // from_chars would take a sign.
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  Bytes name = text.substr(static_cast<std::size_t>(end - text.data()));
  if (name.empty()) name = unit_of_bare_number;
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / unit.worth) return std::nullopt;
    return number * unit.worth;
  }
  return std::nullopt;
}

std::string format(std::int64_t value, std::span<const Unit> units) {
  const Unit* best = &units.front();
  for (const Unit& unit : units) {
    if (value % unit.worth == 0) best = &unit;
  }
  return std::to_string(value / best->worth) + std::string(best->name);
}

}  // namespace

std::optional<Duration> parse_duration(Bytes text) {
  const auto ns = parse(text, time_units, "s");
  if (!ns) return std::nullopt;
  return Duration(*ns);
}

std::string format_duration(Duration duration) {
  const bool plain_seconds = duration <= 1h && duration % 1s == Duration::zero();
  return format(duration.count(), plain_seconds ? std::span(time_units).first(3) : std::span(time_units));
}

std::string format_seconds(Duration duration) {
  std::string text = std::to_string(duration / 1s);
  const std::int64_t rest = micros(duration % 1s);
  if (rest == 0) return text;
  const std::string digits = std::to_string(rest);
  text += "." + std::string(6 - digits.size(), '0') + digits;
  while (text.back() == '0') text.pop_back();
  return text;
}

std::optional<std::int64_t> parse_size(Bytes text) { return parse(text, size_units, "B"); }

std::string format_size(std::int64_t bytes) { return bytes == 0 ? "0B" : format(bytes, size_units); }

}  // namespace pgweir
