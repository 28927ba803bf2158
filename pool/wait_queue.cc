#include "pool/wait_queue.h"

namespace pgweir {

WaitQueue::Place WaitQueue::push(const Waiter& waiter) {
  Place place = free_;
  if (place == nowhere) {
    place = static_cast<Place>(nodes_.size());
    nodes_.emplace_back();
  } else {
    free_ = nodes_[place].after;
  }
  nodes_[place] = {waiter, tail_, nowhere};
  (tail_ == nowhere ? head_ : nodes_[tail_].after) = place;
  tail_ = place;
  ++size_;
  return place;
}

void WaitQueue::remove(Place place) {
  Node& node = nodes_[place];
  (node.before == nowhere ? head_ : nodes_[node.before].after) = node.after;
  (node.after == nowhere ? tail_ : nodes_[node.after].before) = node.before;
  node.after = free_;
  free_ = place;
  --size_;
}

}  // namespace pgweir
