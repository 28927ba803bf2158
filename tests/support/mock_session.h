#pragma once
// One connection of a MockServer: the server's side of the protocol, bytes in and bytes out. It has no socket
// and no clock; who owns it says when a statement is done.
//
// It knows startup (SSLRequest and GSSENCRequest are answered with N, everybody is trusted), cancel requests,
// simple queries of several statements, the extended protocol without parameters, and transaction states.
// BEGIN, COMMIT, ROLLBACK, SET, RESET, DISCARD and SHOW are its own, and pgweir's question for max_connections,
// which it refuses; all else is answered by the script.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace pgweir {

// What a statement costs, and how it ends.
struct MockReply {
  std::chrono::nanoseconds work{};  // by an unloaded server; 0: answered at once
  std::string sqlstate{};           // not empty: an error
  bool dies = false;                // the connection is closed instead of an answer
};
using MockScript = std::function<MockReply(const std::string& sql)>;

class MockSession {
 public:
  struct Key {
    std::uint32_t pid = 0, secret = 0;
    bool operator==(const Key&) const = default;
  };

  // `script` must outlive the session.
  MockSession(Key key, const MockScript& script) : key_(key), script_(script) {}

  void feed(std::string_view bytes);
  // A statement that has work and is not finished.
  const std::optional<MockReply>& running() const { return running_; }
  // The running statement is done: it is answered, and what came behind it is looked at.
  void finish();
  // The running statement, if any, fails with 57014.
  void cancel();

  // Answers that were not sent yet; the owner takes them away.
  std::string out;
  bool closed() const { return closed_; }  // after what is in `out`
  bool started() const { return started_; }
  const Key& key() const { return key_; }
  const std::optional<Key>& cancel_request() const { return cancel_request_; }

 private:
  void go_on();
  bool take_startup();
  bool take_message();
  void message(char type, const std::string& body);
  void next_statement();
  void answer(const std::string& tag, bool row);
  void fail(const std::string& sqlstate, const std::string& text);
  void ready();
  bool own_statement(const std::string& sql);

  Key key_;
  const MockScript& script_;
  std::string in_;
  bool started_ = false, closed_ = false;
  std::optional<Key> cancel_request_;
  char status_ = 'I';
  std::deque<std::string> statements_;  // of the present query, not begun
  bool simple_ = false;                 // the present query ends with ReadyForQuery
  bool skipping_ = false;               // to the next Sync
  std::optional<MockReply> running_;
  std::map<std::string, std::string> prepared_, portals_;
};

}  // namespace pgweir
