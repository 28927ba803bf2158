#pragma once
// Plays a wire script against a port.

#include <map>
#include <string>

#include "tests/support/wire_client.h"
#include "tests/wire/script.h"

namespace pgweir {

class Player {
 public:
  explicit Player(int port) : port_(port) {}

  // Empty when all went as written; else what did not, with the line and the last messages.
  std::string play(const Script& script);

 private:
  struct Peer {
    WireClient client;
    std::string unsent;  // consecutive messages leave in one write
    bool ready = false;  // the last message was ReadyForQuery
    // A run of messages whose order does not matter: one has come for each that is expected.
    std::vector<Terms> expected{}, came{};
  };

  void take(const Step& step);
  void flush();
  Peer& peer(const std::string& name);
  Terms receive(const std::string& name);
  void expect(const Step& step);
  void end_unordered(Peer& peer);
  void skip(const Step& step);
  void expect_byte(const Step& step);
  void cancel(const Step& step);
  // What comes behind the last expected message, until the peer has closed, was not expected.
  void end_politely();

  int port_;
  std::map<std::string, Peer> peers_;
  std::vector<std::string> transcript_;
};

}  // namespace pgweir
