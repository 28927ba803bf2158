#pragma once
// Events on their way to a program that takes its time. Bounded: of each alert only the latest event waits,
// and of more alerts than `most` the further ones are counted instead of kept. Belongs to one thread.

#include <cstdint>
#include <string>
#include <vector>

#include "admin/alerts/alert.h"

namespace pgweir {

class AlertQueue {
 public:
  static constexpr std::size_t most = 100;

  // An alert that begins and changes before it was taken still begins; one that ends as well has ended.
  void push(const AlertTransition& transition);
  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }
  // All of them, in the order in which they came first.
  std::vector<AlertTransition> take();
  // Those that were left out since the last call.
  std::uint64_t take_left_out();

 private:
  std::vector<AlertTransition> waiting_;
  std::uint64_t left_out_ = 0;
};

}  // namespace pgweir
