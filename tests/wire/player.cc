#include "tests/wire/player.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "tests/wire/message_text.h"

namespace pgweir {

using namespace std::chrono_literals;

std::string Player::play(const Script& script) {
  peers_.clear();
  transcript_.clear();
  int line = 0;
  try {
    for (const Step& step : script.steps) {
      line = step.line;
      take(step);
    }
    flush();
    for (auto& [name, peer] : peers_) end_unordered(peer);
    end_politely();
    return {};
  } catch (const std::exception& error) {
    std::string report = "line " + std::to_string(line) + ": " + error.what() + "\n";
    const std::size_t shown = std::min<std::size_t>(transcript_.size(), 20);
    for (std::size_t i = transcript_.size() - shown; i < transcript_.size(); ++i) {
      report += "    | " + transcript_[i] + "\n";
    }
    return report;
  }
}

void Player::take(const Step& step) {
  if (step.kind != Step::Kind::send) flush();
  for (auto& [name, peer] : peers_) {
    if (step.kind != Step::Kind::expect || step.number == 0 || name != step.connection) end_unordered(peer);
  }
  switch (step.kind) {
    case Step::Kind::connect:
    case Step::Kind::tcp: {
      if (!peers_.emplace(step.connection, Peer{WireClient(port_), {}, false, {}, {}}).second) {
        throw std::runtime_error("there is a connection of this name");
      }
      if (step.kind == Step::Kind::tcp) break;
      std::vector<std::pair<std::string, std::string>> parameters{{"user", "postgres"},
                                                                  {"database", "postgres"}};
      for (const Term& term : step.terms) parameters.emplace_back(term.key, term.value);
      peer(step.connection).client.send_startup(3 << 16, parameters);
      skip({Step::Kind::skip, step.line, step.connection, {Term::word("ReadyForQuery")}, 0});
      break;
    }
    case Step::Kind::send:
      peer(step.connection).unsent += encode_message(step.terms);
      transcript_.push_back(step.connection + "> " + print(step.terms));
      break;
    case Step::Kind::expect:
      expect(step);
      break;
    case Step::Kind::expect_byte:
      expect_byte(step);
      break;
    case Step::Kind::skip:
      skip(step);
      break;
    case Step::Kind::close:
      peers_.erase(step.connection);
      break;
    case Step::Kind::split:
      peer(step.connection).client.split(step.number);
      break;
    case Step::Kind::cancel:
      cancel(step);
      break;
  }
}

void Player::flush() {
  for (auto& [name, peer] : peers_) {
    if (!peer.unsent.empty()) peer.client.send_raw(std::exchange(peer.unsent, {}));
  }
}

Player::Peer& Player::peer(const std::string& name) {
  const auto found = peers_.find(name);
  if (found == peers_.end()) throw std::runtime_error("there is no connection " + name);
  return found->second;
}

Terms Player::receive(const std::string& name) {
  const WireMessage message = peer(name).client.read();
  peer(name).ready = message.type == 'Z';
  Terms terms = decode_message(message);
  transcript_.push_back(name + "< " + print(terms));
  return terms;
}

void Player::expect(const Step& step) {
  const Terms actual = receive(step.connection);
  if (step.number == 1) {
    peer(step.connection).expected.push_back(step.terms);
    peer(step.connection).came.push_back(actual);
    return;
  }
  if (step.terms[0].value == "any" || matches(step.terms, actual)) return;
  throw std::runtime_error("\n  expected " + print(step.terms) + "\n  but got  " + print(actual));
}

// Each that came is one of those that were expected. What is expected must not overlap.
void Player::end_unordered(Peer& peer) {
  for (const Terms& actual : std::exchange(peer.came, {})) {
    const auto found = std::find_if(peer.expected.begin(), peer.expected.end(),
                                    [&](const Terms& expected) { return matches(expected, actual); });
    if (found == peer.expected.end())
      throw std::runtime_error("\n  got " + print(actual) + "\n  which is none of those expected here");
    peer.ready = peer.ready || actual[0].value == "ReadyForQuery";
    peer.expected.erase(found);
  }
}

void Player::skip(const Step& step) {
  for (;;) {
    const Terms actual = receive(step.connection);
    if (matches(step.terms, actual)) return;
    if (actual[0].value == "closed") {
      throw std::runtime_error("\n  expected " + print(step.terms) +
                               " some time\n  but the connection was closed");
    }
  }
}

void Player::expect_byte(const Step& step) {
  const std::optional<char> byte = peer(step.connection).client.read_byte();
  const std::string actual = byte ? std::string(1, *byte) : "closed";
  transcript_.push_back(step.connection + "< byte " + actual);
  if (actual == step.terms[0].value) return;
  throw std::runtime_error("\n  expected byte " + print(step.terms) + "\n  but got  " + actual);
}

void Player::cancel(const Step& step) {
  const WireClient& target = peer(step.connection).client;
  const std::string request =
      encode_message({Term::word("CancelRequest"), Term::word(std::to_string(target.backend_pid)),
                      Term::text(target.secret)});
  const auto cancel_once = [&] {
    WireClient courier(port_);
    courier.send_raw(request);
    if (!courier.read().closed()) throw std::runtime_error("a CancelRequest was answered");
  };
  // One that comes before the query has begun is ignored, so it may take several.
  const bool until_answered = step.number == 1;
  for (int attempt = 0; attempt == 0 || (until_answered && attempt < 100 && !target.readable(100ms));
       ++attempt) {
    cancel_once();
  }
}

void Player::end_politely() {
  for (auto& [name, peer] : peers_) {
    if (!peer.ready) continue;
    peer.client.send('X', "");
    const Terms last = receive(name);
    if (last[0].value != "closed") throw std::runtime_error("at the end: unexpected " + print(last));
  }
}

}  // namespace pgweir
