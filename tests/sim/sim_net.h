#pragma once
// The simulated network: connections whose two directions are byte queues of limited size.
//
// What is written arrives later, in portions that have nothing to do with how it was written: split down to
// single bytes, or merged. Queues fill up, links stall, break or are closed. Bytes of one direction are never
// lost or reordered unless the link breaks, as with TCP.
//
// Users are told when there is something to read or room to write, always from an event of the schedule and
// never from within a call, as a real event loop does.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "protocol/bytes.h"
#include "tests/sim/schedule.h"

namespace pgweir::sim {

// One end of a connection.
using SocketId = std::uint32_t;
inline constexpr SocketId no_socket = UINT32_MAX;

class SocketUser {
 public:
  virtual ~SocketUser() = default;
  // Bytes, the end of the stream, or a broken link (see state()).
  virtual void on_readable(SocketId socket) = 0;
  // A write that did not take everything can be tried again.
  virtual void on_writable(SocketId socket) = 0;
};

// How the network behaves; drawn once per run.
struct Weather {
  enum class Split : std::uint8_t { whole, random, tiny };
  Duration latency{};          // most that a portion takes
  std::size_t buffer = 65536;  // bytes that one direction holds
  Split split = Split::random;
};

enum class LinkKind : std::uint8_t { client, server };
enum class StreamState : std::uint8_t { open, ended, broken };

class SimNet {
 public:
  SimNet(Schedule& schedule, const Weather& weather);

  // A connection between two users; the ends in the order of the users.
  std::pair<SocketId, SocketId> connect(LinkKind kind, SocketUser* a, SocketUser* b);
  // Hands an end to another user; null while it is on its way between two.
  void attach(SocketId socket, SocketUser* user);

  // How many of the bytes were taken.
  std::size_t write(SocketId socket, Bytes bytes);
  std::size_t read(SocketId socket, std::span<char> into);
  bool readable(SocketId socket) const;
  // `ended` and `broken` only once everything that arrived has been read.
  StreamState state(SocketId socket) const;
  void set_reading(SocketId socket, bool reading);
  // No more bytes from this end; what was written still arrives.
  void close(SocketId socket);
  // As close, but what is on its way is lost and the other end sees a broken link.
  void reset(SocketId socket);

  // Whether this end was closed by its owner or has broken.
  bool gone(SocketId socket) const { return at(socket).closed || at(socket).broken; }
  SocketId peer(SocketId socket) const { return at(socket).peer; }
  // Whether a fault that was injected, rather than a user, ended the link.
  bool cut(SocketId socket) const { return at(socket).cut; }

  // Nothing is on its way or unread, in either direction.
  bool quiet(SocketId socket) const;

  // Faults: break, or hold up, a live link of the kind that the seed picks. False when there is none.
  bool cut_some(LinkKind kind);
  bool stall_some(LinkKind kind, Duration span);

 private:
  struct Socket {
    SocketId peer = no_socket;
    SocketUser* user = nullptr;
    LinkKind kind = LinkKind::client;
    std::string in_flight;  // written by the peer, not arrived
    std::string arrived;
    std::size_t arrived_read = 0;
    std::size_t capacity = 0;
    Duration latency{};
    Weather::Split split = Weather::Split::random;
    Instant stalled_until{};
    bool reading = true;
    bool closed = false, broken = false, cut = false;
    bool end_sent = false, end_arrived = false;  // the peer's close
    bool wants_room = false;                     // a write of this end fell short
    bool arrival_due = false, notice_due = false;

    std::size_t unread() const { return arrived.size() - arrived_read; }
  };

  Socket& at(SocketId socket) { return *sockets_[socket]; }
  const Socket& at(SocketId socket) const { return *sockets_[socket]; }
  void schedule_arrival(SocketId socket);
  void arrive(SocketId socket);
  void schedule_notice(SocketId socket, Duration delay);
  void schedule_room(SocketId socket);
  void break_end(SocketId socket);
  void answer_by_reset(SocketId socket, int patience);
  SocketId some_live(LinkKind kind);

  Schedule& schedule_;
  SeededRandom random_;
  Weather weather_;
  std::vector<std::unique_ptr<Socket>> sockets_;
};

}  // namespace pgweir::sim
