#include <doctest/doctest.h>

#include "admin/duration.h"

using namespace pgweir;
using namespace std::chrono_literals;

TEST_CASE("durations take a whole number and a unit, a bare number is seconds") {
  CHECK(parse_duration("250us") == Duration(250us));
  CHECK(parse_duration("5ms") == Duration(5ms));
  CHECK(parse_duration("120s") == Duration(120s));
  CHECK(parse_duration("120") == Duration(120s));
  CHECK(parse_duration("5min") == Duration(5min));
  CHECK(parse_duration("2h") == Duration(2h));
  CHECK(parse_duration("365d") == Duration(24h * 365));
  CHECK(parse_duration("0") == Duration(0s));
}

TEST_CASE("what is no duration gives nothing") {
  for (const Bytes text : {"", "s", "12 parsecs", "12 s", " 12s", "12s ", "-1s", "+1s", "1.5s", "1h30m", "5m",
                           "5S", "0x10", "99999999999999999999s", "9223372036854775807us", "106752d"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text).has_value());
  }
  CHECK(parse_duration("106751d").has_value());
}

TEST_CASE("a formatted duration reads well and parses back") {
  CHECK(format_duration(0s) == "0s");
  CHECK(format_duration(250us) == "250us");
  CHECK(format_duration(1500ms) == "1500ms");
  CHECK(format_duration(120s) == "120s");
  CHECK(format_duration(1h) == "3600s");
  CHECK(format_duration(90min) == "90min");
  CHECK(format_duration(24h) == "1d");
  for (const Duration d :
       {Duration(0s), Duration(1us), Duration(999ms), Duration(3601s), Duration(7h), Duration(24h * 365)}) {
    CHECK(parse_duration(format_duration(d)) == d);
  }
}

TEST_CASE("seconds are shown as PgBouncer shows them") {
  CHECK(format_seconds(0s) == "0");
  CHECK(format_seconds(120s) == "120");
  CHECK(format_seconds(10ms) == "0.01");
  CHECK(format_seconds(1500ms) == "1.5");
  CHECK(format_seconds(1us) == "0.000001");
}

TEST_CASE("sizes count in powers of 1024") {
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("12") == 12);
  CHECK(parse_size("12B") == 12);
  CHECK(parse_size("64KiB") == 65536);
  CHECK(parse_size("64MiB") == std::int64_t{64} << 20);
  CHECK(parse_size("1TiB") == std::int64_t{1} << 40);
  for (const Bytes text : {"", "MiB", "64MB", "64 MiB", "-1B", "1.5GiB", "9000000TiB", "64s"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size(text).has_value());
  }
  CHECK(format_size(0) == "0B");
  CHECK(format_size(1000) == "1000B");
  CHECK(format_size(65536) == "64KiB");
  CHECK(format_size(std::int64_t{16} << 20) == "16MiB");
}
