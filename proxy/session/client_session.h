#pragma once
// A connection from an application: its login (ClientLogin), then the relay of what it sends.
//
// A client owns no server between transactions. Its next message that needs one makes it ask its pool; while
// it waits, what it sends is held back, and beyond a limit it is not read any more. The first message is
// waited for as a whole (when it is not large), so that a slow sender does not hold a server.
//
// Invariants:
//  C1 Bytes go to a server only while linked, and in the order in which they came.
//  C2 A client is in its pool's queue exactly while `waiting()`.

#include <memory>
#include <string>

#include "pool/wait_queue.h"
#include "protocol/client_statements.h"
#include "protocol/framer.h"
#include "protocol/sql_commands.h"
#include "proxy/session/client_listening.h"
#include "proxy/session/connection.h"
#include "proxy/session/console_protocol.h"
#include "proxy/session/pool_entry.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

class ClientLogin;

class ClientSession final : public Connection {
 public:
  // As WorkerCore::on_accept.
  ClientSession(WorkerEngine& engine, PeerAddress peer, long descriptors);
  ~ClientSession() override;

  void on_bytes(Bytes bytes) override;
  void on_drained() override;
  void on_closed(const std::string& error) override;
  void on_timer() override;
  void on_key(const Digest& salted_password) override;
  void on_tls(const std::string& error) override;

  const PeerAddress& peer() const { return peer_; }
  Instant connected() const { return connected_; }
  void set_connected(Instant at) { connected_ = at; }
  const Route& route() const { return route_; }
  void set_route(Route route) { route_ = std::move(route); }
  PoolEntry* pool() const { return pool_; }
  const SharedParameters& parameters() const { return parameters_; }
  // What it has set beside these, and servers do not report.
  const SharedParameters& settings() const { return settings_; }
  ClientStatements& statements() { return statements_; }
  const ClientStatements& statements() const { return statements_; }
  // What the listening connection of its database listens to for it.
  bool listens() const { return listening_ != nullptr && !listening_->channels.empty(); }
  ClientListening& listening() {
    if (!listening_) listening_ = std::make_unique<ClientListening>();
    return *listening_;
  }
  const ClientListening& listening() const { return *listening_; }
  // Empty without one.
  Bytes application_name() const;
  bool at_boundary() const { return framer_.at_boundary(); }
  ClientLogin* login() const { return login_.get(); }
  bool is_console() const { return console_; }
  bool serving() const { return login_ == nullptr && !is_console(); }
  bool linked() const { return server_ != nullptr; }

  // ---- from its login ----
  // It belongs to this pool from now on (and may wait for a server to learn the welcome).
  void enter(PoolEntry& pool);
  // The login is over; `rest` is what the client has sent beyond it.
  void logged_in(WorkerEngine::CancelKey key, Bytes rest);
  void logged_in_to_console(bool is_operator, WorkerEngine::CancelKey key, Bytes rest);
  void holds_client_slot() { client_slot_ = true; }
  // Whether the control thread counts it, for the limits of its database and its user.
  enum class Counted : std::uint8_t { no, asked, yes };
  Counted counted() const { return counted_; }
  void set_counted(Counted counted) { counted_ = counted; }
  // This server is its own from now on, for a replication connection.
  void keep_server(ServerSession& server) { link(server); }
  // Whether the servers take these parameters is to be found out: with this server.
  void check_parameters(ServerSession& server);
  // What the startup packet asks for, reported by servers and not.
  void set_parameters(SharedParameters parameters, SharedParameters settings);
  // An error before or instead of service: FATAL, and the connection is closed.
  void refuse(Refusal refusal, const ErrorText& error);
  // Gone for the given reason, without a word.
  void leave(const std::string& why);

  // ---- from its pool ----
  // Waits in the queue at this place since now.
  void queued(WaitQueue::Place place);
  bool waiting() const { return place_ != WaitQueue::nowhere; }
  Instant waiting_since() const { return requested_; }
  // It has left the queue, for a server (then take_server follows) or an error (then fail_request).
  void left_queue() { place_ = WaitQueue::nowhere; }
  void take_server(ServerSession& server);
  Use& use() { return use_; }
  const Use& use() const { return use_; }
  // Instead of a server: its pending request gets this error, and the client stays; during a login, FATAL.
  void fail_request(Refusal refusal, const ErrorText& error);
  // A cancel with its key has come.
  void cancel();

  // ---- from its server ----
  void deliver(const Piece& piece) {
    if (piece.borrowed) {
      engine_.send_copy(*this, piece.raw);
    } else {
      engine_.send(*this, piece.raw);
    }
  }
  // A whole message of pgweir's, constant.
  void deliver_constant(Bytes message) { engine_.send(*this, message); }
  void deliver_copy(Bytes message) { engine_.send_copy(*this, message); }
  // The messages of a batch that the server has undone.
  void relay_again(Bytes messages);
  // Goes on with what has been held back.
  void resume();
  // An error in place of the server's.
  void told_error(const ErrorText& error);
  // What the server says is set in the session, and what has been reset.
  void settings_found(const SharedParameters& found, const SessionState::Resets& resets);
  void parameter_changed(Bytes name, Bytes value);
  void parameter_corrected(Bytes name, Bytes value);
  void unlinked();
  void server_takes_more();
  // The server wants copy data, which does not come after Terminate.
  void copy_asked() { answered(); }
  // All that the client asked for has been answered.
  void answered() {
    if (finishing_) leave("closed by the client");
  }
  void server_lost(const ErrorText& error, bool told);
  // Its query has been answered, and with `transaction_too` that ended its transaction.
  void query_over(bool transaction_too) { clock_.ended(transaction_too); }
  // Notes what it is doing now, for its time limits.
  void keep_time();
  // Its transaction has been rolled back behind its back: it is a failed one until the client ends it. `why`:
  // the error that the client has not been told yet.
  void transaction_cut(std::optional<ErrorText> why);

  // ---- from its pool's ListenHub ----
  // A notification, which lives in the arena: sent now, or when the transaction is over. False when too many
  // wait already.
  bool notify(Bytes channel, Bytes message);
  void refuse_notifications();
  // What it waits for to give its server back has been confirmed.
  void listening_ready();
  // Sends what has been held back, unless it is in a transaction.
  void flush_notifications();
  // The transaction is over: the same right in front of the ReadyForQuery that says so.
  void send_notifications();

  // ---- from the engine ----
  void console_answered(Bytes bytes, bool close);
  // It is past this limit.
  void time_over(TimeLimit limit);
  // It uses a database, or is about to: not the console, no cancel, nobody who has not said yet.
  bool is_application() const;
  // A drain has begun, or goes on: closes the client if it is at rest.
  void drain(DrainMode mode);
  Transport move_away();
  ClientSnapshot snapshot() const;

 private:
  enum class Discard : std::uint8_t { nothing, message, until_sync };
  // A transaction that no server knows of. begun: BEGIN was answered here; failed: and then no server could
  // be had; cut: a server had it, and pgweir has rolled it back.
  enum class LateBegin : std::uint8_t { none, begun, failed, cut };

  bool takes_notifications() const;
  void process(Bytes bytes);
  bool has_come(Bytes bytes) const;
  bool start(Bytes bytes);
  void relay(const Piece& piece);
  void note_query(const Piece& piece);
  void relay_query(const Piece& piece);
  void note_uses(const Piece& piece);
  bool is_answered_here(Bytes bytes) const;
  void drop_unnamed();
  void answer_transaction_command(PlainTransaction kind);
  bool needs_failed_transaction(Bytes bytes) const;
  void tell_waiting();
  void link(ServerSession& server);
  void hold(Bytes bytes);
  void process_held();
  void local(const Piece& piece);
  void discard(const Piece& piece);
  void answer_ready();
  void on_console_bytes(Bytes bytes);
  void on_console_message(const Piece& piece);
  void ask_console(std::string query);
  void console_step(ConsoleProtocol::Step step);
  void frame_error();
  void log(LogLevel level, std::string text);

  WorkerEngine& engine_;
  Framer framer_;
  PeerAddress peer_;
  Route route_;
  PoolEntry* pool_ = nullptr;
  ServerSession* server_ = nullptr;
  SharedParameters parameters_, settings_;
  SharedParameters startup_parameters_, startup_settings_;  // what RESET ALL goes back to
  ClientStatements statements_;
  SessionUseNotes uses_;  // in session mode
  ChunkChain held_;
  WaitQueue::Place place_ = WaitQueue::nowhere;
  Discard discard_ = Discard::nothing;
  LateBegin late_begin_ = LateBegin::none;
  std::optional<ErrorText> cut_error_;  // why the transaction was cut, to be told yet
  ClientClock clock_;
  bool client_slot_ = false;
  Counted counted_ = Counted::no;
  bool gone_ = false;       // nothing is done for it any more
  bool finishing_ = false;  // it has said Terminate; what it asked before is still being done
  bool console_ = false;
  bool operator_ = false;  // on the console with all rights, whatever the settings say
  bool console_busy_ = false;
  bool console_executes_ = false;  // what it is busy with is a portal's query
  std::unique_ptr<ConsoleProtocol> console_protocol_;
  WorkerEngine::CancelKey key_;
  Instant requested_{};
  Use use_;  // while it asks for a server
  std::unique_ptr<ClientListening> listening_;
  std::unique_ptr<ClientLogin> login_;
};

}  // namespace pgweir
