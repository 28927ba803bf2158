// What several workers saw of a host, put to the levels of all of them.

#include "pool/host_part.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "pool/host_meter.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

const Instant start(120s);

struct Run {
  Duration at, length;
  std::uint64_t statement_class;
  int worker;
};

SpeedEvidence evidence_of(int workers, const std::vector<Run>& runs, Duration close = 60s) {
  struct Event {
    Duration at;
    bool begins;
    std::size_t run;
  };
  std::vector<Event> events;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    events.push_back({runs[i].at, true, i});
    events.push_back({runs[i].at + runs[i].length, false, i});
  }
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
  std::vector<std::unique_ptr<HostMeter>> meters;
  for (int i = 0; i < workers; ++i) meters.push_back(std::make_unique<HostMeter>(start, workers > 1));
  std::vector<std::uint16_t> levels(runs.size());
  HostParts parts(workers);
  const auto hand_out = [&](Instant now) {
    for (auto& meter : meters)
      if (auto part = meter->take_part(now)) parts.add("db", std::move(*part), now);
  };
  for (const Event& it : events) {
    HostMeter& meter = *meters[static_cast<std::size_t>(runs[it.run].worker % workers)];
    const Instant now = start + it.at;
    if (it.at >= close) hand_out(now);
    if (it.begins)
      levels[it.run] = meter.begun(now);
    else
      meter.ended(runs[it.run].statement_class, now - runs[it.run].length, levels[it.run], now);
  }
  hand_out(start + 600s);
  if (workers == 1) return meters.front()->evidence(start + 600s);
  return parts.evidence().at("db");
}

double exposure_at(const SpeedEvidence& evidence, std::uint64_t id, std::size_t level) {
  const auto& levels = evidence.classes.at(id);
  return level < levels.size() ? levels[level].exposure : 0;
}

std::uint64_t completions(const SpeedEvidence& evidence) {
  std::uint64_t sum = 0;
  for (const auto& [id, levels] : evidence.classes)
    for (const auto& level : levels) sum += level.completions;
  return sum;
}

}  // namespace

TEST_CASE("host parts: workers that execute together, and such that take turns") {
  std::vector<Run> together, in_turns;
  for (int i = 0; i < 50; ++i) {
    for (int worker = 0; worker < 4; ++worker) {
      together.push_back({i * 1s, 500ms, 7, worker});
      in_turns.push_back({i * 1s + worker * 250ms, 250ms, 7, worker});
    }
  }
  const SpeedEvidence peaks = evidence_of(4, together);
  CHECK(completions(peaks) == 200);
  CHECK(exposure_at(peaks, 7, 4) == doctest::Approx(100).epsilon(0.001));
  CHECK(exposure_at(peaks, 7, 1) == doctest::Approx(0));
  const SpeedEvidence flat = evidence_of(4, in_turns);
  CHECK(exposure_at(flat, 7, 1) == doctest::Approx(50).epsilon(0.001));
  CHECK(exposure_at(flat, 7, 4) == doctest::Approx(0));
  CHECK(flat.start == start);
}

TEST_CASE("host parts: what workers saw, put together, is what one would have seen") {
  std::mt19937_64 dice(5);
  std::vector<Run> runs;
  for (int i = 0; i < 8000; ++i) {
    const auto us = [&](std::uint64_t most) { return std::chrono::microseconds(1 + dice() % most); };
    runs.push_back({us(55'000'000), dice() % 2 == 0 ? us(1500) : us(60'000), 1 + dice() % 3,
                    static_cast<int>(dice() % 64)});
  }
  const SpeedEvidence one = evidence_of(1, runs);
  for (const int workers : {2, 5}) {
    const SpeedEvidence several = evidence_of(workers, runs);
    CHECK(completions(several) == 8000);
    for (std::uint64_t id = 1; id <= 3; ++id) {
      double ones = 0, severals = 0;
      for (std::size_t level = 1; level < 30; ++level) {
        CAPTURE(level);
        // One meter puts long statements to samples of a millisecond.
        CHECK(std::abs(exposure_at(one, id, level) - exposure_at(several, id, level)) < 0.4);
        ones += exposure_at(one, id, level);
        severals += exposure_at(several, id, level);
      }
      CHECK(severals == doctest::Approx(ones).epsilon(0.001));
    }
  }
}

TEST_CASE("host parts: of more statements than are listed some stand for the others") {
  std::vector<Run> runs;
  // Two classes that take turns: what is left out must not follow their pattern.
  for (int i = 0; i < 300'000; ++i)
    runs.push_back({i * 190us, 100us, static_cast<std::uint64_t>(1 + i % 2), i % 2});
  const SpeedEvidence seen = evidence_of(2, runs);
  CHECK(static_cast<double>(completions(seen)) == doctest::Approx(300'000).epsilon(0.05));
  // Which of them met at the other worker is beyond the grid; for how long they executed is not.
  for (const std::uint64_t id : {1u, 2u})
    CHECK(exposure_at(seen, id, 1) + exposure_at(seen, id, 2) == doctest::Approx(15).epsilon(0.08));
}

TEST_CASE("host parts: a statement that goes on for minutes loses no time") {
  const SpeedEvidence seen = evidence_of(2, {{30s, 150s, 9, 0}, {10s, 1s, 9, 1}});
  CHECK(exposure_at(seen, 9, 1) == doctest::Approx(151).epsilon(0.01));
  CHECK(completions(seen) == 2);
}

TEST_CASE("host parts: a worker that has nothing there is not waited for without end") {
  HostParts parts(3);
  HostMeter meter(start, true);
  meter.ended(1, start, meter.begun(start), start + 1ms);
  auto first = meter.take_part(start + 60s);
  REQUIRE(first);
  CHECK_FALSE(meter.take_part(start + 61s));
  parts.add("db", std::move(*first), start + 60s);
  CHECK(parts.evidence().empty());
  auto second = meter.take_part(start + 120s);
  REQUIRE(second);
  parts.add("db", std::move(*second), start + 120s);
  REQUIRE(parts.evidence().contains("db"));
  CHECK(completions(parts.evidence().at("db")) == 1);
}
