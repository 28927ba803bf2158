#pragma once
// What a recorded stretch of time says by itself, before anything is replayed. Pure.

#include <cstdint>
#include <vector>

#include "admin/erlang.h"
#include "pool/trace.h"

namespace pgweir {

struct TraceFigures {
  double length = 0;               // seconds
  std::uint64_t transactions = 0;  // that arrived in it
  std::uint64_t gave_up = 0;
  std::uint64_t clients = 0;    // that sent something
  double rate = 0;              // arrivals per second
  double load = 0;              // connections in use on average, had nobody waited
  double highest_10s_load = 0;  // the same, of the busiest 10 s
  double mean_held = 0;
  int p99_held = 0, p95_held = 0;
  int highest_held = 0;   // for 0.1 % of the time at least
  double full_share = 0;  // of the time, at pool_size or above
  double p99_wait = 0, waited_share = 0;
  double opening_share = 0;  // of the time waited, for connections to be opened
  // Parts of the time that connections were held.
  double executing_share = 1, think_share = 0, other_share = 0;
  OfferedLoad offered;          // of the virtual demand
  std::uint64_t slow_half = 0;  // the longest transactions that make up half of the holding time
  // The class with the most executing time, and its parts.
  std::uint8_t heaviest_class = 0;
  double heaviest_load_share = 0, heaviest_count_share = 0;

  // Change of the arrival rate by one more client at the pool, scaled so that -1 means that each client sends
  // again only after it was answered, 0 that arrivals do not care, above 0 bursts. `feedback_error` is its
  // standard error as far as chance alone goes; not a number when the level never varied.
  double feedback = 0, feedback_error = 0;
  double mean_in_system = 0;  // waiting or served
};

// How long each level stood, in seconds, of intervals that overlap; only [0, length) counts.
struct Interval {
  double from = 0, to = 0;
};
std::vector<double> level_times(const std::vector<Interval>& intervals, double length);

TraceFigures figures_of(const TraceSegment& segment);

}  // namespace pgweir
