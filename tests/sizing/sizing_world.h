#pragma once
// Imaginary pools in front of an imaginary PostgreSQL whose best size can be found by trying: clients arrive,
// wait first in, first out for one of `size` connections, execute, perhaps think inside the transaction, and
// execute again. While n execute each gets rate(n) of its unloaded speed. Times in seconds.

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "pool/profile.h"

namespace pgweir::testing {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : bits_(seed) {}
  double uniform();  // [0, 1)
  double exponential(double mean);
  double lognormal(double mean, double spread);  // spread: variance over mean squared

 private:
  std::mt19937_64 bits_;
};

struct WorldJob {
  double work = 0, think = 0;
  std::uint8_t statement_class = 0;
  double other = 0;  // held, but neither executing nor thinking
};

struct SizingWorld {
  std::string name;
  std::function<WorldJob(Dice&)> job;
  // Either arrivals over a time, ascending...
  std::function<std::vector<double>(Dice&, double)> arrivals{};
  // ...or clients that think before each transaction.
  int clients = 0;
  std::function<double(Dice&)> think{};
  std::function<double(double)> rate{};  // of one connection when n execute; empty: always 1
  double length = 30;
  double quiet = 0;  // at the start, with a tenth of the traffic; not part of what is recorded
};

// All that has a best size in the notes on sizing, by name.
const std::vector<SizingWorld>& sizing_worlds();
const SizingWorld& sizing_world(const std::string& name);

std::function<std::vector<double>(Dice&, double)> poisson_arrivals(double rate);
std::function<double(double)> usl_rate(double contention, double coherency);
std::function<double(double)> cores_rate(int cores, double coherency);

// What its clients met.
struct WorldSummary {
  double throughput = 0, p99_wait = 0, p99_response = 0;
};

struct Observation {
  WorldSummary summary;
  PoolProfile profile;  // no headroom, a target of 10 ms, two days of history
  HostProfile host;
};

// `record`: also the profile, else only the summary.
Observation observe(const SizingWorld& world, int size, std::uint64_t seed, double length,
                    bool record = true);

// What really happens at each size, from other traffic than is observed; computed as it is asked for.
class Truth {
 public:
  // `best`, when it is known already, spares the search.
  explicit Truth(const SizingWorld& world, int best = 0) : world_(world), best_(best) {}
  const WorldSummary& at(int size);
  // The best of the usual sizes by the rule of the choice.
  int best();
  // Within 5 % of its throughput and 10 % of its p99 response, and with the target met if the best meets it.
  bool acceptable(int size);
  double response_regret(int size) { return at(size).p99_response / at(best()).p99_response - 1; }
  double throughput_regret(int size) { return 1 - at(size).throughput / at(best()).throughput; }

 private:
  const SizingWorld& world_;
  int best_;
  std::map<int, WorldSummary> rows_;
};

}  // namespace pgweir::testing
