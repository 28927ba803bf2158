// A replay on a host where other pools execute as well.

#include <doctest/doctest.h>

#include "admin/replay.h"

using namespace pgweir;

namespace {

// Two executing at once have half of the speed each; the others execute one statement for the first half.
const SpeedTable halved{1, 1, 0.5};

ReplayLoad load_with_rest(double first_arrival) {
  ReplayLoad load;
  load.length = 10;
  load.rest.assign(100, 0.0F);
  for (int slot = 0; slot < 50; ++slot) load.rest[static_cast<std::size_t>(slot)] = 1.0F;
  for (const double arrival : {first_arrival, 7.03}) {
    ReplayJob job;
    job.arrival = arrival;
    job.work = 0.2;
    job.client = static_cast<std::uint32_t>(load.jobs.size());
    load.jobs.push_back(job);
  }
  return load;
}

}  // namespace

TEST_CASE("replay: the others on the host slow it down, whenever the first transaction comes") {
  for (const double arrival : {-0.05, 0.0, 0.35, 2.0, 2.37}) {
    for (const bool clients_return : {false, true}) {
      CAPTURE(arrival);
      CAPTURE(clients_return);
      const ReplayLoad load = load_with_rest(arrival);
      const ReplayResult result = Replay(load, halved, {clients_return, 1}).at(3);
      CHECK(result.throughput == doctest::Approx(0.2));
      CHECK(result.p99_response == doctest::Approx(arrival < 0 ? 0.2 : 0.4));
      CHECK(result.p99_wait == 0);
      CHECK(result.busy_share == doctest::Approx((0.4 + 0.2 + (arrival < 0 ? -0.05 : 0)) / 10 / 3));
    }
  }
}
