#pragma once
// A batch of the extended protocol that can be run once more, when it failed only because of what the server
// had kept of a prepared statement: "cached plan must not change result type" after DDL, or a statement that
// is gone. The client does not notice.
//
// That is allowed when the batch began outside of a transaction with nothing else under way, ended with its
// Sync, and the client has been told nothing but completions of Parse, Bind and Close; these are not told
// again. After DDL the batch must also ask for the shape of its result (by Parse or Describe): a client that
// relies on a description from before gets the error, as from PostgreSQL.
//
// Owned by its ServerSession.

#include <cstdint>
#include <string>

#include "protocol/bytes.h"

namespace pgweir {

class BatchReplay {
 public:
  // A message of the client; `fresh`: it begins a batch as described above.
  void record(char type, Bytes message, bool fresh);
  // Something came that cannot be recorded.
  void stop() { state_ = State::off; }
  // A message for the client begins; false when it has had it already.
  bool tell(char type);

  // Whether this error is the end of a first run that can be repeated.
  bool heals(Bytes sqlstate, Bytes routine) const;
  // The failed run is to end unseen now; then the messages are taken and sent again.
  void rewind() { state_ = State::rewinding; }
  bool rewinding() const { return state_ == State::rewinding; }
  std::string take();
  bool repeating() const { return state_ == State::repeating; }
  // The server is ready again: a second run is over, and not repeated.
  void ready() {
    if (state_ == State::repeating) state_ = State::off;
  }

 private:
  enum class State : std::uint8_t { off, recording, rewinding, repeating };

  State state_ = State::off;
  bool ended_ = false;  // by Sync
  bool asks_shape_ = false;
  std::string messages_;
  std::string told_;       // types, in the first run
  std::size_t again_ = 0;  // of these, seen in the second
};

// PostgreSQL's two reasons, by the functions that raise them: messages are translated (plancache.c,
// prepare.c).
bool is_stale_plan(Bytes sqlstate, Bytes routine);
bool is_lost_statement(Bytes sqlstate, Bytes routine);

}  // namespace pgweir
