#pragma once
// A batch of the extended protocol that can be run once more, when it failed only because of what the server
// had kept of a prepared statement: "cached plan must not change result type" after DDL, or a statement that
// is gone. The client does not notice.
//
// That is allowed when the batch began outside of a transaction with nothing else of the client's under way,
// and the client has been told nothing but completions of Parse, Bind and Close; these are not told again.
// After DDL the batch must also ask for the shape of its result (by Parse or Describe): a client that relies
// on a description from before gets the error, as from PostgreSQL. Some drivers write each message by itself:
// an error that comes before the Sync or Flush of the batch is kept until then.
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

  // This error ends a first run. `heal`: the failed run is to end unseen now; then the messages are taken and
  // sent again. `keep`: the error, until record() has brought about one or the other.
  enum class Failure : std::uint8_t { tell, keep, heal };
  Failure failed(Bytes sqlstate, Bytes routine);
  bool recording() const { return state_ == State::recording; }
  bool keeping() const { return state_ == State::keeping; }
  bool rewinding() const { return state_ == State::rewinding; }
  // The batch has no Sync yet: one has to be sent for it.
  bool flushed() const { return end_ == 'H'; }
  std::string take();
  bool repeating() const { return state_ == State::repeating; }
  // The server is ready again: a second run is over, and not repeated.
  void ready() {
    if (state_ == State::repeating) state_ = State::off;
  }

 private:
  enum class State : std::uint8_t { off, recording, keeping, rewinding, repeating };

  State state_ = State::off;
  char end_ = 0;       // Sync, or a Flush as the last one so far
  bool lost_ = false;  // the reason of the failure
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
