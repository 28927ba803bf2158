#include "proxy/session/batch_replay.h"

#include <utility>

namespace pgweir {

namespace {

// Larger batches are not kept.
constexpr std::size_t longest = 64 * 1024;

}  // namespace

bool is_stale_plan(Bytes sqlstate, Bytes routine) {
  return sqlstate == "0A000" && routine == "RevalidateCachedQuery";
}

bool is_lost_statement(Bytes sqlstate, Bytes routine) {
  return sqlstate == "26000" && (routine == "FetchPreparedStatement" || routine == "exec_bind_message" ||
                                 routine == "exec_describe_statement_message");
}

void BatchReplay::record(char type, Bytes message, bool fresh) {
  if (state_ == State::repeating) return;
  if (fresh) {
    state_ = State::recording;
    ended_ = asks_shape_ = false;
    messages_.clear();
    told_.clear();
  }
  if (state_ != State::recording) return;
  // What comes behind the Sync would come before the second run.
  if (ended_ || messages_.size() + message.size() > longest) return stop();
  messages_ += message;
  asks_shape_ = asks_shape_ || type == 'P' || type == 'D';
  ended_ = type == 'S';
}

bool BatchReplay::tell(char type) {
  if (state_ == State::recording) {
    if (type == '1' || type == '2' || type == '3') {
      told_ += type;
    } else if (type != 'N' && type != 'S' && type != 'A') {
      stop();
    }
    return true;
  }
  if (state_ != State::repeating || again_ == told_.size() || told_[again_] != type) return true;
  ++again_;
  return false;
}

bool BatchReplay::heals(Bytes sqlstate, Bytes routine) const {
  if (state_ != State::recording || !ended_) return false;
  return is_lost_statement(sqlstate, routine) || (asks_shape_ && is_stale_plan(sqlstate, routine));
}

std::string BatchReplay::take() {
  state_ = State::repeating;
  again_ = 0;
  return std::exchange(messages_, {});
}

}  // namespace pgweir
