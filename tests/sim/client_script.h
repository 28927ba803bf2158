#pragma once
// Random work for a client: units such as a query, a pipeline, a transaction or a COPY, each as a list of
// actions. A script does not know what will come of it: its client's model does.

#include <string>
#include <vector>

#include "tests/sim/seeded_random.h"
#include "tests/sim/toy_session.h"

namespace pgweir::sim {

struct Action {
  enum class Kind : std::uint8_t {
    send,           // `message`
    wait,           // until all that was sent is answered
    wait_copy,      // until COPY has begun, or failed
    pause,          // for `span`
    cancel,         // by a connection of its own
    wrong_cancel,   // the same with a key that is not ours
    wait_notified,  // until what was notified by now has come
    wait_cancel,    // until the cancel connections are closed
  };
  Kind kind = Kind::wait;
  Message message{};
  Duration span{};
};

// What a session may do.
struct ScriptStyle {
  bool cancels = false;
  bool large = false;  // big rows and big queries
  // Sends Sync before or in copy data. When such a COPY fails, nobody can tell from outside whether the
  // server answers that Sync: so not with cancels, and not with what the proxy has to ask a server in
  // between.
  bool early_syncs = false;
  bool pipelines = true;     // sends on without waiting
  bool prepares = false;     // keeps prepared statements
  bool listens = false;      // LISTENs and NOTIFYs
  bool keeps_state = false;  // sets parameters, holds locks and temporary tables
  bool limited = false;      // time limits end statements and transactions at any time
  Duration think{};          // longest usual pause
};

class ClientScript {
 public:
  ClientScript(SeededRandom random, int client) : random_(random), client_(client) {}

  void set_style(const ScriptStyle& style) { style_ = style; }
  int next_serial() const { return serial_ + 1; }
  std::vector<Action> next_unit();

 private:
  using Actions = std::vector<Action>;

  std::string mark() { return owner_mark({client_, ++serial_}); }
  std::string ask();
  std::string slow_ask();
  std::string set();
  std::string simple_statement();
  void query(Actions& out, const std::string& text);
  void wait(Actions& out) { out.push_back({.kind = Action::Kind::wait}); }
  void maybe_wait(Actions& out);
  void maybe_pause(Actions& out);
  void send(Actions& out, char type, std::string body = {});

  void small_unit(Actions& out);
  void simple(Actions& out);
  void pipeline(Actions& out);
  void batch(Actions& out, bool flushes);
  void extended_one(Actions& out, const std::string& text, std::uint32_t limit = 0);
  void transaction(Actions& out);
  void copy_in(Actions& out);
  void copy_in_extended(Actions& out);
  void copy_out(Actions& out);
  void cancel(Actions& out);

  // client_script_state.cc
  std::string statement_name();
  std::string prepared_text();
  void define(Actions& out, const std::string& name);
  void use(Actions& out, const std::string& name);
  bool named_step(Actions& out);
  void named(Actions& out);
  std::string set_unreported();
  std::string reset();
  std::string session_object();
  std::string state_statement();
  void session_state(Actions& out);
  void notifications(Actions& out);

  SeededRandom random_;
  int client_;
  int serial_ = 0;
  // RESET has been sent. What it means to the proxy comes to pass when that has looked at the session, after
  // the transaction; requests in flight would put it off.
  bool has_reset_ = false;
  ScriptStyle style_;
};

// The value as a literal for SET.
std::string quoted(Bytes value);

}  // namespace pgweir::sim
