#pragma once
// What one client must receive, in order: a ToySession of its own, fed with what the client sends, tells the
// replies that PostgreSQL would give (I1, I2, I5). It runs only as far as replies arrive, because a cancel or
// a refusal may take a reply's place, and what follows depends on it.

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "tests/sim/checks.h"
#include "tests/sim/toy_session.h"

namespace pgweir::sim {

// What a run allows besides PostgreSQL's own replies.
struct ClientRules {
  bool direct = false;          // no proxy in between
  bool servers_fail = false;    // servers die, cannot be reached, or refuse connections
  bool clients_fail = false;    // links of clients break
  bool waits_end = false;       // query_wait_timeout is short enough to be met
  bool logins_refused = false;  // client limits or login times are short
  // Time limits, 0 for none.
  Duration query{}, transaction{}, idle_transaction{}, client_idle{}, wait_notify{};
  bool limits_on_time = false;  // nothing but the limits themselves takes long
};

class ClientModel {
 public:
  ClientModel(Checks& checks, const ClientRules& rules, int client, std::string database,
              const ToySettings& settings);

  // The client has sent, or is about to send, a message.
  void sent(const Message& message) { session_.feed(message.type, message.body); }
  // A message has come. False when it cannot be right; why() says more.
  bool received(const Message& message);
  // The login is over: the parameters that were told must be the client's.
  bool welcomed();
  const std::string& why() const { return why_; }

  // All that was sent has been answered, as far as it ever will be without more being sent.
  bool answered();
  // At rest outside of a transaction, and without a server: none is kept for what the session holds, or to
  // find out whether it holds anything.
  bool idle() {
    return answered() && session_.status() == 'I' && session_.at_rest() && !session_.unclear() &&
           !leaves_state_;
  }
  // The server side is lost: nothing more is expected than the end.
  bool doomed() const { return doomed_; }
  // CopyInResponse has come since the last call of forget_copy().
  bool copy_started() const { return copy_started_; }
  void forget_copy() { copy_started_ = false; }

  // On every channel that the client listens to, what was sent until now.
  struct Expected {
    std::map<std::string, std::size_t> counts;
  };
  Expected all_notifications() const;
  // It has got that, as far as it must.
  bool caught_up(const Expected& expected) const;

 private:
  // The notifications of one channel that the client listens to.
  struct Listening {
    std::optional<std::size_t> last;     // the place of the latest one
    std::size_t bound = ~std::size_t{};  // the first is no later than this
  };

  bool received_notification(const Message& message);
  void note_channels();
  void advance(const Message& message);
  void collect(bool error_instead);
  bool refusable(const std::string& code) const;
  bool ended_by_limit(const std::string& code) const;
  bool past_limit(const std::string& code, const std::string& text) const;
  bool match(const Message& expected, const Message& message);
  bool match_row(const Message& expected, const Message& message);
  bool match_ready(const Message& expected, const Message& message);
  bool unexpected(const Message& message);
  bool compare_parameters();
  bool wrong(std::string reason);

  Checks& checks_;
  const ClientRules& rules_;
  int client_;
  std::string database_;
  std::map<std::string, Listening> listening_;
  std::map<std::string, std::size_t> next_;  // by channel: nothing before this may come any more
  ToySession session_;
  std::deque<Message> expected_;
  bool error_instead_ = false;  // the next expected message is an error in place of what was asked
  ToySettings told_;            // by ParameterStatus
  std::string why_;
  bool doomed_ = false, copy_started_ = false;
  bool touched_ = false;       // what leaves state has been sent and not looked at yet
  bool leaves_state_ = false;  // as far as the latest ReadyForQuery tells
  int last_transaction_ = 0;
  std::string last_seen_;  // server and transaction, as the latest row named them
};

// For messages about messages.
std::string describe(const Message& message);

}  // namespace pgweir::sim
