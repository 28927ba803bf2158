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
    asks_shape_ = false;
    end_ = 0;
    messages_.clear();
    told_.clear();
  }
  if (state_ != State::recording && state_ != State::keeping) return;
  // What comes behind the Sync would come before the second run.
  if (end_ == 'S' || messages_.size() + message.size() > longest) return stop();
  messages_ += message;
  asks_shape_ = asks_shape_ || type == 'P' || type == 'D';
  end_ = type == 'S' || type == 'H' ? type : '\0';
  if (state_ == State::keeping && end_ != 0) {
    state_ = lost_ || asks_shape_ ? State::rewinding : State::off;
  }
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

BatchReplay::Failure BatchReplay::failed(Bytes sqlstate, Bytes routine) {
  lost_ = is_lost_statement(sqlstate, routine);
  if (state_ != State::recording || !(lost_ || is_stale_plan(sqlstate, routine))) return Failure::tell;
  if (end_ == 0) {
    state_ = State::keeping;
    return Failure::keep;
  }
  if (!lost_ && !asks_shape_) return Failure::tell;
  state_ = State::rewinding;
  return Failure::heal;
}

std::string BatchReplay::take() {
  state_ = State::repeating;
  again_ = 0;
  return std::exchange(messages_, {});
}

}  // namespace pgweir
