#include "admin/advise.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "admin/replay_load.h"
#include "admin/trace_figures.h"
#include "tests/sizing/sizing_world.h"

using namespace pgweir;
using namespace pgweir::testing;
using namespace std::chrono_literals;

namespace {

// The best sizes of the worlds; `all worlds` below finds them anew.
const std::map<std::string, int> best_sizes{
    {"poisson", 12},    {"lognormal", 13},  {"bimodal", 14},  {"bursty", 28},
    {"herd", 14},       {"idle_in_tx", 12}, {"closed", 11},   {"usl_open", 18},
    {"usl_closed", 16}, {"cpu4_closed", 4}, {"cpu4_open", 4}, {"hot_row", 7},
};

bool sanitized() { return std::getenv("PGWEIR_TEST_SANITIZED") != nullptr; }

Advice advise(const Observation& seen) { return advise(seen.profile, seen.host); }

// Of one pool, 10 s of the world.
Observation brief(const std::string& world, int size, std::uint64_t seed = 5, double length = 14) {
  return observe(sizing_world(world), size, seed, length);
}

TraceSegment& trace_of(Observation& seen) {
  auto copy = std::make_shared<TraceSegment>(*seen.profile.traces.front());
  seen.profile.traces.front() = copy;
  return *copy;
}

bool mentions(const std::vector<std::string>& sentences, const std::string& words) {
  return std::any_of(sentences.begin(), sentences.end(),
                     [&](const std::string& it) { return it.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE("advise: sizes that are as good as the best, in all worlds" * doctest::test_suite("worlds")) {
  int cases = 0, acceptable = 0, throughput = 0, response = 0, harmed = 0;
  for (const SizingWorld& world : sizing_worlds()) {
    const int best = best_sizes.at(world.name);
    Truth truth(world, best);
    for (const double share : {0.8, 3.0}) {
      if (sanitized() && share < 2) continue;
      const int size = std::max(1, static_cast<int>(std::lround(best * share)));
      Observation seen = observe(world, size, 1, world.length);
      seen.profile.headroom = 0.2;
      const Advice advice = advise(seen);
      REQUIRE(advice.recommended);
      const int got = *advice.recommended;
      ++cases;
      acceptable += truth.acceptable(got);
      throughput += truth.throughput_regret(got) <= 0.05;
      response += truth.response_regret(got) <= 0.10;
      harmed += truth.at(got).p99_response > 1.1 * truth.at(size).p99_response &&
                truth.at(got).throughput < 1.05 * truth.at(size).throughput;
      CAPTURE(world.name);
      CAPTURE(size);
      CHECK(got >= 0.55 * best);
      CHECK(got <= 2 * best);
    }
  }
  CAPTURE(cases);
  CHECK(acceptable >= 0.85 * cases);
  CHECK(throughput >= 0.95 * cases);
  CHECK(response >= 0.90 * cases);
  CHECK(harmed <= 0.03 * cases);
}

TEST_CASE("advise: close to the best size without headroom, once the pool is about large enough" *
          doctest::test_suite("worlds")) {
  int cases = 0, close = 0, close_when_fast = 0, fast = 0;
  for (const SizingWorld& world : sizing_worlds()) {
    const int best = best_sizes.at(world.name);
    for (const double share : {0.8, 3.0}) {
      if (sanitized() && share < 2) continue;
      const int size = std::max(1, static_cast<int>(std::lround(best * share)));
      const Advice advice = advise(observe(world, size, 3, world.length));
      const bool ok = std::abs(*advice.recommended - best) <= std::max(1.0, 0.15 * best);
      ++cases;
      close += ok;
      if (world.rate || world.name == "bimodal") continue;
      ++fast;
      close_when_fast += ok;
    }
  }
  CAPTURE(cases);
  CHECK(close >= 0.7 * cases);
  CHECK(close_when_fast == fast);
}

TEST_CASE("advise: applied and asked again, it arrives from both sides" * doctest::test_suite("worlds")) {
  const auto converge = [](const std::string& name, int from, int& steps) {
    int size = from;
    for (steps = 0; steps < 6; ++steps) {
      const Observation seen = observe(sizing_world(name), size, 10 + static_cast<std::uint64_t>(steps), 20);
      const int next = *advise(seen).recommended;
      if (next == size) break;
      size = next;
    }
    return size;
  };
  for (const std::string name : {"herd", "cpu4_closed", "usl_closed"}) {
    if (sanitized() && name != "herd") continue;
    const int best = best_sizes.at(name);
    Truth truth(sizing_world(name), best);
    for (const int from : {std::max(1, best / 3), 4 * best}) {
      int steps = 0;
      const int size = converge(name, from, steps);
      CAPTURE(name);
      CAPTURE(from);
      CAPTURE(size);
      CHECK(truth.response_regret(size) <= 0.16);
      CHECK(truth.throughput_regret(size) <= 0.07);
    }
  }
}

TEST_CASE("advise: PostgreSQL at its limit is told from a pool that is too small") {
  const Advice few = advise(observe(sizing_world("poisson"), 10, 1, 30));
  CHECK(few.decided_by == DecidedBy::pool);
  CHECK(few.verdict == Verdict::grow);
  CHECK_FALSE(few.ceiling);
  const Advice slow = advise(observe(sizing_world("cpu4_closed"), 12, 1, 25));
  CHECK(slow.decided_by == DecidedBy::server);
  CHECK(slow.verdict == Verdict::shrink);
  CHECK(slow.in_short.find("PostgreSQL") != std::string::npos);
  const Advice idle = advise(observe(sizing_world("idle_in_tx"), 12, 1, 30));
  CHECK(idle.decided_by == DecidedBy::idle_in_transaction);
  REQUIRE(idle.without_idle);
  CHECK(*idle.without_idle >= 3);
  CHECK(*idle.without_idle <= 6);
  const Advice reports = advise(observe(sizing_world("bimodal"), 14, 1, 30));
  REQUIRE(reports.without_heaviest);
  CHECK(*reports.without_heaviest <= 8);
  CHECK(mentions(reports.missing, "long transactions"));
}

TEST_CASE("advise: one step at a time beyond what was seen") {
  const Advice advice = advise(observe(sizing_world("poisson"), 6, 1, 30));
  CHECK(advice.verdict == Verdict::step);
  CHECK(advice.recommended == 9);
  CHECK(*advice.model >= 11);
  CHECK(advice.in_short.find("grow one step to 9, then ask again") == 0);
  CHECK(mentions(advice.missing, "never seen with more than 6"));
  CHECK(advice.confidence != Confidence::high);
}

TEST_CASE("advise: the table of sizes agrees with what really happens") {
  int right = 0, rows = 0;
  for (const std::string name : {"poisson", "herd", "closed", "idle_in_tx"}) {
    Truth truth(sizing_world(name), best_sizes.at(name));
    const Advice advice = advise(observe(sizing_world(name), truth.best(), 2, 30));
    for (const WhatIf& it : advice.what_if) {
      if (it.size < 0.7 * truth.best() || it.size > 1.4 * truth.best()) continue;
      const double real = truth.at(it.size).p99_wait;
      ++rows;
      right +=
          std::abs(it.p99_wait - real) <= 0.002 || (it.p99_wait <= 1.5 * real && real <= 1.5 * it.p99_wait);
    }
  }
  CHECK(rows >= 8);
  CHECK(right >= 0.75 * rows);
}

TEST_CASE("advise: all times ten times as long, the target too, leave the size as it is") {
  Observation seen = brief("herd", 12);
  const Advice first = advise(seen);
  TraceSegment& trace = trace_of(seen);
  trace.length *= 10;
  trace.host_executing.clear();
  for (TraceRecord& it : trace.records) {
    it.arrival_us *= 10;
    it.wait_us *= 10;
    it.executing_us *= 10;
  }
  for (auto& [fingerprint, levels] : seen.host.evidence.front().classes)
    for (auto& level : levels) level.exposure *= 10;
  seen.profile.target_wait *= 10;
  const Advice second = advise(seen);
  CHECK(second.model == first.model);
  CHECK(second.recommended == first.recommended);
}

TEST_CASE("advise: more traffic never needs fewer, less thinking never more") {
  Observation seen = brief("idle_in_tx", 14);
  int last = 0;
  for (const double headroom : {0.0, 0.2, 0.4, 0.8}) {
    seen.profile.headroom = headroom;
    const Advice advice = advise(seen);
    CHECK(*advice.model >= last);
    last = *advice.model;
  }
  seen.profile.headroom = 0;
  const int with = *advise(seen).model;
  for (TraceRecord& it : trace_of(seen).records) it.think_us /= 2;
  CHECK(*advise(seen).model <= with);
}

TEST_CASE("advise: without slowdown more connections never wait longer") {
  const Advice advice = advise(brief("bursty", 30));
  REQUIRE(advice.what_if.size() > 3);
  for (std::size_t i = 1; i < advice.what_if.size(); ++i) {
    CHECK(advice.what_if[i].p99_wait <= advice.what_if[i - 1].p99_wait + 1e-6);
    CHECK(advice.what_if[i].p99_wait_with_headroom <= advice.what_if[i - 1].p99_wait_with_headroom + 1e-6);
  }
}

TEST_CASE("advise: two pools in one need no more than both") {
  Observation one = brief("poisson", 14, 5), two = brief("herd", 16, 6);
  const int apart = *advise(one).model + *advise(two).model;
  TraceSegment& together = trace_of(one);
  for (TraceRecord it : two.profile.traces.front()->records) {
    it.client += 1000000;
    together.records.push_back(it);
  }
  together.host_executing.clear();
  CHECK(*advise(one).model <= apart);
}

TEST_CASE("advise: the size it advised is advised again, and the same profile gives the same advice") {
  for (const std::string name : {"poisson", "lognormal", "cpu4_closed", "idle_in_tx"}) {
    Observation seen = observe(sizing_world(name), 3 * best_sizes.at(name), 4, 20);
    const Advice first = advise(seen), again = advise(seen);
    CHECK(first.in_short == again.in_short);
    CHECK(first.reasons == again.reasons);
    seen.profile.pool_size = *first.recommended;
    const Advice second = advise(seen);
    CAPTURE(name);
    CHECK(second.recommended == first.recommended);
    CHECK(second.verdict == Verdict::keep);
  }
}

TEST_CASE("advise: who sent it changes nothing when clients do not wait for their answers") {
  Observation seen = brief("poisson", 11);
  const Advice first = advise(seen);
  std::uint32_t n = 0;
  for (TraceRecord& it : trace_of(seen).records) it.client = it.client * 2654435761U + n++ % 3;
  const Advice second = advise(seen);
  CHECK(second.model == first.model);
}

TEST_CASE("advise: whatever is missing or odd gives no figure that is not a number") {
  const auto sane = [](const Advice& advice) {
    CHECK(advice.recommended.value_or(1) >= 1);
    CHECK_FALSE(std::isnan(advice.figures.predicted_p99_wait));
    for (const WhatIf& it : advice.what_if) {
      CHECK_FALSE(std::isnan(it.p99_wait));
      CHECK_FALSE(std::isnan(it.throughput_change));
      CHECK_FALSE(std::isnan(it.busy_share));
    }
    CHECK_FALSE(advice.in_short.empty());
  };
  PoolProfile profile;
  sane(advise(profile, HostProfile{}));
  auto trace = std::make_shared<TraceSegment>();
  profile.traces = {trace, nullptr};
  sane(advise(profile, HostProfile{}));
  trace->length = 20s;
  trace->records.resize(1);
  sane(advise(profile, HostProfile{}));
  for (const int flags :
       {int{TraceRecord::gave_up}, int{TraceRecord::waiting}, int{TraceRecord::running}, 0}) {
    trace->records.assign(3000, TraceRecord{});
    for (std::size_t i = 0; i < trace->records.size(); ++i) {
      trace->records[i].client = static_cast<std::uint32_t>(i % 5);
      trace->records[i].arrival_us = static_cast<std::int32_t>(i * 5000);
      trace->records[i].flags = static_cast<std::uint8_t>(flags);
    }
    sane(advise(profile, HostProfile{}));
    for (TraceRecord& it : trace->records) it.executing_us = 1;
    sane(advise(profile, HostProfile{}));
  }
  HostProfile host;
  host.evidence.resize(1);
  host.evidence[0].classes[1].resize(5, {1000, 0.0});
  sane(advise(profile, host));
}

TEST_CASE("advise: what trials with fewer servers have shown") {
  Observation seen = brief("cpu4_closed", 12);
  seen.host.evidence.clear();
  const Advice without = advise(seen);
  CHECK(*without.recommended > 12);
  const auto with = [&](std::uint64_t all, std::uint64_t some) {
    seen.profile.measure.trials = {.all = {12, 5s, all}, .some = {6, 4900ms, some}};
    return advise(seen);
  };
  const Advice flat = with(2000, 1970);
  CHECK(flat.recommended == 6);
  CHECK(flat.ceiling == 6);
  CHECK(flat.verdict == Verdict::shrink);
  CHECK(flat.decided_by == DecidedBy::server);
  CHECK(mentions(flat.reasons, "only 6 of 12 connections were used"));
  CHECK(mentions(flat.reasons, "402 transactions a second were done, and 400 with all of them. So more"));
  const Advice rising = with(2000, 1030);
  CHECK(*rising.recommended > 12);
  CHECK_FALSE(mentions(rising.reasons, "So more"));
  // Too little to tell.
  CHECK(with(150, 150).recommended == without.recommended);
  // Levels that were really seen know where below it ends.
  seen.host = brief("cpu4_closed", 12).host;
  CHECK(*with(2000, 1970).recommended <= 6);
}

TEST_CASE("advise: throughput that grew in trials is believed before a curve that seems to flatten") {
  const SizingWorld& world = sizing_world("cpu4_closed");
  Observation seen = observe(world, 12, 1, world.length);
  const Advice without = advise(seen);
  CHECK(*without.recommended < 12);
  seen.profile.measure.trials = {.all = {12, 5s, 2000}, .some = {6, 4900ms, 1000}};
  const Advice with = advise(seen);
  CHECK_FALSE(with.ceiling);
  CHECK(*with.recommended >= 12);
  // Less clear, but enough not to do without them.
  seen.profile.measure.trials = {.all = {12, 50s, 20'000}, .some = {6, 49s, 15'000}};
  CHECK(*advise(seen).recommended >= 12);
}

TEST_CASE("advise: incidents decide no size") {
  Observation seen = brief("poisson", 12);
  trace_of(seen).incident = true;
  const Advice advice = advise(seen);
  CHECK(advice.verdict == Verdict::collecting);
  CHECK(advice.decided_by == DecidedBy::incident);
  CHECK(mentions(advice.missing, "incident"));
}

TEST_CASE("advise: beside usual minutes an incident is left out, said, and no reserve is for it") {
  Observation seen = brief("poisson", 12);
  const Advice usual = advise(seen);
  auto wild = std::make_shared<TraceSegment>(*brief("bursty", 40).profile.traces.front());
  wild->start = seen.profile.traces.back()->start + 10min;
  wild->incident = true;
  seen.profile.traces.push_back(wild);
  const Advice advice = advise(seen);
  CHECK(advice.recommended == usual.recommended);
  CHECK(advice.reserve == usual.reserve);
  CHECK(mentions(advice.reasons, "1 recorded minute is left out"));
}

TEST_CASE("advise: a day like no other is left out and shown as the reserve") {
  Observation seen = brief("poisson", 14);
  const TraceRef usual = seen.profile.traces.front();
  seen.profile.traces.clear();
  for (int day = 1; day < 6; ++day) {
    auto copy = std::make_shared<TraceSegment>(*usual);
    copy->start = usual->start + day * 24h;
    seen.profile.traces.push_back(copy);
  }
  auto wild = std::make_shared<TraceSegment>(*brief("bursty", 40).profile.traces.front());
  wild->start = usual->start + 6 * 24h;
  seen.profile.traces.push_back(wild);
  seen.profile.now = usual->start + 7 * 24h;
  const Advice advice = advise(seen);
  CHECK(*advice.recommended <= 14);
  REQUIRE(advice.reserve);
  CHECK(*advice.reserve > 5);
  CHECK(mentions(advice.reasons, "like no other"));
}

TEST_CASE("advise: limits and clients bound the size, and that is said") {
  Observation seen = brief("poisson", 10);
  seen.profile.limit = 11;
  const Advice limited = advise(seen);
  CHECK(limited.recommended == 11);
  CHECK(limited.decided_by == DecidedBy::limit);
  CHECK(mentions(limited.reasons, "Other limits leave 11"));
  CHECK(*advise(seen.profile, seen.host, 9).recommended == 9);
}

TEST_CASE("advise: without recorded transactions a formula answers, and that is said") {
  PoolProfile profile = brief("poisson", 12).profile;
  profile.traces.clear();
  const Advice nothing = advise(profile, HostProfile{});
  CHECK(nothing.verdict == Verdict::collecting);
  MinuteWindow minute;
  minute.duration = 60s;
  minute.completions = minute.arrivals = 48000;
  minute.holding_seconds = 480;
  minute.holding_seconds_squared = 9.6;
  for (int level = 0; level < 20; ++level)
    minute.held.add_time(level, Duration(static_cast<std::int64_t>(
                                    60e9 * std::exp(level * std::log(8.0) - 8 - std::lgamma(level + 1.0)))));
  minute.virtual_demand = minute.held;
  minute.pool_size = 14;
  profile.measure.windows.push_back(std::make_shared<const MinuteWindow>(minute));
  const Advice formula = advise(profile, HostProfile{});
  REQUIRE(formula.recommended);
  CHECK_FALSE(formula.replayed);
  CHECK(std::abs(*formula.model - 12) <= 1);
  CHECK(mentions(formula.missing, "No transactions were recorded"));
}

TEST_CASE("advise: no formula asks for more connections to a server at its limit") {
  const Observation seen = observe(sizing_world("cpu4_closed"), 12, 1, 30);
  PoolProfile profile = seen.profile;
  profile.traces.clear();
  auto minute = std::make_shared<MinuteWindow>();
  minute->duration = 60s;
  minute->completions = minute->arrivals = 60000;
  minute->holding_seconds = 720;
  minute->holding_seconds_squared = 17;
  minute->held.add_time(12, 60s);
  minute->virtual_demand.add_time(20, 30s);
  minute->virtual_demand.add_time(30, 30s);
  minute->pool_size = 12;
  minute->virtual_final = true;
  minute->clients = profile.connected_clients = 40;
  minute->start = profile.now - 2min;
  Histogram waits;
  for (int i = 0; i < 60000; ++i) waits.record(20ms);
  minute->waits = waits.pack();
  profile.measure.windows.push_back(minute);
  const Advice unknown = advise(profile, HostProfile{});
  REQUIRE(unknown.recommended);
  CAPTURE(unknown.in_short);
  CHECK(*unknown.recommended > 12);
  const Advice known = advise(profile, seen.host);
  CHECK(known.verdict == Verdict::keep);
  CHECK(known.recommended == 12);
  CHECK(known.decided_by == DecidedBy::server);
}

TEST_CASE("trace figures: closed, independent and bursty clients are told apart") {
  const auto feedback = [](const std::string& name, int size) {
    return figures_of(*observe(sizing_world(name), size, 1, 30).profile.traces.front()).feedback;
  };
  for (const int size : {6, 11, 30}) CHECK(feedback("closed", size) == doctest::Approx(-1).epsilon(0.3));
  CHECK(feedback("usl_closed", 16) < -0.5);
  for (const int size : {10, 12, 30}) CHECK(std::abs(feedback("poisson", size)) < 0.3);
  CHECK(feedback("bursty", 30) > 0.5);
}

TEST_CASE("trace figures: the peakedness of bursts") {
  const TraceFigures steady = figures_of(*observe(sizing_world("poisson"), 12, 1, 30).profile.traces.front());
  CHECK(steady.offered.peakedness == doctest::Approx(1).epsilon(0.15));
  CHECK(steady.load == doctest::Approx(8).epsilon(0.05));
  CHECK(smallest_size(steady.offered, 0.01) == 12);
  const TraceFigures bursts = figures_of(*observe(sizing_world("bursty"), 28, 1, 30).profile.traces.front());
  CHECK(smallest_size(bursts.offered, 0.01) >= 20);
  CHECK(smallest_size(bursts.offered, 0.01) <= 32);
}

TEST_CASE("replay: playing events gives what the recursion gives") {
  const TraceRef trace = brief("idle_in_tx", 9).profile.traces.front();
  const ReplayLoad load = replay_load(*trace, SpeedCurve{});
  const SpeedTable alone{1.0}, nearly{1.0, 1.0, 1 - 1e-12};
  const Replay plain(load, alone, {}), played(load, nearly, {});
  REQUIRE(plain.is_plain());
  REQUIRE_FALSE(played.is_plain());
  for (const int size : {9, 10, 12, 20}) {
    const ReplayResult a = plain.at(size), b = played.at(size);
    CHECK(b.throughput == doctest::Approx(a.throughput).epsilon(0.002));
    CHECK(b.p99_wait == doctest::Approx(a.p99_wait).epsilon(0.02));
    CHECK(b.p99_response == doctest::Approx(a.p99_response).epsilon(0.02));
    CHECK(b.busy_share == doctest::Approx(a.busy_share).epsilon(0.01));
    CHECK(b.waited_share == doctest::Approx(a.waited_share).epsilon(0.02));
  }
}

TEST_CASE("replay: what was recorded at a size is met again at that size") {
  for (const std::string name : {"poisson", "usl_open", "hot_row"}) {
    const int size = best_sizes.at(name);
    const Observation seen = observe(sizing_world(name), size, 8, 30);
    const SpeedCurve curve = fit_speed(seen.host.evidence, seen.profile.now);
    const ReplayLoad load = replay_load(*seen.profile.traces.front(), curve);
    const SpeedTable speed = curve.table(500);
    const bool closed = seen.profile.traces.front()->clients > 0;
    const ReplayResult again = Replay(load, speed, {closed, 1}).at(size);
    CAPTURE(name);
    CHECK(again.throughput == doctest::Approx(seen.summary.throughput).epsilon(0.05));
    CHECK(again.p99_response == doctest::Approx(seen.summary.p99_response).epsilon(0.25));
  }
}

TEST_CASE("replay: nothing at all, and clients without an end, come to an end") {
  const ReplayLoad nothing;
  const SpeedTable alone{1.0};
  CHECK(Replay(nothing, alone, {}).at(3).throughput == 0);
  CHECK(Replay(nothing, alone, {true, 1.2}).at(3).throughput == 0);
  ReplayLoad load;
  load.length = 60;
  load.jobs = {{0, 1e-9, 0, 0, 0, 1, 0}};
  const ReplayResult result = Replay(load, alone, {true, 1}).at(1);
  CHECK(result.throughput >= 0);
}

TEST_CASE("speed curve: cores and contention are found, and many classes are not mistaken for slowness") {
  const auto fit = [](const std::string& name, int size) {
    const Observation seen = observe(sizing_world(name), size, 1, 30);
    return fit_speed(seen.host.evidence, seen.profile.now);
  };
  const SpeedCurve cores = fit("cpu4_closed", 12);
  REQUIRE(cores.found);
  CHECK(cores.slowdown(12) == doctest::Approx(3.05).epsilon(0.1));
  CHECK(cores.slowdown(2) < 1.15);
  const Plateau plateau = plateau_of(cores);
  CHECK(plateau.reached);
  // Nothing was seen between the quiet start and the full pool: a guess in the middle.
  CHECK(plateau.probe);
  CHECK(plateau.knee >= plateau.below);
  CHECK(plateau.knee <= plateau.above);
  const SpeedCurve usl = fit("usl_closed", 40);
  REQUIRE(usl.found);
  CHECK(usl.slowdown(40) == doctest::Approx(5.29).epsilon(0.15));
  CHECK_FALSE(fit("poisson", 30).found);
  CHECK_FALSE(fit("bimodal", 30).found);
  CHECK_FALSE(fit_speed({}, Instant{}).found);
}

TEST_CASE("speed curve: two full sizes that are close say enough when the larger one gets no more done") {
  // Throughput at 16 and at 24 connections; nothing was seen below.
  const auto plateau = [](std::uint64_t completions, double at_16, double at_24) {
    SpeedEvidence evidence;
    evidence.length = 2min;
    auto& levels = evidence.classes[1];
    levels.resize(25);
    levels[16] = {completions, static_cast<double>(completions) * 16 / at_16};
    levels[24] = {completions, static_cast<double>(completions) * 24 / at_24};
    return plateau_of(fit_speed(std::span(&evidence, 1), Instant(2min)));
  };
  const Plateau flat = plateau(20'000, 376, 377);
  CHECK(flat.reached);
  CHECK(flat.growth < 0.15);
  CHECK(flat.knee <= 24);
  CHECK_FALSE(plateau(200, 376, 377).reached);     // chance
  CHECK_FALSE(plateau(20'000, 376, 450).reached);  // it does more
  CHECK_FALSE(plateau(20'000, 376, 564).reached);
}

TEST_CASE("speed curve: where curves that flatten and curves that rise fit as well, a probe") {
  // Alone, at 2 and at 20: 4 cores, and what little was seen of one alone makes contention look likely.
  SpeedEvidence evidence;
  evidence.length = 15s;
  auto& levels = evidence.classes[1];
  levels.resize(21);
  levels[1] = {75, 0.25};
  levels[2] = {1600, 7.6};
  levels[20] = {10000, 200};
  const SpeedCurve curve = fit_speed(std::span(&evidence, 1), Instant(15s));
  REQUIRE(curve.found);
  const Plateau plateau = plateau_of(curve);
  CAPTURE(curve.least_growth);
  CHECK(plateau.growth >= 0.15);
  CHECK(plateau.reached);
  CHECK(plateau.probe);
  CHECK(plateau.below == 2);
  CHECK(plateau.above == 20);
  CHECK(plateau.knee >= 4);
  CHECK(plateau.knee <= 8);
}

TEST_CASE("trace record: long rests are kept to a thousandth") {
  TraceRecord record;
  for (const std::uint32_t us : {0U, 1U, 2047U, 2048U, 123456U, 60000000U, 4294967295U}) {
    record.set_other_us(us);
    CHECK(record.other_us() == doctest::Approx(us).epsilon(0.001));
    CHECK(record.other_us() <= us);
  }
}

TEST_CASE("advise: all worlds, every observation printed" * doctest::skip()) {
  for (const double headroom : {0.0, 0.2}) {
    int cases = 0, strict = 0, accepted = 0, throughput = 0, response = 0, harmed = 0;
    for (const SizingWorld& world : sizing_worlds()) {
      Truth truth(world);
      const int best = truth.best();
      std::printf("=== %s best %d: p99 wait %.1f ms, response %.1f ms, %.0f tx/s\n", world.name.c_str(), best,
                  truth.at(best).p99_wait * 1e3, truth.at(best).p99_response * 1e3,
                  truth.at(best).throughput);
      for (const double share : {0.5, 0.8, 1.0, 3.0})
        for (const std::uint64_t seed : {1u, 2u, 3u}) {
          const int size = std::max(1, static_cast<int>(std::lround(best * share)));
          Observation seen = observe(world, size, seed, world.length);
          seen.profile.headroom = headroom;
          const Advice advice = advise(seen.profile, seen.host);
          const int got = advice.recommended.value_or(0);
          const bool ok = truth.acceptable(got);
          harmed += truth.at(got).p99_response > 1.1 * truth.at(size).p99_response &&
                    truth.at(got).throughput < 1.05 * truth.at(size).throughput;
          if (share >= 0.8) {
            ++cases;
            strict += std::abs(got - best) <= std::max(1.0, 0.15 * best);
            accepted += ok;
            throughput += truth.throughput_regret(got) <= 0.05;
            response += truth.response_regret(got) <= 0.10;
          }
          std::printf(
              "%-12s at %3d: %3d model %3d %-6s %-8s ceiling %d (response %+.0f %%, throughput %+.1f %%) "
              "%s\n",
              world.name.c_str(), size, got, advice.model.value_or(0), to_string(advice.verdict),
              to_string(advice.decided_by), advice.ceiling.value_or(0), truth.response_regret(got) * 100,
              -truth.throughput_regret(got) * 100, ok ? "" : "NOT ACCEPTABLE");
        }
    }
    std::printf(
        "headroom %.1f, from 0.8 x best up: %d cases, within 15 %% or 1: %d, acceptable: %d, throughput: %d, "
        "response: %d; harmed (of all): %d\n",
        headroom, cases, strict, accepted, throughput, response, harmed);
  }
}
