#pragma once
// One end of the conversation between a running pgweir and the one that takes over from it: a Unix socket
// that keeps the bounds of messages (SOCK_SEQPACKET), and carries descriptors.
//
// Who may take over, or be taken over from, must be one who could as well stop the process and read its
// memory: its own user, or root; for a successor that root starts also the user that it is about to become.

#include <sys/types.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/bytes.h"
#include "proxy/net/handle.h"

namespace pgweir {

enum class TakeoverWord : char {
  // From the successor.
  ask = 'A',      // for the sockets; the body is the version of this conversation
  release = 'F',  // the state file
  ready = 'R',    // it serves
  cancel = 'C',   // a CancelRequest: its number, the key
  // From the predecessor.
  sockets = 'S',   // some, with their descriptors
  all_sent = 'L',  // the last word after the sockets
  released = 'f',
  handled = 'c',  // the number of the cancel
  refused = 'E',  // why
};

struct TakeoverMessage {
  TakeoverWord word{};
  std::string body;
  std::vector<Descriptor> descriptors;
};

class TakeoverChannel {
 public:
  // What a message may hold; and at most so many descriptors in one, fewer than the kernel's SCM_MAX_FD.
  static constexpr std::size_t most_bytes = 512;
  static constexpr std::size_t most_descriptors = 100;

  TakeoverChannel() = default;
  explicit TakeoverChannel(Descriptor socket) : socket_(std::move(socket)) {}

  int fd() const { return socket_.get(); }
  bool open() const { return socket_.valid(); }
  bool peer_is(std::initializer_list<uid_t> users) const;
  // False when it cannot be sent now, or any more.
  bool send(TakeoverWord word, Bytes body = {}, std::span<const Descriptor> descriptors = {});
  enum class Got : std::uint8_t { message, nothing, end };
  Got receive(TakeoverMessage& message);
  // Blocks, at most so long.
  bool await(Duration limit) const;
  void close() { socket_ = Descriptor(); }

 private:
  Descriptor socket_;
};

}  // namespace pgweir
