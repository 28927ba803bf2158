#pragma once
// What a client has left in its session on a server, and whether that holds the server for it.
//
// The text of what the client runs tells only when there is a reason to ask. At the end of the transaction
// the server itself is asked (`question`), and its answer decides: parameters follow the client to its next
// server, for the rest the client keeps this one (a pin) until the server says that the cause is gone.
//
// Owned by its ServerSession; forgotten when the link ends.

#include <array>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "admin/settings.h"
#include "pool/state_kind.h"
#include "protocol/parameters.h"
#include "protocol/sql_scanner.h"
#include "proxy/session/pool_entry.h"

namespace pgweir {

class SessionState {
 public:
  using Policies = std::array<StatePolicy, state_kinds.size()>;

  // What the client's query is about to do. `reported` are the parameters that the server reports by itself.
  // The error for the client when a policy refuses it; then it is not to be run.
  std::optional<ErrorText> note(const SqlEffects& effects, Bytes sql, const Policies& policies,
                                const Parameters& reported);
  // Whatever in this text can be the name of a parameter of no extension is asked for.
  void watch_names(Bytes text);
  // Something of this kind may begin, or end.
  void watch(StateKind kind, const Policies& policies);

  // The server is to be asked.
  bool due() const { return watched_.any(); }
  // The kinds that hold the server. LISTEN does until the shared connection of the pool has taken it over.
  StateKinds pins() const { return pins_; }
  // Which reported parameters were reset, so that what the startup packet asked for counts again. Once.
  struct Resets {
    bool all = false;             // RESET ALL or DISCARD ALL
    std::set<std::string> names;  // in lower case
    bool has(Bytes name) const;
  };
  Resets take_resets() { return std::exchange(resets_, {}); }

  // What to ask, in a transaction: `before` statement_timeout is set, and then `rest`. `present`: what was
  // set when the server was asked last. Each row of the answers is given to answer().
  struct Question {
    std::string before, rest;
  };
  Question question(const Parameters& present);
  bool answer(Bytes data_row);
  // What the session listens to, when it was asked for that last.
  const std::set<std::string>& channels() const { return channels_; }
  // It does not listen any more.
  void listens_moved() {
    channels_.clear();
    pins_.remove(StateKind::listen);
  }
  // The answer is complete: the parameters set in the session that are not reported, if they were asked for.
  std::optional<Parameters> conclude(const Policies& policies, const Parameters& reported,
                                     const std::string& login_user);
  void clear() { *this = SessionState{}; }

 private:
  StateKinds watched_, asked_, present_, pins_;
  Resets resets_;
  std::set<std::string> custom_;  // names that the client has set and pg_settings may not show
  std::set<std::string> channels_;
  Parameters found_;
};

// What makes the parameters of a session that has `present` those of one that has `wanted`; both are sets of
// parameters that the server does not report. The types of the messages are appended to `types`.
std::string change_messages(const Parameters& present, const Parameters& wanted, std::string& types);

}  // namespace pgweir
