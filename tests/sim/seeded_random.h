#pragma once
// The only source of chance in the simulation. Never seeded by anything but the run's seed, so that the same
// seed gives the same run; the name says so, lest it be taken for a random generator of the product.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>

#include "pool/time.h"

namespace pgweir::sim {

class SeededRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  // SplitMix64: one multiply-and-shift chain per number, and good from any seed, also small ones.
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // 0 <= result < bound; 0 for a bound of 0.
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(next() % bound); }
  int between(int low, int high) {
    return low + static_cast<int>(below(static_cast<std::size_t>(high - low + 1)));
  }
  // True `of_thousand` times in a thousand: no floating point takes part in a decision.
  bool chance(unsigned of_thousand) { return below(1000) < of_thousand; }
  Duration up_to(Duration most) {
    return Duration(static_cast<Duration::rep>(below(static_cast<std::size_t>(most.count()) + 1)));
  }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return *std::next(choices.begin(), static_cast<std::ptrdiff_t>(below(choices.size())));
  }

  // A generator of its own for a part of the run, so that what one part draws does not shift the others.
  SeededRandom fork() { return SeededRandom(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace pgweir::sim
