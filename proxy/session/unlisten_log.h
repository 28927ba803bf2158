#pragma once
// Which UNLISTENs of a client have taken effect: its channels are not the server's, but those of the pool's
// shared connection, so that the server's word is no more than that the command ran and was committed.
//
// Each is entered when it is sent, counts when the server completes it, and takes effect with its
// transaction. After a ROLLBACK TO all that followed the first savepoint is forgotten: to listen for too long
// does no harm.
//
// Owned by a ServerSession; forgotten when the link ends.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "protocol/sql_commands.h"

namespace pgweir {

class UnlistenLog {
 public:
  // Sent with this entry of the ledger.
  void sent(std::uint64_t sequence, std::vector<ListenStatement> statements);
  // The client has UNLISTENs on their way or in its open transaction.
  bool any() const { return !sent_.empty() || !done_.empty(); }

  // The server has completed a command of this entry.
  void completed(Bytes tag, std::uint64_t sequence);
  // It has reported an error; `in_block`: in a transaction block, which can still be rolled back to a
  // savepoint.
  void failed(std::uint64_t sequence, bool in_block);
  // It is ready, `idle`: outside of a transaction. Entries before `front` are done with.
  void ready(bool idle, std::uint64_t front);

  // What has been committed since the last call, in order.
  std::vector<ListenStatement> take_committed() { return std::exchange(committed_, {}); }
  // In place: it is called after every transaction, and an empty deque is made with two allocations.
  void clear() {
    sent_.clear();
    done_.clear();
    committed_.clear();
    before_savepoint_ = 0;
    savepoint_ = rolled_back_ = false;
  }

 private:
  struct Sent {
    std::uint64_t sequence;
    ListenStatement statement;
  };

  void commit();

  std::deque<Sent> sent_;
  std::vector<ListenStatement> done_, committed_;
  std::size_t before_savepoint_ = 0;  // of done_
  bool savepoint_ = false;
  bool rolled_back_ = false;  // the latest command was a ROLLBACK of some kind
};

}  // namespace pgweir
