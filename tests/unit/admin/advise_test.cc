#include "admin/advise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "tests/sizing/sizing_world.h"

using namespace pgweir;
using namespace pgweir::testing;
using namespace std::chrono_literals;

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
