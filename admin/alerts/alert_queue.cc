#include "admin/alerts/alert_queue.h"

#include <algorithm>
#include <utility>

namespace pgweir {

void AlertQueue::push(const AlertTransition& transition) {
  const auto same = std::find_if(waiting_.begin(), waiting_.end(), [&](const AlertTransition& it) {
    return it.alert.id == transition.alert.id;
  });
  if (same == waiting_.end()) {
    if (waiting_.size() >= most) {
      ++left_out_;
    } else {
      waiting_.push_back(transition);
    }
    return;
  }
  const bool begins = same->change == AlertChange::began && transition.change == AlertChange::changed;
  *same = transition;
  if (begins) same->change = AlertChange::began;
}

std::vector<AlertTransition> AlertQueue::take() { return std::exchange(waiting_, {}); }

std::uint64_t AlertQueue::take_left_out() { return std::exchange(left_out_, 0); }

}  // namespace pgweir
