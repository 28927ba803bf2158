#pragma once
// Replays of several loads at many sizes, and the choice among them. Pure. Sizes are tried coarsely until
// nothing changes any more, then closely around the choice.

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "admin/replay.h"

namespace pgweir {

// One size, over all loads: the worst of each.
struct SizeRow {
  int size = 0;
  double throughput_share = 1;  // of the most that any size reaches
  double p99_wait = 0;
  double response_ratio = 1;  // p99 response over the best among the sizes with nearly all the throughput
  bool enough_throughput = true;
};

struct SizeChoice {
  int size = 1;
  bool target_met = false;  // false: no size meets it, and this one answers soonest
  int from = 1, to = 1;     // sizes that are as good, within 5 %
};

class SizeSweep {
 public:
  // No size above `largest` is tried.
  SizeSweep(double target_wait, int largest) : target_wait_(target_wait), largest_(largest) {}
  // The load and the table must live as long.
  void add(const ReplayLoad& load, const SpeedTable& speed, ReplayMode mode);

  SizeChoice choose();
  // Of one size and of each load, in the order in which they were added.
  const std::vector<ReplayResult>& at(int size);
  // One size over all loads: the worst of each figure.
  ReplayResult worst_at(int size);
  SizeRow row(int size);
  std::vector<int> sizes() const;

 private:
  struct Best {
    std::vector<double> throughput, response;
  };
  Best best() const;
  SizeRow row_of(int size, const std::vector<ReplayResult>& results, const Best& best) const;
  bool is_flat(int size);
  SizeChoice pick() const;

  double target_wait_;
  int largest_;
  std::vector<std::unique_ptr<Replay>> replays_;
  std::map<int, std::vector<ReplayResult>> results_;
};

}  // namespace pgweir
