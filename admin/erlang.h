#pragma once
// Waiting in a queue with several servers, for a number of servers that need not be whole: pure functions.
//
// Erlang B at x servers and load a follows B(x) = a B(x-1) / (x + a B(x-1)), which only ever multiplies and
// adds positive numbers and shrinks an error of its start with every step. It starts at the fractional part
// of x, where B is interpolated geometrically between B(0) = 1 and B(1) = a / (1 + a).

namespace pgweir {

// Share of arrivals that find all `servers` busy when nobody waits. Load in servers, both at least 0.
double erlang_b(double servers, double load);
// Share of arrivals that have to wait when they queue; 1 when the load is not below the servers.
double erlang_c(double servers, double load);

// What is offered to a pool.
struct OfferedLoad {
  double mean = 0;  // connections that would be in use if nobody waited
  double peakedness =
      1;               // variance of that number over its mean: 1 for independent arrivals, more for bursts
  double holding = 0;  // seconds, mean
  double holding_spread = 1;  // variance of the holding time over its mean squared
};

// Hayward's approximation: a peaked load waits as an ordinary one z times smaller does at z times fewer
// servers, P(W > t) = C(c/z, a/z) exp(-(c - a) t / (v holding)). v = max(1/2, (2z - 1 + spread) / 2) is the
// usual correction for variable holding times; it is 1 for independent arrivals and exponential times.
double share_waiting_longer(const OfferedLoad& load, int size, double seconds);
// The wait in seconds that a share of 1 % exceeds; infinite when the size cannot carry the load.
double p99_wait(const OfferedLoad& load, int size);
// The smallest size with p99_wait at most `seconds`; at least 1.
int smallest_size(const OfferedLoad& load, double seconds);

}  // namespace pgweir
