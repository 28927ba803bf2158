#pragma once
// A pgweir that takes over from a running one, without a client that is refused or a transaction that breaks:
//
// 1. The successor (--takeover) asks for the listening sockets over a Unix socket beside that for clients,
//    and gets the very same ones: whoever has connected and was not accepted yet waits in them.
// 2. It asks for the state file, opens it, and starts its workers. The predecessor still accepts: whoever is
//    faster serves a client.
// 3. It says that it is ready. The predecessor closes its descriptors of the sockets and drains: its clients
//    stay for shutdown_timeout, then each until its transaction is over.
// 4. Until the predecessor has ended, the successor hands on to it the cancels whose keys it does not know.
//
// If the successor fails before it is ready, the predecessor goes on as if nothing had been.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "proxy/net/listener.h"
#include "proxy/net/takeover_channel.h"
#include "proxy/session/mail.h"

namespace pgweir {

// The successor's side before it serves; it blocks, for seconds at most.
class Predecessor {
 public:
  // Where a process with these settings is asked; empty: nowhere, since it has no Unix socket.
  static std::string path_of(const ListenSettings& settings);
  // Nobody is there: not `found()`. `user`: whom the process is about to become.
  static tl::expected<Predecessor, std::string> find(const ListenSettings& settings, uid_t user);

  bool found() const { return channel_.open(); }
  tl::expected<void, std::string> take_sockets(InheritedSockets& sockets);
  // Whether the state file is free now.
  bool release_state();
  // We serve. What remains of the conversation are cancels.
  TakeoverChannel ready();

 private:
  TakeoverChannel channel_;
};

// What a process needs to be taken over from, and what it has from the one that it took over from.
struct Succession {
  UnixSocket asked;  // listens; invalid: cannot be taken over from
  std::vector<Descriptor> sockets;
  Predecessor predecessor;
  std::function<void()> let_go;  // the sockets have another owner now
  // The service manager has the sockets as well: who connects during a drain waits for the next process.
  bool lasting = false;
};

class TakeoverOwner {
 public:
  virtual void release_state(std::function<void()> done) = 0;
  virtual void reclaim_state() = 0;  // the successor has failed
  virtual void handed_over() = 0;
  // From the successor.
  virtual void on_foreign_cancel(CancelByKey cancel) = 0;
  // To the predecessor: handled, or it is gone.
  virtual void on_cancel_handled(const CancelByKey& cancel) = 0;

 protected:
  ~TakeoverOwner() = default;
};

// Both sides of a process that serves, on the loop of the control thread.
class Takeover {
 public:
  Takeover(uv_loop_t* loop, Succession succession, TakeoverOwner& owner);
  Takeover(const Takeover&) = delete;
  Takeover& operator=(const Takeover&) = delete;

  // The process serves: tells the predecessor, and can be taken over from.
  void start();
  void close();
  // False: there is no predecessor.
  bool ask_predecessor(const CancelByKey& cancel);
  void foreign_cancel_handled(std::uint64_t foreign);
  bool sockets_last() const { return succession_.lasting; }

 private:
  using Watch = HandlePtr<uv_poll_t>;
  Watch watch(int fd, uv_poll_cb on_readable);
  void on_asked();
  void on_successor();
  void on_word(const TakeoverMessage& message);
  void on_predecessor();
  void on_released(std::uint64_t asker);
  void hand_over();
  void lose_successor();

  uv_loop_t* const loop_;
  Succession succession_;
  TakeoverOwner& owner_;
  TakeoverChannel successor_, predecessor_;
  bool released_ = false;         // the state file, for the successor
  bool handed_over_ = false;      // it serves
  std::uint64_t successors_ = 0;  // so far; the latest is the one that is there
  std::uint64_t tickets_ = 0;
  std::map<std::uint64_t, CancelByKey> cancels_;  // the predecessor has been asked for
  // The last: they watch descriptors of the others.
  Watch asked_watch_, successor_watch_, predecessor_watch_;
};

}  // namespace pgweir
