#pragma once
// One run: the world of one seed, from the first connection until everybody has finished.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

namespace pgweir::sim {

class SimProxy;

struct RunResult {
  bool good = false;
  std::string failure;
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  Duration simulated{};
  Checks::Counts counts;
};

class SimWorld {
 public:
  SimWorld(const Scenario& scenario, bool verbose);
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  RunResult run();
  // The last things that happened, and where everybody was.
  void print(std::FILE* out) const;

 private:
  SocketId connect(SocketUser* client);
  void inject_fault();
  void end_faults();
  void inspect();
  template <class Done>
  bool run_until(Done done, Instant limit);
  void run_phases();
  bool all_finished() const;

  Scenario scenario_;
  Schedule schedule_;
  SimNet net_;
  Checks checks_;
  SeededRandom random_;
  SimPostgres postgres_;
  std::unique_ptr<SimProxy> proxy_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  bool faults_on_ = false;
};

}  // namespace pgweir::sim
