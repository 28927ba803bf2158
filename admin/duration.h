#pragma once
// Durations and sizes as people write them: a whole number and one unit, "500ms", "120s", "5min", "64MiB".
// Pure functions; any thread.

#include <cstdint>
#include <optional>
#include <string>

#include "pool/time.h"
#include "protocol/bytes.h"

namespace pgweir {

// Units: us ms s min h d. A bare number is seconds, as in PgBouncer. Nothing for any other text and for
// what a Duration cannot hold (some 292 years).
std::optional<Duration> parse_duration(Bytes text);
// Seconds up to an hour, beyond that the largest unit that divides; below a microsecond is cut off.
// parse_duration() of it gives the same duration.
std::string format_duration(Duration duration);
// A number of seconds as PgBouncer shows its times: "120", "0.01".
std::string format_seconds(Duration duration);

// Units: B KiB MiB GiB TiB, powers of 1024. A bare number is bytes.
std::optional<std::int64_t> parse_size(Bytes text);
std::string format_size(std::int64_t bytes);

}  // namespace pgweir
