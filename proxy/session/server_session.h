#pragma once
// A connection to a PostgreSQL server: its login, then the relay of what it sends, judged by its Ledger.
//
// Invariants:
//  V1 It serves at most one client at a time (`client()`), and only while busy.
//  V2 It becomes free only at rest: ReadyForQuery with status idle, a settled ledger, its client at the end
//     of a message, nothing of the client's left in the session, no cancel on its way. In any doubt it is
//     condemned: closed, for a named, counted reason.

#include <memory>
#include <optional>
#include <string>

#include "pool/host_limits.h"
#include "protocol/framer.h"
#include "protocol/ledger.h"
#include "proxy/session/batch_replay.h"
#include "proxy/session/pool_entry.h"
#include "proxy/session/query_batches.h"
#include "proxy/session/refusal.h"
#include "proxy/session/server_connection.h"
#include "proxy/session/session_state.h"
#include "proxy/session/statement_link.h"
#include "proxy/session/unlisten_log.h"

namespace pgweir {

class ClientSession;
class ServerLogin;
class WorkerEngine;

class ServerSession final : public ServerConnection {
 public:
  // One that is to be made, to the present host of `round`.
  ServerSession(WorkerEngine& engine, PoolEntry& pool, DialRound round);
  // One that comes from another worker, logged in and idle.
  ServerSession(WorkerEngine& engine, PoolEntry& pool, const AdoptServer& mail);
  ~ServerSession() override;

  void on_bytes(Bytes bytes) override;
  void on_drained() override;
  void on_dialed(const DialResult& result) override;
  void on_tls(const std::string& error) override;
  void on_closed(const std::string& error) override;
  void on_timer() override;
  void on_key(const Digest& salted_password) override;

  const ServerAccess& access() const override { return pool_; }
  PoolEntry& pool() { return pool_; }
  const PoolEntry& pool() const { return pool_; }
  int target_version() const { return target_version_; }
  // See Gates::age.
  std::uint64_t age() const { return age_; }
  const Endpoint& endpoint() const { return endpoint_; }
  // Where a cancel finds the same server: a name may have several addresses.
  Endpoint cancel_endpoint() const;
  ServerState state() const { return state_; }
  ClientSession* client() const { return client_; }
  std::int32_t backend_pid() const { return backend_pid_; }
  // Its client has got the beginning of a message, and not yet the end: nothing else may be said to it now.
  bool delivering() const { return delivering_ && in_message_; }
  bool in_transaction() const { return transaction_ != 'I'; }
  bool running() const { return !ledger_.empty(); }
  const Ledger& ledger() const { return ledger_; }
  // Or about to be, since pgweir has asked for it.
  bool transaction_failed() const { return transaction_ == 'E' || fails_on_purpose_; }
  // Its client owes and is owed nothing; only what it has left in the session keeps it here.
  bool only_pinned() const { return ledger_.settled() && !in_transaction() && !in_message_; }
  StateKinds pins() const { return session_.pins(); }
  StatementLink& statements() { return statements_; }
  PoolTotals& totals() { return pool_.meter.totals(); }
  Instant connected() const { return connected_; }

  // Pairs it with a client and makes it look as the client wants.
  // `use` is the client's, as far as the meter knows it: served.
  void join(ClientSession& client, const Use& use);
  // A piece of a client's message, to be sent on as it is. The number of its ledger entry, if it has one.
  std::uint64_t forward(const Piece& piece);
  // The same in two steps, for a message in another wording: the entry, then its bytes. `head` is copied.
  std::uint64_t note(char type, Reply reply);
  void send(Bytes head, Bytes rest);
  // Gives the replies that are to be supplied and whose turn it is.
  void supply();
  // What the client is about to run; the error if a setting forbids it.
  std::optional<ErrorText> watch(const SqlEffects& effects, Bytes sql);
  void watch(StateKind kind) { session_.watch(kind, pool_.policies); }
  // It may set parameters whose names are among the values of this Bind.
  void watch_values(Bytes bind_body);
  // What it is about to run, for SHOW QUERIES.
  const Use& use() const { return use_; }
  void runs(std::uint64_t statement, Bytes sql) { batches_.runs(statement, sql, batch_open_, pool_.queries); }
  // It runs something that cannot be read.
  void watch_everything();
  // What was sent last UNLISTENs, or may: what the client listens to is elsewhere.
  void unlistens(Bytes sql);
  // Its client's BEGIN, which was answered already.
  void begin_transaction();
  // A message of the client as it came, before it is relayed; empty when it has not come as a whole.
  void record(char type, Bytes message);
  // Nothing of the client's is to be sent now: what was sent last is being undone, to be done once more, or
  // it is being found out what the client has left in the session, or what the server has become.
  bool repeats() const { return replay_.repeating(); }
  bool holds_client() const {
    return replay_.rewinding() || question_waits_ || own_ == Own::inspect || own_ == Own::role ||
           own_ == Own::roll_back || own_ == Own::move || cutting();
  }
  // The client's next message, at the front of `bytes`, has to wait for answers; then the client is resumed.
  bool must_wait(Bytes bytes);
  // Opens a transaction and makes it fail, for a client whose own one was cut. `why`: what its first
  // statement is told.
  void begin_failed_transaction(std::optional<ErrorText> why);
  // Refuses a Query of the client in its place in the order.
  void refuse_query(ErrorText error);
  // Something that can bring it to rest has happened.
  void look_for_rest();
  // Its client is gone: cancel, roll back, and serve somebody else; or, in doubt, close. `unfinished`: the
  // client left in the middle of a message. `let_finish`: it took its leave properly, so what it asked for
  // before is not cancelled.
  void abandon(bool unfinished, bool let_finish);
  // It has been detached and goes to another worker: nothing that happens here concerns it any more.
  void moved() { state_ = ServerState::closing; }
  // Finds out whether it can still be used; it was idle, and is given back or closed when it has answered.
  void check();
  // The present client has waited for that.
  bool was_checked() const { return was_checked_; }
  // It is in the middle of a stream that goes both ways, which has no end of its own, and between messages.
  bool streaming() const { return ledger_.copy() == CopyMode::both && !in_message_; }
  // Shows it as idle; the caller has put it among the idle ones of the shard.
  void rest();
  // Closes it politely; it was idle and has left the shard's idle ones. Holds its slot until it is gone.
  void retire(CloseReason reason);
  // Closes it at once. Its client, if any, is told `error`, unless the server itself has told it already.
  void condemn(CloseReason reason, const ErrorText& error);
  // The login came to an end.
  void login_done(SharedParameters parameters, std::int32_t backend_pid, std::string secret,
                  ServerRole role) override;
  void login_failed(const ErrorText& error, bool server_said_no) override;

  // What its client is doing, as far as time limits go.
  TimeLimit doing() const;
  // Its client is past a limit for queries or transactions; `setting` names it with its value. What runs is
  // cancelled, over and over for a short time, and the client gets `error` instead of the server's words. Of
  // a transaction that is still open then, pgweir makes an end. Client and server are closed only if that
  // fails.
  void cut_short(TimeLimit limit, std::string setting, ErrorText error);
  // Cancels what it runs for its client now.
  void cancel_running();
  // The same for its client. PostgreSQL forgets a cancel that comes before it has read the statement, which
  // is not unlikely for one that has just got its server: then it is sent once more.
  void cancel_for_client();
  // A cancel is under way now; one that is not yet is not sent when its request has been answered.
  void cancel_sent() { ++cancels_sent_; }
  // A connection that carries a cancel has come to its end. `sent`: the server may have got it; `settled`:
  // and it has done with it.
  void cancel_carried(bool sent, bool settled);
  // The request that a cancel was meant for is still running.
  bool still_running(std::uint64_t request) const { return running() && request == request_; }

  // It is to be closed when it is free, or on its way out.
  bool close_needed() const;
  AdoptServer pack(Transport transport) const;
  ServerSnapshot snapshot() const;
  // With a client that keeps it.
  PinSnapshot pin_snapshot() const;
  const PinClock& pin_clock() const { return pin_clock_; }
  bool movable() const { return out().empty() && framer_.at_boundary(); }

 private:
  // How long a server may take to come to rest after its client has left, before it is closed.
  static constexpr Duration abandon_patience = std::chrono::seconds(5);
  // After how long a cancel that has not helped is repeated meanwhile.
  static constexpr Duration cancel_again = std::chrono::milliseconds(500);

  // Whether rows are wanted as a whole: while the answer to a question of pgweir's is awaited.
  void gather_rows(bool gather);
  void serve(const Piece& piece);
  void deliver(const Piece& piece);
  void deliver_error(const Piece& piece);
  void deliver_kept(std::string& kept);
  void end_failed_run();
  void replay();
  bool end_preparing();
  void parameter_changed(Bytes body);
  void doubt_role();
  void doubt_read_only(Bytes parameter, const std::string& before, Bytes now);
  void ask_role();
  void role_answered();
  void ask_limits();
  void limits_answered(Bytes refused);
  void end_login(CloseReason reason, const ErrorText& error, bool server_said_no);
  void error_reported(Bytes body);
  void ready(char status);
  void synchronise(ClientSession& client);
  void synchronised();
  void inspect();
  void inspected();
  bool tracks_listen() const;
  void notified(Bytes body);
  void transaction_over(char status);
  void listening_found();
  void move_listening();
  void listening_moved();
  void note_pins();
  void clean();
  void check_over();
  void own_query(Bytes sql);
  void own_answered();
  void own_failed(const ErrorText& error);
  void unlink();
  bool cutting() const;
  void cut_again();
  void repeat_cancel();
  void cut_failed();
  void roll_back();
  // `client`: whom it had before it was looked for rest.
  void end_cut(ClientSession* client);
  void start_query(char type);
  void end_copy();
  void reset_further();
  std::uint64_t send_own(char type, Bytes message);
  void log(LogLevel level, std::string text);

  WorkerEngine& engine_;
  PoolEntry& pool_;
  const int target_version_;
  const std::uint64_t age_;
  const Endpoint endpoint_;
  std::optional<DialRound> round_;  // until it has logged in
  ServerState state_ = ServerState::login;
  Framer framer_;
  QueryBatches batches_;
  std::uint64_t last_query_ = 0;  // class of the latest that ended
  Duration first_wait_{};         // of the present link, until its first query has ended
  Ledger ledger_;
  ReplyVerdict verdict_;
  char transaction_ = 'I';
  bool unasked_ = false;         // the present message came when nothing was owed
  bool in_message_ = false;      // part of a message has come, and not yet its end
  bool delivering_ = false;      // the present message goes to the client
  bool keeping_ = false;         // the present message is kept back
  bool told_fatal_ = false;      // the client has been sent the server's own last words
  bool rolled_back_ = false;     // the rollback after an abandonment has been sent
  bool batch_open_ = false;      // extended messages have been sent, and no Sync behind them
  bool client_waits_ = false;    // its next message waits for answers
  bool only_prepares_ = false;   // the present batch has only prepared and described statements
  bool flushed_ = false;         // the last message was Flush
  bool role_doubted_ = false;    // it may have become a standby or a primary
  bool checking_ = false;        // the shard counts it as being checked
  bool was_checked_ = false;     // since it was idle
  bool question_waits_ = false;  // it is asked what the client has left when a cancel has been settled
  bool unclean_ = false;         // its last client may have left something in the session
  ClientSession* client_ = nullptr;
  Use use_;  // how the meter sees the present client's use of this server
  SharedParameters parameters_;
  SharedParameters settings_;  // what is set in the session beside these, and not reported
  StatementLink statements_;
  SessionState session_;
  UnlistenLog unlisten_log_;
  std::vector<ListenStatement> unlistened_;  // committed, and what it means is still to be asked
  bool listen_taken_ = false;                // the shared connection takes over what is listened to here
  std::uint64_t move_ = 0;                   // the hand-over, while it goes on
  bool move_passed_ = false;                 // notifications that come now come from the shared connection
  std::uint64_t noted_ = 0;                  // the ledger entry of the latest message of the client
  PinClock pin_clock_;
  BatchReplay replay_;
  std::string kept_description_;  // of parameters, until it is clear whether that of the rows is an error
  std::string kept_error_;        // of a batch that is not at its end, until it is clear whether that heals

  // What pgweir asks the server itself, up to the ledger entry `own_until_`.
  enum class Own : std::uint8_t {
    nothing,
    synchronise,
    inspect,
    clean,
    role,
    limits,
    roll_back,
    check,
    move
  };
  Own own_ = Own::nothing;
  std::uint64_t own_until_ = 0;
  std::optional<ErrorText> own_error_;
  std::optional<ServerRole> answered_role_;
  std::optional<HostLimits> answered_limits_;
  std::optional<std::string> read_only_before_;  // default_transaction_read_only, before it was doubted whose
  std::vector<Parameters::Value> synchronising_;  // reported parameters that are being set
  // The client is past a time limit.
  struct Cut {
    TimeLimit limit;
    std::string setting;
    ErrorText error;
    Instant until;      // when patience ends
    bool told = false;  // the client has got the error
    bool over = false;  // what was to end has ended; a cancel may still hit what the client asked behind it
  };
  std::optional<Cut> cut_;
  bool fails_on_purpose_ = false;        // one of the present questions is to fail
  std::optional<ErrorText> failed_for_;  // why the transaction was made to fail, to be told yet
  bool cancel_later_ = false;            // when pgweir's own requests are answered
  int cancels_ = 0;                      // on their way to this server
  int cancels_sent_ = 0;                 // of these, on their way for certain
  std::uint64_t canceled_request_ = 0;   // the latest request that a cancel was sent for
  std::uint64_t cancel_again_for_ = 0;   // the request, if it still runs when the timer fires
  Instant joined_{};                     // when the client got this server
  Instant abandon_until_{};              // when patience with an abandoned server ends
  std::uint64_t request_ = 0;            // counts what was asked, so that a late cancel hits nothing newer
  std::int32_t backend_pid_ = 0;
  std::string secret_;
  PeerAddress peer_;
  Instant requested_{};
  Instant used_{};  // when its last client left
  std::unique_ptr<ServerLogin> login_;
};

}  // namespace pgweir
