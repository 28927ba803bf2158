#include "proxy/session/unlisten_log.h"

#include <utility>

namespace pgweir {

void UnlistenLog::sent(std::uint64_t sequence, std::vector<ListenStatement> statements) {
  for (ListenStatement& statement : statements) sent_.push_back({sequence, std::move(statement)});
}

void UnlistenLog::completed(Bytes tag, std::uint64_t sequence) {
  if (!any()) return;
  rolled_back_ = tag == "ROLLBACK";
  if (tag == "UNLISTEN" || tag == "DISCARD ALL") {
    while (!sent_.empty() && sent_.front().sequence < sequence) sent_.pop_front();
    if (sent_.empty() || sent_.front().sequence != sequence) return;
    done_.push_back(std::move(sent_.front().statement));
    sent_.pop_front();
  } else if (tag == "SAVEPOINT" && !savepoint_) {
    savepoint_ = true;
    before_savepoint_ = done_.size();
  } else if (tag == "COMMIT") {
    commit();
  } else if (rolled_back_) {
    done_.resize(savepoint_ ? before_savepoint_ : 0);
  }
}

void UnlistenLog::failed(std::uint64_t sequence, bool in_block) {
  while (!sent_.empty() && sent_.front().sequence <= sequence) sent_.pop_front();
  if (!in_block) done_.clear();
}

void UnlistenLog::ready(bool idle, std::uint64_t front) {
  while (!sent_.empty() && sent_.front().sequence < front) sent_.pop_front();
  if (!idle) return;
  if (rolled_back_) done_.clear();
  commit();
}

void UnlistenLog::commit() {
  for (ListenStatement& statement : done_) committed_.push_back(std::move(statement));
  done_.clear();
  savepoint_ = rolled_back_ = false;
}

}  // namespace pgweir
