#pragma once
// The replies that a server still owes: the correctness heart of the proxy.
//
// Every message sent to a server that will be answered has an entry here before it is sent, in the order of
// sending. Every message from the server is then judged against the front entry: does it belong to the
// client, is it the answer to something the proxy asked itself, or is the stream out of step. Replies that
// the proxy makes itself have entries too (`supply`), so that they come at their exact place in the order.
//
// Rules kept here (numbers are PostgreSQL's behaviour, from postgres.c and copyfrom.c):
//  1. A Query or FunctionCall ends with ReadyForQuery, so does a Sync.
//  2. After an error in the extended protocol the server skips everything up to the next Sync, a Query too:
//     entries in between are dropped, and what is sent from then on up to a Sync gets none.
//  3. During COPY from the client the server ignores Sync and Flush. So a Sync that was sent before the end
//     of the copy data is not answered; unless the copy had failed before the server read it. Which of the
//     two happened cannot be seen from outside: then the ledger is `uncertain`, passes everything on without
//     judging it, and is never settled again.
//  4. CopyData, CopyDone and CopyFail outside of COPY are ignored by the server, without an answer.
//  5. NoticeResponse, ParameterStatus and NotificationResponse may come at any time and answer nothing.
//  6. A FATAL error, or any error when nothing is owed, is the last thing a server says.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace pgweir {

enum class Request : std::uint8_t {
  query,
  function_call,
  parse,
  bind,
  describe,
  execute,
  close,
  sync,
  maybe_sync,  // a Sync of which rule 3 does not tell whether it will be answered
  copy_end,    // CopyDone or CopyFail: marks the end of copy data among the requests
  nothing,     // what has turned out to get no reply
};

enum class CopyMode : std::uint8_t { none, in, out, both };

// What becomes of the reply to a message.
enum class Reply : std::uint8_t {
  forward,
  swallow,               // the proxy asked
  swallow_unless_error,  // the proxy asked on behalf of the client: only an error concerns it
  supply,                // the message is not sent: the proxy answers it
};

struct ReplyVerdict {
  enum class Action : std::uint8_t { forward, swallow, violation };
  Action action = Action::forward;
  bool ready = false;      // this ReadyForQuery ends a request; the server's transaction status is in it
  bool completed = false;  // this message ends the front request, which is `request`
  Request request = Request::query;
  std::uint64_t sequence = 0;  // of the front entry; 0 when nothing was owed
};

class Ledger {
 public:
  // Takes note of a message that goes to the server (or does not, if its reply is to be supplied). The number
  // of its entry, larger than those before; 0 when it has none.
  std::uint64_t sent(char frontend_type, Reply reply = Reply::forward);
  // Judges the start of a message from the server. No reply that could be taken by `take_supply` is left.
  ReplyVerdict received(char backend_type);
  // A reply that the proxy is to give now, in front of all that the server still owes; to be asked until
  // there is none, after each `sent` and at the end of each message from the server.
  std::optional<Request> take_supply();
  // Entries with smaller numbers are done with: answered, or never to be answered.
  std::uint64_t front_sequence() const { return taken_ + 1; }

  // Nothing is owed, nothing is skipped and no batch is open: with an idle ReadyForQuery the server can serve
  // somebody else.
  bool settled() const {
    return size_ == 0 && !skipping_ && !batch_open_ && !uncertain_ && copy_ == CopyMode::none;
  }
  // The same but for what the proxy asks itself in front of it.
  bool settled_for_client() const;
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  CopyMode copy() const { return copy_; }
  // The server is skipping to a Sync that has not been sent yet.
  bool skipping() const { return skipping_; }
  bool uncertain() const { return uncertain_; }
  // What the server answers next, or what it is skipping for, is the proxy's own.
  bool front_is_own() const { return size_ > 0 && ring_[head_ & (ring_.size() - 1)].reply != Reply::forward; }
  // The server waits for a Sync that has not been sent: it has requests of the extended protocol behind the
  // last one, answered or not, or is skipping.
  bool needs_sync() const { return skipping_ || batch_open_; }
  // The replies owed so far reach no client: it is gone.
  void swallow_all();

 private:
  struct Entry {
    Request request;
    Reply reply;
  };

  Entry& at(std::size_t i) { return ring_[(head_ + i) & (ring_.size() - 1)]; }
  std::uint64_t push(Request request, Reply reply);
  void pop() {
    ++head_;
    --size_;
    ++taken_;
  }
  void drop_front_marks();
  void skip_to_sync();
  void copy_in_starts();
  // False when the server cannot have come to the end of the data.
  bool copy_in_ends();
  void copy_in_fails();
  // What `type` means for the front request; `completed` pops it.
  ReplyVerdict judge(char type, Request front);

  std::vector<Entry> ring_;  // a power of two long
  std::size_t head_ = 0, size_ = 0;
  std::uint64_t taken_ = 0;  // entries that have left the front
  CopyMode copy_ = CopyMode::none;
  bool skipping_ = false, batch_open_ = false, uncertain_ = false;
};

}  // namespace pgweir
