#pragma once
// Clients that wait for a server: first in, first out. Entering, leaving from any
// place and taking the first are O(1) and do not allocate in the steady state.

#include <cstdint>
#include <vector>

#include "pool/ids.h"
#include "pool/time.h"

namespace pgweir {

struct Waiter {
  ConnId client;
  Instant since;
};

class WaitQueue {
 public:
  // A place in the queue, valid from `push` until the waiter has left it.
  using Place = std::uint32_t;
  static constexpr Place nowhere = UINT32_MAX;

  Place push(const Waiter& waiter);
  void remove(Place place);
  const Waiter* front() const { return head_ == nowhere ? nullptr : &nodes_[head_].waiter; }
  Place front_place() const { return head_; }
  // Of the one that came last.
  Place back_place() const { return tail_; }
  const Waiter& at(Place place) const { return nodes_[place].waiter; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  struct Node {
    Waiter waiter;
    Place before, after;
  };

  std::vector<Node> nodes_;
  Place head_ = nowhere, tail_ = nowhere, free_ = nowhere;
  std::size_t size_ = 0;
};

}  // namespace pgweir
