#pragma once
// How long what a client has left in its session keeps a server, and for which reason.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "pool/state_kind.h"
#include "pool/time.h"

namespace pgweir {

struct PinCost {
  std::uint64_t pins = 0;
  Duration time{};
};

// By kind. A server that two kinds hold at once counts for both.
using PinCosts = std::array<PinCost, state_kinds.size()>;

// The pins of one server. Plain; the time never goes back.
class PinClock {
 public:
  StateKinds kinds() const { return kinds_; }
  // When the oldest of the present pins began; `never` without one.
  Instant since() const {
    Instant since = never;
    for (const StateKindRow& it : state_kinds) {
      if (kinds_.has(it.kind)) since = std::min(since, begun_[index(it.kind)]);
    }
    return since;
  }

  // These kinds hold the server from now on, and no others. Pins that end are added to the costs.
  void hold(StateKinds kinds, Instant now, PinCosts& costs) {
    if (kinds == kinds_) return;
    for (const StateKindRow& it : state_kinds) {
      PinCost& cost = costs[index(it.kind)];
      if (kinds.has(it.kind) && !kinds_.has(it.kind)) {
        begun_[index(it.kind)] = now;
        ++cost.pins;
      } else if (!kinds.has(it.kind) && kinds_.has(it.kind)) {
        cost.time += now - begun_[index(it.kind)];
      }
    }
    kinds_ = kinds;
  }

  // Adds what the present pins have cost so far.
  void add_running(Instant now, PinCosts& costs) const {
    for (const StateKindRow& it : state_kinds) {
      if (kinds_.has(it.kind)) costs[index(it.kind)].time += now - begun_[index(it.kind)];
    }
  }

 private:
  static constexpr std::size_t index(StateKind kind) { return static_cast<std::size_t>(kind); }

  StateKinds kinds_;
  std::array<Instant, state_kinds.size()> begun_{};
};

}  // namespace pgweir
