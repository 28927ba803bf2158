#include "admin/advise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "tests/sizing/sizing_world.h"

using namespace pgweir;
using namespace pgweir::testing;
using namespace std::chrono_literals;

TEST_CASE("advise, all worlds: one observation each, printed" * doctest::skip()) {
  for (const SizingWorld& world : sizing_worlds()) {
    Truth truth(world);
    std::printf("=== %s best %d: p99 wait %.1f ms, response %.1f ms, %.0f tx/s\n", world.name.c_str(),
                truth.best(), truth.at(truth.best()).p99_wait * 1e3,
                truth.at(truth.best()).p99_response * 1e3, truth.at(truth.best()).throughput);
    for (const double share : {0.5, 0.8, 1.0, 3.0})
      for (const std::uint64_t seed : {1u, 2u}) {
        const int size = std::max(1, static_cast<int>(std::lround(truth.best() * share)));
        const Observation seen = observe(world, size, seed, world.length);
        const Advice advice = advise(seen.profile, seen.host);
        const int got = advice.recommended.value_or(0);
        std::printf(
            "%-12s at %3d: %3d model %3d %-6s %-8s ceiling %d (response %+.0f %%, throughput %+.1f %%) %s\n",
            world.name.c_str(), size, got, advice.model.value_or(0), to_string(advice.verdict),
            to_string(advice.decided_by), advice.ceiling.value_or(0), truth.response_regret(got) * 100,
            -truth.throughput_regret(got) * 100, truth.acceptable(got) ? "" : "NOT ACCEPTABLE");
      }
  }
}
