#include "pool/host_meter.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

const Instant start(120s);

double exposure(const SpeedEvidence& evidence) {
  double sum = 0;
  for (const auto& [id, levels] : evidence.classes)
    for (const auto& level : levels) sum += level.exposure;
  return sum;
}

}  // namespace

TEST_CASE("host meter: time is put to the levels that a statement met") {
  HostMeter meter(start, false);
  const std::uint16_t first = meter.begun(start);
  const std::uint16_t second = meter.begun(start + 100ms);
  CHECK(first == 1);
  CHECK(second == 2);
  meter.ended(5, start + 100ms, second, start + 400ms);
  meter.ended(6, start, first, start + 500ms);
  const SpeedEvidence evidence = meter.evidence(start + 1s);
  CHECK(evidence.length == 1s);
  const auto& long_one = evidence.classes.at(6);
  const auto& short_one = evidence.classes.at(5);
  REQUIRE(long_one.size() == 3);
  CHECK(short_one[2].completions == 1);
  CHECK(short_one[2].exposure == doctest::Approx(0.3).epsilon(0.01));
  CHECK(long_one[1].completions == 1);
  CHECK(long_one[1].exposure == doctest::Approx(0.2).epsilon(0.02));
  CHECK(long_one[2].exposure == doctest::Approx(0.3).epsilon(0.02));
  CHECK(exposure(evidence) == doctest::Approx(0.8).epsilon(0.001));
}

TEST_CASE("host meter: short statements") {
  HostMeter meter(start, false);
  const auto level = meter.begun(start);
  meter.ended(5, start, level, start + 1ms);
  const SpeedEvidence evidence = meter.evidence(start + 1s);
  REQUIRE(evidence.classes.at(5).size() == 2);
  CHECK(evidence.classes.at(5)[1].completions == 1);
  CHECK(exposure(evidence) == doctest::Approx(0.001));
}

TEST_CASE("host meter: the level each millisecond") {
  HostMeter meter(start, false);
  CHECK(meter.samples(start, start + 1s).empty());
  const auto level = meter.begun(start + 2ms);
  meter.begun(start + 4ms + 500us);
  meter.ended(1, start + 2ms, level, start + 6ms);
  // What a sample shows is how it stood when its millisecond began.
  CHECK(meter.samples(start + 2ms, start + 8ms) == std::vector<std::uint16_t>{0, 1, 1, 2, 2, 1});
  // Hours later the ring has gone round more than once.
  meter.begun(start + 3h);
  CHECK(meter.samples(start + 3h - 1ms, start + 3h + 2ms) == std::vector<std::uint16_t>{1, 1, 2});
}

TEST_CASE("host meter: very long statements and many classes lose no time") {
  HostMeter meter(start, false);
  const auto level = meter.begun(start);
  meter.ended(1, start, level, start + 1h);
  CHECK(exposure(meter.evidence(start + 1h)) == doctest::Approx(3600).epsilon(0.001));
  for (std::uint64_t id = 2; id < 200; ++id)
    meter.ended(id, start + 1h, meter.begun(start + 1h), start + 1h + 1ms);
  const SpeedEvidence evidence = meter.evidence(start + 2h);
  CHECK(evidence.classes.size() <= SpeedEvidence::most_classes + 1);
  CHECK(exposure(evidence) == doctest::Approx(3600.198).epsilon(0.001));
  SpeedEvidence both = evidence;
  merge(both, evidence);
  CHECK(exposure(both) == doctest::Approx(2 * exposure(evidence)));
}
