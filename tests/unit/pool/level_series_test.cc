// Levels of several workers, put together moment by moment.

#include "pool/level_series.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "pool/meter.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

const Instant start(120s);  // a whole minute

struct Job {
  Duration arrival, wait, holding;
  int worker;
};

// A minute of one pool as `workers` saw it, each its own jobs.
struct Seen {
  std::vector<std::unique_ptr<Meter>> meters;
  std::vector<WindowRef> parts;

  // Workers come to the minute's end some microseconds apart.
  Seen(int workers, const std::vector<Job>& jobs, Duration apart = {}) {
    struct Event {
      Duration at;
      int what;  // 0 arrives and is queued, 1 is served, 2 is done
      std::size_t job;
    };
    std::vector<Event> events;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const Job& it = jobs[i];
      events.push_back({it.arrival, 0, i});
      events.push_back({it.arrival + it.wait, 1, i});
      events.push_back({it.arrival + it.wait + it.holding, 2, i});
    }
    std::stable_sort(events.begin(), events.end(),
                     [](const Event& a, const Event& b) { return a.at < b.at; });
    for (int i = 0; i < workers; ++i) {
      meters.push_back(std::make_unique<Meter>(start));
      meters.back()->record_series(true, start);
    }
    std::vector<Use> uses(jobs.size());
    for (const Event& it : events) {
      Meter& meter = *meters[static_cast<std::size_t>(jobs[it.job].worker % workers)];
      const Instant at = start + it.at;
      Use& use = uses[it.job];
      if (it.what == 0) {
        meter.arrived(use, at);
        if (jobs[it.job].wait > 0s) meter.queued(use, at);
      } else if (it.what == 1) {
        meter.served(use, WaitReason::pool_full, at);
        meter.linked(use, at);
      } else {
        meter.released(use, at);
      }
    }
    for (int i = 0; i < workers; ++i) {
      meters[static_cast<std::size_t>(i)]->cut(start + 60s + i * apart);
      // By then all is final.
      meters[static_cast<std::size_t>(i)]->cut(start + 200s);
      parts.push_back(meters[static_cast<std::size_t>(i)]->take_final().at(0));
    }
  }

  MinuteWindow together() const {
    MinuteWindow all = *parts.front();
    for (std::size_t i = 1; i < parts.size(); ++i) combine(all, *parts[i]);
    return all;
  }
};

void check_same(const LevelTimes& a, const LevelTimes& b, Duration off) {
  for (int level = 0; level <= std::max(a.highest(), b.highest()); ++level) {
    CAPTURE(level);
    CHECK(std::abs((a.time_at(level) - b.time_at(level)).count()) <= off.count());
  }
}

std::vector<Job> random_jobs(std::uint64_t seed, int count) {
  std::mt19937_64 dice(seed);
  std::vector<Job> jobs;
  for (int i = 0; i < count; ++i) {
    const auto us = [&](std::uint64_t most) { return std::chrono::microseconds(dice() % most); };
    // Herds: most of them at the beginning of a second.
    const Duration arrival = dice() % 4 == 0 ? us(55'000'000) : std::chrono::seconds(dice() % 55) + us(1000);
    jobs.push_back(
        {arrival, dice() % 3 == 0 ? us(40'000) : 0us, 1us + us(30'000), static_cast<int>(dice() % 64)});
  }
  return jobs;
}

}  // namespace

TEST_CASE("level series: workers that rise and fall together, and such that take turns") {
  std::vector<Job> together, in_turns;
  for (int second = 0; second < 60; second += 2) {
    for (int worker = 0; worker < 4; ++worker) {
      for (int i = 0; i < 3; ++i) {
        together.push_back({second * 1s, 0s, 1s, worker});
        in_turns.push_back({(second + worker % 2) * 1s, 0s, 1s, worker});
      }
    }
  }
  const MinuteWindow peaks = Seen(4, together).together();
  CHECK_FALSE(peaks.estimated);
  CHECK(peaks.shards == 4);
  CHECK(peaks.held.time_at(12) == 30s);
  CHECK(peaks.held.time_at(0) == 30s);
  CHECK(peaks.virtual_demand.time_at(12) == 30s);
  CHECK(peaks.highest_needing == 12);
  CHECK(peaks.idle == 30s);

  const MinuteWindow flat = Seen(4, in_turns).together();
  CHECK(flat.held.time_at(6) == 60s);
  CHECK(flat.held.highest() == 6);
  CHECK(flat.highest_needing == 6);
  CHECK(flat.idle == 0s);
}

TEST_CASE("level series: what workers saw, put together, is what one would have seen") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const std::vector<Job> jobs = random_jobs(seed, 6000);
    const MinuteWindow one = Seen(1, jobs).together();
    for (const int workers : {2, 4, 7}) {
      CAPTURE(workers);
      const MinuteWindow several = Seen(workers, jobs).together();
      CHECK_FALSE(several.estimated);
      // Steps are whole microseconds, cells of the virtual demand milliseconds where somebody waits.
      check_same(several.held, one.held, 2ms);
      check_same(several.virtual_demand, one.virtual_demand, 120ms);
      CHECK(several.virtual_demand.variance() ==
            doctest::Approx(one.virtual_demand.variance()).epsilon(0.03));
      CHECK(several.idle == one.idle);
      CHECK(several.trend.arrivals == one.trend.arrivals);
      CHECK(several.trend.level_time == doctest::Approx(one.trend.level_time).epsilon(0.001));
      CHECK(several.trend.arrival_levels == doctest::Approx(one.trend.arrival_levels).epsilon(0.02));
      CHECK(several.trend.feedback(500) == doctest::Approx(one.trend.feedback(500)).epsilon(0.05));
    }
  }
}

TEST_CASE("level series: workers do not close a minute at the same moment") {
  const std::vector<Job> jobs = random_jobs(9, 3000);
  const MinuteWindow one = Seen(1, jobs).together();
  const MinuteWindow several = Seen(4, jobs, 3ms).together();
  CHECK(several.duration == 60s + 9ms);
  check_same(several.held, one.held, 20ms);
}

TEST_CASE("level series: a busy one gets coarser, not longer, and stays true on average") {
  std::mt19937_64 dice(3);
  LevelRecorder recorder(0, start);
  LevelGauge gauge(start);
  Instant now = start;
  int level = 0;
  for (int i = 0; i < 2'000'000 && now < start + 60s; ++i) {
    now += std::chrono::microseconds(1 + dice() % 60);
    level = std::clamp(level + (dice() % 2 == 0 ? 1 : -1), 0, 9);
    recorder.change(level, now);
    gauge.set(level, now);
  }
  const LevelSeries series = recorder.take(start + 60s);
  CHECK(series.steps.size() < LevelSeries::most_steps);
  CHECK(series.grid_us <= 1024);
  const LevelTimes exact = gauge.times(start + 60s), coarse = times_of(series);
  CHECK(coarse.total() == 60s);
  CHECK(coarse.mean() == doctest::Approx(exact.mean()).epsilon(0.02));
  for (int at = 0; at < 10; ++at)
    CHECK(std::abs((coarse.time_at(at) - exact.time_at(at)).count()) < Duration(300ms).count());
  // Two that are at their limit are added up within it as well.
  const LevelSeries both = sum(series, series);
  CHECK(both.steps.size() <= LevelSeries::most_steps);
  CHECK(times_of(both).mean() == doctest::Approx(2 * coarse.mean()).epsilon(0.02));
}

TEST_CASE("level series: a minute of which a part was not recorded from its beginning is an estimate") {
  Meter late(start);
  late.record_series(true, start + 10s);
  Meter whole(start);
  whole.record_series(true, start);
  for (Meter* const meter : {&late, &whole}) {
    Use use;
    meter->arrived(use, start + 20s);
    meter->served(use, WaitReason::none, start + 20s);
    meter->released(use, start + 30s);
    meter->cut(start + 60s);
  }
  MinuteWindow window = *late.take_final().at(0);
  CHECK(window.held_series == nullptr);
  CHECK(window.held.level_time() == 10s);
  combine(window, *whole.take_final().at(0));
  CHECK(window.estimated);
  // From the next minute on it is there.
  late.cut(start + 120s);
  whole.cut(start + 120s);
  window = *late.take_final().at(0);
  combine(window, *whole.take_final().at(0));
  CHECK_FALSE(window.estimated);
}

TEST_CASE("level series: nothing is kept where one worker has the pool to itself") {
  Meter meter(start);
  meter.cut(start + 60s);
  const WindowRef window = meter.take_final().at(0);
  CHECK(window->held_series == nullptr);
  CHECK(window->demand_series == nullptr);
  CHECK(window->needing_series == nullptr);
}
