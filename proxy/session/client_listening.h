#pragma once
// The channels of one client that the listening connection of its database serves, and the notifications
// that wait until the client is out of its transaction.
//
// Owned by its ClientSession; the ListenHub of the pool changes the channels.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "protocol/bytes.h"

namespace pgweir {

struct ClientListening {
  struct Channel {
    // What the shared connection gets on it is the client's.
    bool active = false;
    // The hand-over that goes on, to the token on both connections.
    std::uint64_t move = 0;
    // Its server has given the token: nothing that any server tells is the client's.
    bool left_server = false;
  };
  struct Held {
    std::string channel;
    std::string message;
  };

  bool active(Bytes channel) const {
    const auto found = channels.find(channel);
    return found != channels.end() && found->second.active;
  }
  bool left_server(Bytes channel) const {
    const auto found = channels.find(channel);
    return found != channels.end() && found->second.left_server;
  }
  void hold(Bytes channel, Bytes message) {
    held.push_back({std::string(channel), std::string(message)});
    held_bytes += message.size();
  }
  // It has stopped to listen there: PostgreSQL does not give it what it has not yet got.
  void drop_held(Bytes channel) {
    std::erase_if(held, [&](const Held& one) {
      if (one.channel != channel) return false;
      held_bytes -= one.message.size();
      return true;
    });
  }

  std::map<std::string, Channel, std::less<>> channels;
  std::deque<Held> held;
  std::size_t held_bytes = 0;
};

}  // namespace pgweir
