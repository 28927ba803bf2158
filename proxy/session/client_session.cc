#include "proxy/session/client_session.h"

#include <utility>

#include "admin/console.h"
#include "admin/duration.h"
#include "pool/measuring.h"
#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/message.h"
#include "protocol/reader.h"
#include "proxy/session/client_login.h"
#include "proxy/session/error_text.h"
#include "proxy/session/listen_hub.h"
#include "proxy/session/uses_of.h"

namespace pgweir {

namespace {

// A message that may have to be looked at is waited for as a whole up to this size.
constexpr std::uint32_t whole_limit = 256 * 1024;
// So is any other that begins something; a slow sender is not to hold a server.
constexpr std::uint32_t first_limit = 16 * 1024;
// What a client may send ahead while it waits, before it is not read any more.
constexpr std::size_t held_limit = whole_limit + 64 * 1024;
// Requests in flight on one server before its client is not read any more.
constexpr std::size_t requests_limit = 10'000;

std::uint64_t class_of(WorkerEngine& engine, Bytes sql) {
  return measuring ? engine.statement_classes().of(sql) : 0;
}

const Framer::Types nothing_gathered;
const Framer::Types console_gathered = [] {
  Framer::Types types;
  for (const char type : {'Q', 'P', 'B', 'D', 'E', 'C'}) types.set(static_cast<unsigned char>(type));
  return types;
}();

// The transaction command that the Query `message` plainly is.
std::optional<PlainTransaction> transaction_command(Bytes message) {
  const auto sql = read_query(message.substr(header_length, Reader(message.substr(1, 4)).u32() - 4));
  return sql ? plain_transaction(*sql) : std::nullopt;
}

bool begins(PlainTransaction kind) {
  return kind == PlainTransaction::begin || kind == PlainTransaction::start;
}

// The console gathers what it is asked, so that has a limit of its own.
std::optional<std::uint32_t> console_limit(char type) {
  constexpr std::uint32_t console_query_limit = 1024 * 1024;
  if (type == 'Q' || type == 'P' || type == 'B') return console_query_limit;
  return frontend_body_limit(type);
}

}  // namespace

ClientSession::ClientSession(WorkerEngine& engine, PeerAddress peer, long descriptors)
    : Connection(Role::client),
      engine_(engine),
      framer_(&nothing_gathered, frontend_body_limit),
      peer_(std::move(peer)),
      settings_(engine.no_parameters()),
      startup_settings_(engine.no_parameters()),
      login_(std::make_unique<ClientLogin>(engine, *this, descriptors)) {
  connected_ = engine.now();
}

ClientSession::~ClientSession() { held_.clear(engine_.chunks()); }

void ClientSession::log(LogLevel level, std::string text) {
  WorkerEngine::LogLink link;
  if (server_ != nullptr) link = {server_->serial(), server_->backend_pid()};
  engine_.log(level, 'C', *this, route_, peer_, std::move(text), link);
}

// ---- from the client ----

void ClientSession::on_bytes(Bytes bytes) {
  if (gone_ || finishing_) return;
  if (pool_ != nullptr) pool_->meter.totals().received += bytes.size();
  if (login_) return login_->on_bytes(bytes);
  if (is_console()) return on_console_bytes(bytes);
  if (held_.empty() && !waiting()) {
    process(bytes);
  } else {
    hold(bytes);
    if (!waiting()) process_held();
  }
  keep_time();
  clock_.renew(engine_.now());
}

void ClientSession::process(Bytes bytes) {
  while (!bytes.empty() && !gone_) {
    // Part of a header tells nothing yet, and must not keep a server.
    if (server_ != nullptr && server_->holds_client()) return hold(bytes);
    if (framer_.at_boundary() && (bytes.size() < header_length || !has_come(bytes))) return hold(bytes);
    if (server_ == nullptr && discard_ == Discard::nothing && framer_.at_boundary() && !start(bytes))
      return hold(bytes);
    if (server_ != nullptr && framer_.at_boundary() && needs_failed_transaction(bytes)) {
      late_begin_ = LateBegin::none;
      server_->begin_failed_transaction(std::exchange(cut_error_, {}));
    }
    if (server_ != nullptr && framer_.at_boundary() && server_->must_wait(bytes)) return hold(bytes);
    const auto piece = framer_.next(bytes);
    if (!piece) return frame_error();
    if (discard_ != Discard::nothing) {
      discard(*piece);
    } else if (server_ == nullptr || late_begin_ == LateBegin::cut) {
      local(*piece);
    } else if (piece->type == 'X') {
      // As in PostgreSQL: what was asked before is done and answered first.
      finishing_ = true;
      const Ledger& ledger = server_->ledger();
      const bool waits_for_more =
          ledger.needs_sync() || ledger.copy() == CopyMode::in || ledger.copy() == CopyMode::both;
      if (!server_->running() || waits_for_more) return leave("closed by the client");
      return;
    } else {
      ServerSession* const server = server_;
      relay(*piece);
      if (piece->last && !server->running()) server->look_for_rest();
    }
  }
  if (server_ != nullptr && (server_->out().above_high() || server_->ledger().size() > requests_limit)) {
    engine_.set_reading(*this, false);
  }
}

// Whether enough of the message at the front of `bytes` is there: what pgweir looks at has to be whole, or at
// least to the end of its names.
bool ClientSession::has_come(Bytes bytes) const {
  const char type = bytes[0];
  const auto limit = frontend_body_limit(type);
  const std::uint32_t length = Reader(bytes.substr(1, 4)).u32();
  if (!limit || length < 4 || length - 4 > *limit || bytes.size() >= length + 1) return true;
  switch (type) {
    case 'Q':
    case 'P':
    case 'D':
    case 'C':
      return length > whole_limit;
    case 'E':
    case 'F':
      return length > first_limit;
    case 'B': {
      if (length <= first_limit) return false;
      const std::size_t portal = bytes.find('\0', header_length);
      return bytes.size() > whole_limit ||
             (portal != Bytes::npos && bytes.find('\0', portal + 1) != Bytes::npos);
    }
    default:
      return true;
  }
}

// Whether the message at the front of `bytes` can be taken now: linked if it needs a server.
bool ClientSession::start(Bytes bytes) {
  const char type = bytes[0];
  const bool needs_server =
      type == 'Q' || type == 'F' || type == 'P' || type == 'B' || type == 'D' || type == 'E' || type == 'C';
  if (!needs_server || !frontend_body_limit(type)) return true;
  if (type == 'Q' && is_answered_here(bytes)) return true;
  if (late_begin_ == LateBegin::failed) return true;
  requested_ = engine_.now();
  ServerSession* const server = engine_.acquire(*this);
  if (server == nullptr) return false;
  link(*server);
  return true;
}

void ClientSession::link(ServerSession& server) {
  server_ = &server;
  server.join(*this, std::exchange(use_, {}));
  const LateBegin begun = std::exchange(late_begin_, LateBegin::none);
  if (begun == LateBegin::begun) server.begin_transaction();
  if (begun == LateBegin::cut) server.begin_failed_transaction(std::exchange(cut_error_, {}));
}

// ---- what a server gets to see ----

void ClientSession::relay(const Piece& piece) {
  ServerSession& server = *server_;
  if (!piece.first || pool_->mode == PoolMode::session) {
    if (piece.first && !pool_->replication) {
      note_uses(piece);
      note_query(piece);
    }
    server.forward(piece);
    return;
  }
  const bool whole = piece.last && !piece.borrowed;
  server.record(piece.type, whole && piece.type != 'Q' && piece.type != 'F' ? piece.raw : Bytes());
  switch (piece.type) {
    case 'Q':
      return relay_query(piece);
    case 'P':
      return server.statements().parse(*this, piece);
    case 'B':
      return server.statements().bind(*this, piece);
    case 'D':
      return server.statements().describe(*this, piece);
    case 'C':
      return server.statements().close(*this, piece);
    case 'E':
      return server.statements().execute(*this, piece);
    default:
      server.forward(piece);
  }
}

// What transaction mode would have to deal with, for SHOW READINESS.
void ClientSession::note_uses(const Piece& piece) {
  if (Bytes("QFPB").find(piece.type) == Bytes::npos) return;
  // The first comes while the server is still being given the client's parameters.
  if (!uses_.started() || (!server_->running() && !server_->in_transaction()))
    uses_.begin_transaction(pool_->applications.of(application_name()));
  if (piece.type == 'Q' || piece.type == 'P') uses_.note(uses_of(piece));
}

// In session mode, where statements keep their names: a Bind to one that was prepared earlier has no class.
void ClientSession::note_query(const Piece& piece) {
  if (!piece.last) return;
  const Bytes body = piece.raw.substr(header_length);
  if (piece.type == 'Q') {
    if (const auto sql = read_query(body)) server_->runs(class_of(engine_, *sql), *sql);
  } else if (piece.type == 'P') {
    if (const auto head = read_parse_head(body)) {
      const Bytes sql = head->rest.substr(0, head->rest.find('\0'));
      server_->runs(class_of(engine_, sql), sql);
    }
  }
}

void ClientSession::relay_query(const Piece& piece) {
  ServerSession& server = *server_;
  SqlEffects effects;
  if (const auto sql = piece.last ? read_query(piece.raw.substr(header_length)) : std::nullopt) {
    effects = scan_sql(*sql);
    server.runs(class_of(engine_, *sql), *sql);
    if (auto error = server.watch(effects, *sql)) return server.refuse_query(std::move(*error));
  } else {
    server.watch_everything();
  }
  server.statements().query(*this, piece, effects);
  if (effects.has(SqlEffect::unlisten) || effects.has(SqlEffect::discard_all))
    server.unlistens(*read_query(piece.raw.substr(header_length)));
}

void ClientSession::relay_again(Bytes messages) {
  Bytes bytes = engine_.arena().copy(messages);
  Framer framer(&nothing_gathered, frontend_body_limit);
  while (const auto piece = framer.next(bytes)) relay(*piece);
  resume();
}

void ClientSession::resume() {
  if (!waiting() && !gone_) process_held();
  keep_time();
}

// ---- a BEGIN that no server has seen ----

// Whether a Query that comes while no server has a transaction of the client's is answered by pgweir itself.
bool ClientSession::is_answered_here(Bytes bytes) const {
  if (!pool_->late_begin && late_begin_ == LateBegin::none) return false;
  const auto kind = transaction_command(bytes);
  return kind && begins(*kind) == (late_begin_ == LateBegin::none);
}

// PostgreSQL drops the unnamed statement when it gets a Query, whatever becomes of that. No server is linked.
void ClientSession::drop_unnamed() {
  if (!statements_.find("")) return;
  statements_.close(1, "");
  statements_.confirm(1);
}

void ClientSession::answer_transaction_command(PlainTransaction kind) {
  drop_unnamed();
  const bool failed = late_begin_ != LateBegin::begun;
  Bytes tag;
  switch (kind) {
    case PlainTransaction::begin:
    case PlainTransaction::start:
      tag = kind == PlainTransaction::begin ? "BEGIN" : "START TRANSACTION";
      late_begin_ = LateBegin::begun;
      break;
    case PlainTransaction::commit:
      tag = failed ? "ROLLBACK" : "COMMIT";
      late_begin_ = LateBegin::none;
      break;
    case PlainTransaction::rollback:
      tag = "ROLLBACK";
      late_begin_ = LateBegin::none;
      break;
  }
  if (!begins(kind) && !failed) ++pool_->transactions_saved;
  Writer message;
  write_command_complete(message, tag);
  if (late_begin_ == LateBegin::none) cut_error_.reset();
  clock_.ended(true);
  engine_.send_copy(*this, message.view());
  answer_ready();
}

// The server is to have a failed transaction again before it gets the message at the front of `bytes`, so
// that whatever the client does with it is answered by PostgreSQL. Only its plain end needs no server.
bool ClientSession::needs_failed_transaction(Bytes bytes) const {
  if (late_begin_ != LateBegin::cut || discard_ != Discard::nothing) return false;
  const bool request = Bytes("QFPBDEC").find(bytes[0]) != Bytes::npos;
  return request && !(bytes[0] == 'Q' && is_answered_here(bytes));
}

void ClientSession::transaction_cut(std::optional<ErrorText> why) {
  late_begin_ = LateBegin::cut;
  cut_error_ = std::move(why);
  clock_.ended(true);
}

void ClientSession::hold(Bytes bytes) {
  held_.append(engine_.chunks(), bytes);
  if (held_.size() > held_limit) engine_.set_reading(*this, false);
}

void ClientSession::process_held() {
  if (held_.empty()) return;
  const Bytes bytes = engine_.arena().copy(held_);
  held_.clear(engine_.chunks());
  engine_.set_reading(*this, true);
  process(bytes);
}

// A message for which no server is needed, outside of a transaction.
void ClientSession::local(const Piece& piece) {
  if (piece.type == 'X') return leave("closed by the client");
  if (piece.type == 'p') {
    return refuse(Refusal::protocol_violation,
                  refusal_text(Refusal::protocol_violation, "unexpected password message"));
  }
  if (piece.type == 'Q' && piece.last) {
    if (const auto kind = transaction_command(piece.raw)) {
      if (begins(*kind) == (late_begin_ == LateBegin::none)) return answer_transaction_command(*kind);
    }
  }
  const bool request = Bytes("QFPBDEC").find(piece.type) != Bytes::npos;
  if (request && late_begin_ == LateBegin::failed) {
    // PostgreSQL looks for the statement of a Bind or Describe first.
    const Bytes body = piece.raw.substr(header_length);
    const auto bind = piece.type == 'B' ? read_bind_head(body) : std::nullopt;
    const auto target = piece.type == 'D' ? read_describe(body) : std::nullopt;
    std::optional<Bytes> name;
    if (bind) name = bind->statement;
    if (target && target->kind == 'S') name = target->name;
    const bool missing = name && !statements_.find(*name);
    engine_.send_copy(*this,
                      error_response("ERROR", missing ? missing_statement(*name, piece.type) : aborted()));
    discard_ = piece.type == 'Q' || piece.type == 'F' ? Discard::message : Discard::until_sync;
    if (piece.type == 'Q') drop_unnamed();
    if (discard_ == Discard::message) discard(piece);
    return;
  }
  // Copy data after a COPY has failed, and Flush, are not answered; a Sync is.
  if (piece.type == 'S' && piece.last) answer_ready();
}

void ClientSession::discard(const Piece& piece) {
  if (piece.type == 'X') return leave("closed by the client");
  if (!piece.last || (discard_ == Discard::until_sync && piece.type != 'S')) return;
  discard_ = Discard::nothing;
  answer_ready();
}

void ClientSession::answer_ready() {
  flush_notifications();
  Writer message;
  write_ready_for_query(message, late_begin_ == LateBegin::none    ? TransactionStatus::idle
                                 : late_begin_ == LateBegin::begun ? TransactionStatus::in_transaction
                                                                   : TransactionStatus::failed);
  engine_.send_copy(*this, message.view());
}

void ClientSession::frame_error() {
  if (!framer_.error()) return;
  const std::string type = std::to_string(static_cast<unsigned char>(framer_.error_type()));
  refuse(
      Refusal::protocol_violation,
      refusal_text(Refusal::protocol_violation, *framer_.error() == FrameError::unknown_type
                                                    ? "invalid frontend message type " + type
                                                    : "invalid message length in a message of type " + type));
}

void ClientSession::on_drained() {
  if (server_ != nullptr && out().below_low()) engine_.set_reading(*server_, true);
}

void ClientSession::on_closed(const std::string& error) {
  leave(error.empty() ? "the client closed the connection without Terminate"
                      : "the connection broke: " + error);
}

void ClientSession::on_timer() {
  if (login_) {
    refuse(Refusal::login_timeout,
           refusal_text(Refusal::login_timeout, "the login was not finished within client_login_timeout"));
  }
}

// ---- login ----

void ClientSession::on_tls(const std::string& error) {
  if (login_) login_->on_tls(error);
}

void ClientSession::on_key(const Digest& salted_password) {
  if (login_) login_->on_key(salted_password);
}

void ClientSession::enter(PoolEntry& pool) {
  pool_ = &pool;
  ++pool.clients;
}

void ClientSession::logged_in(WorkerEngine::CancelKey key, Bytes rest) {
  key_ = key;
  engine_.set_timer(*this, never);
  ++pool_->meter.totals().client_login_count;
  if (engine_.settings().log.connections) log(LogLevel::info, "logged in");
  engine_.bury(std::move(login_));
  engine_.set_reading(*this, true);
  engine_.stand_still(*this);
  process(rest);
  keep_time();
}

void ClientSession::logged_in_to_console(bool is_operator, WorkerEngine::CancelKey key, Bytes rest) {
  console_ = true;
  operator_ = is_operator;
  key_ = key;
  framer_ = Framer(&console_gathered, console_limit);
  engine_.set_timer(*this, never);
  if (engine_.settings().log.connections) log(LogLevel::info, "logged in to the console");
  engine_.bury(std::move(login_));
  engine_.set_reading(*this, true);
  on_console_bytes(rest);
}

void ClientSession::refuse(Refusal refusal, const ErrorText& error) {
  if (gone_) return;
  const Refusal reason = error.refusal.value_or(refusal);
  engine_.count(reason);
  if (server_ == nullptr || !server_->delivering()) engine_.send_copy(*this, error_response("FATAL", error));
  if (engine_.settings().log.pooler_errors)
    log(LogLevel::warning, "refused (" + std::string(row(reason).label) + "): " + error.message);
  leave("refused");
}

void ClientSession::leave(const std::string& why) {
  if (gone_) return;
  gone_ = true;
  clock_.stop();
  if (engine_.settings().log.disconnections && (login_ == nullptr || !route_.user.empty()))
    log(LogLevel::info, "closing: " + why);
  if (waiting()) {
    pool_->shard.leave(place_);
    left_queue();
    pool_->meter.abandoned(use_, GaveUp::gone, engine_.now());
  }
  if (server_ != nullptr) std::exchange(server_, nullptr)->abandon(!framer_.at_boundary(), finishing_);
  if (listening_ && pool_->listens) pool_->listens->forget(*this);
  if (pool_ != nullptr) --pool_->clients;
  held_.clear(engine_.chunks());
  if (key_.pid != 0) engine_.revoke_cancel_key(key_);
  if (console_busy_) engine_.host().post_control(ConsoleGaveUp{engine_.id(), id(), false});
  if (counted_ == Counted::yes) engine_.host().post_control(ClientLeft{route_});
  if (client_slot_) {
    engine_.give_client_slot();
  } else if (login_) {
    engine_.forget_client_slot_wish(*this);
  }
  engine_.end(*this);
}

// ---- pool and server ----

void ClientSession::queued(WaitQueue::Place place) {
  place_ = place;
  if (login_) requested_ = engine_.now();
}

void ClientSession::take_server(ServerSession& server) {
  left_queue();
  if (login_) return login_->take_server(server);
  link(server);
  process_held();
  keep_time();
}

void ClientSession::check_parameters(ServerSession& server) {
  link(server);
  server.look_for_rest();
}

void ClientSession::fail_request(Refusal refusal, const ErrorText& error) {
  left_queue();
  if (login_) return refuse(refusal, error);
  const Refusal reason = error.refusal.value_or(refusal);
  engine_.count(reason);
  if (engine_.settings().log.pooler_errors)
    log(LogLevel::warning, "request refused (" + std::string(row(reason).label) + "): " + error.message);
  engine_.send_copy(*this, error_response("ERROR", error));
  if (late_begin_ == LateBegin::begun) late_begin_ = LateBegin::failed;
  const char type = held_.empty() ? 'Q' : held_.front()[0];
  if (type == 'Q') drop_unnamed();
  discard_ = type == 'Q' || type == 'F' ? Discard::message : Discard::until_sync;
  process_held();
  keep_time();
}

void ClientSession::cancel() {
  if (console_busy_) engine_.host().post_control(ConsoleGaveUp{engine_.id(), id(), true});
  if (waiting() && !login_) {
    pool_->shard.leave(place_);
    pool_->meter.abandoned(use_, GaveUp::cancelled, engine_.now());
    fail_request(Refusal::wait_canceled,
                 refusal_text(Refusal::wait_canceled, "canceling statement due to user request",
                              "The statement was waiting for a server."));
  } else if (server_ != nullptr) {
    server_->cancel_for_client();
  }
}

void ClientSession::set_parameters(SharedParameters parameters, SharedParameters settings) {
  startup_parameters_ = parameters_ = std::move(parameters);
  startup_settings_ = settings_ = std::move(settings);
}

void ClientSession::told_error(const ErrorText& error) {
  if (error.refusal) engine_.count(*error.refusal);
  engine_.send_copy(*this, error_response("ERROR", error));
}

void ClientSession::settings_found(const SharedParameters& found, const SessionState::Resets& resets) {
  settings_ = found;
  // What the startup packet asked for and is not set any more has been reset, which means: to that.
  for (const auto& [name, value] : startup_settings_->values()) {
    if (settings_->find(name) == nullptr) settings_ = engine_.parameters().with(settings_, name, value);
  }
  if ((!resets.all && resets.names.empty()) || startup_parameters_ == nullptr) return;
  for (const auto& [name, value] : difference(*startup_parameters_, *parameters_)) {
    if (!resets.has(name)) continue;
    const std::string* const at_login = pool_->welcome ? pool_->welcome->find(name) : nullptr;
    if (at_login != nullptr && *at_login == *parameters_->find(name)) parameter_corrected(name, value);
  }
}

void ClientSession::parameter_changed(Bytes name, Bytes value) {
  parameters_ = engine_.parameters().with(parameters_, name, value);
}

void ClientSession::parameter_corrected(Bytes name, Bytes value) {
  parameter_changed(name, value);
  if (login_) return;  // the welcome will tell
  Writer message;
  write_parameter_status(message, name, value);
  engine_.send_copy(*this, message.view());
}

void ClientSession::unlinked() {
  server_ = nullptr;
  engine_.set_reading(*this, true);
  flush_notifications();
  if (login_) login_->parameters_checked();
  keep_time();
}

void ClientSession::server_takes_more() {
  if (server_ != nullptr && server_->out().below_low() && server_->ledger().size() <= requests_limit / 2) {
    engine_.set_reading(*this, true);
  }
}

void ClientSession::server_lost(const ErrorText& error, bool told) {
  server_ = nullptr;
  if (gone_) return;
  if (!told) {
    engine_.count(error.refusal.value_or(Refusal::server_lost));
    engine_.send_copy(*this, error_response("FATAL", error));
  }
  leave("its server connection was lost");
}

// ---- time limits ----

void ClientSession::keep_time() {
  if (!serving() || gone_) return;
  TimeLimit doing = late_begin_ == LateBegin::none ? TimeLimit::client_idle : TimeLimit::idle_transaction;
  if (waiting()) doing = TimeLimit::wait_notify;
  if (server_ != nullptr && late_begin_ == LateBegin::none) doing = server_->doing();
  const bool open = server_ != nullptr && late_begin_ == LateBegin::none
                        ? doing == TimeLimit::query || doing == TimeLimit::idle_transaction
                        : late_begin_ == LateBegin::begun;
  if (clock_.set(doing, open, pool_->limits, id(), engine_.now())) engine_.arm_limits(*pool_);
}

void ClientSession::time_over(TimeLimit limit) {
  if (!serving() || gone_) return;
  const auto index = static_cast<std::size_t>(limit);
  const std::string setting =
      std::string(time_limit_names[index]) + " (" + format_duration(pool_->limits[index].limit()) + ")";
  const auto text = [&](Refusal reason, const std::string& what, const std::string& hint) {
    return refusal_text(reason, what + " due to " + setting, "The limit is a setting of pgweir.", hint);
  };
  switch (limit) {
    case TimeLimit::query:
      if (server_ == nullptr) return;
      return server_->cut_short(limit, setting,
                                text(Refusal::query_timeout, "canceling statement",
                                     "It can be raised for a user or a database whose queries take longer."));
    case TimeLimit::transaction: {
      ErrorText error = text(Refusal::transaction_timeout, "transaction is rolled back",
                             "End the transaction with ROLLBACK and begin it anew.");
      if (waiting()) {
        pool_->shard.leave(place_);
        pool_->meter.abandoned(use_, GaveUp::timed_out, engine_.now());
        return fail_request(Refusal::transaction_timeout, error);
      }
      if (server_ != nullptr) return server_->cut_short(limit, setting, std::move(error));
      transaction_cut(std::move(error));
      return keep_time();
    }
    case TimeLimit::idle_transaction:
      return refuse(Refusal::idle_transaction_timeout,
                    text(Refusal::idle_transaction_timeout, "terminating connection",
                         "An open transaction holds locks and a server while its client does nothing."));
    case TimeLimit::client_idle:
      // Its business is to wait for notifications.
      if (listens() || (server_ != nullptr && server_->pins().has(StateKind::listen))) return;
      return refuse(Refusal::client_idle_timeout,
                    text(Refusal::client_idle_timeout, "terminating connection", "Connect again."));
    case TimeLimit::wait_notify:
      return tell_waiting();
  }
}

void ClientSession::tell_waiting() {
  engine_.count(Refusal::wait_notified);
  const std::string detail = WorkerEngine::crowd(*pool_) + ".";
  const Duration longest = pool_->shard.limits().wait_timeout;
  const std::string hint =
      longest == Duration::zero()
          ? "query_wait_timeout sets no limit to the wait."
          : "The request fails when it has waited for " + format_duration(longest) + " (query_wait_timeout).";
  const std::string waited =
      format_duration(pool_->limits[static_cast<std::size_t>(TimeLimit::wait_notify)].limit());
  Writer message;
  write_notice_response(message, {.message = "no server is free: the request has been waiting for " + waited,
                                  .detail = detail,
                                  .hint = hint});
  engine_.send_copy(*this, message.view());
}

// ---- notifications ----

// It is in no transaction, and not in the middle of a message of its server's.
bool ClientSession::takes_notifications() const {
  return late_begin_ == LateBegin::none && (server_ == nullptr || server_->only_pinned());
}

bool ClientSession::notify(Bytes channel, Bytes message) {
  if (gone_) return true;
  ClientListening& listening = *listening_;
  const auto most = static_cast<std::size_t>(engine_.settings().pool.max_client_notify_memory);
  if (!listening.held.empty() || !takes_notifications()) {
    listening.hold(channel, message);
    return listening.held_bytes <= most;
  }
  engine_.send(*this, message);
  pool_->meter.totals().sent += message.size();
  return out().size() <= most + Outbox::high_watermark;
}

void ClientSession::refuse_notifications() {
  const std::string waiting = std::to_string(listening_->held_bytes + out().size());
  refuse(Refusal::notify_overflow,
         refusal_text(Refusal::notify_overflow, "too many notifications wait for this connection",
                      waiting + " bytes wait, since it is in a transaction or does not read.",
                      "Let a connection that LISTENs have short transactions, or raise "
                      "max_client_notify_memory."));
}

void ClientSession::listening_ready() {
  if (server_ != nullptr) server_->look_for_rest();
}

void ClientSession::flush_notifications() {
  if (takes_notifications()) send_notifications();
}

void ClientSession::send_notifications() {
  if (gone_ || !listening_) return;
  for (const ClientListening::Held& one : std::exchange(listening_->held, {})) {
    engine_.send_copy(*this, one.message);
    pool_->meter.totals().sent += one.message.size();
  }
  listening_->held_bytes = 0;
}

// ---- console ----

void ClientSession::on_console_bytes(Bytes bytes) {
  while (!bytes.empty() && !gone_) {
    if (console_busy_) return hold(bytes);
    const auto piece = framer_.next(bytes);
    if (!piece) return frame_error();
    if (piece->last || piece->type == 'X') on_console_message(*piece);
  }
}

void ClientSession::on_console_message(const Piece& piece) {
  if (discard_ == Discard::until_sync || piece.type == 'X') return discard(piece);
  switch (piece.type) {
    case 'Q':
      if (console_protocol_) console_protocol_->simple_query();
      return ask_console(std::string(piece.body.substr(0, piece.body.find('\0'))));
    case 'S':
      return answer_ready();
    case 'P':
    case 'B':
    case 'D':
    case 'E':
    case 'C':
      if (!console_protocol_) console_protocol_ = std::make_unique<ConsoleProtocol>();
      return console_step(console_protocol_->on_message(piece.type, piece.body, engine_.settings()));
    case 'H':
    case 'd':
    case 'c':
    case 'f':
      return;
    default:
      told_error(refusal_text(Refusal::not_supported, "the console has no functions to call"));
      answer_ready();
  }
}

void ClientSession::ask_console(std::string query) {
  console_busy_ = true;
  // Not those of its login: a RELOAD may have changed them.
  const ConsolePrivilege rights =
      operator_ ? ConsolePrivilege::admin : console_rights(engine_.settings().console, route_.user);
  engine_.host().post_control(ConsoleAsked{engine_.id(), id(), route_.user, rights, std::move(query)});
}

void ClientSession::console_step(ConsoleProtocol::Step step) {
  engine_.send_copy(*this, step.bytes);
  if (step.failed) discard_ = Discard::until_sync;
  if (!step.ask) return;
  console_executes_ = true;
  ask_console(std::move(*step.ask));
}

void ClientSession::console_answered(Bytes bytes, bool close) {
  if (gone_) return;
  console_busy_ = false;
  if (std::exchange(console_executes_, false)) {
    console_step(console_protocol_->answered(bytes));
  } else {
    engine_.send_copy(*this, bytes);
  }
  if (close) return leave("the console is closing");
  if (held_.empty()) return;
  const Bytes rest = engine_.arena().copy(held_);
  held_.clear(engine_.chunks());
  engine_.set_reading(*this, true);
  on_console_bytes(rest);
}

// ---- from the engine ----

bool ClientSession::is_application() const {
  return serving() || (login_ != nullptr && login_->is_application());
}

void ClientSession::drain(DrainMode mode) {
  if (login_ != nullptr && engine_.handed_over()) return;
  const bool unlinked = !linked() || server_->only_pinned() || server_->streaming();
  const bool at_rest = login_ != nullptr || (serving() && unlinked && !waiting() && held_.empty() &&
                                             late_begin_ == LateBegin::none);
  const bool asked_to_leave = login_ != nullptr || mode != DrainMode::clients;
  const bool leaves = at_rest ? asked_to_leave : mode == DrainMode::servers && waiting();
  if (!leaves) return;
  refuse(Refusal::shutting_down,
         refusal_text(Refusal::shutting_down, "terminating connection: pgweir is being shut down"));
}

Transport ClientSession::move_away() {
  gone_ = true;
  return engine_.detach(*this);
}

Bytes ClientSession::application_name() const {
  const std::string* const name = parameters_ ? parameters_->find("application_name") : nullptr;
  return name == nullptr ? Bytes() : Bytes(*name);
}

ClientSnapshot ClientSession::snapshot() const {
  ClientSnapshot result;
  result.id = serial();
  if (server_ != nullptr) result.link = server_->serial();
  result.user = route_.user;
  result.database = route_.database;
  result.application_name = application_name();
  if (tls() != nullptr) result.tls = tls()->description;
  if (pool_ != nullptr) result.replication = pool_->replication_kind();
  result.state = login_         ? ClientState::login
                 : waiting()    ? ClientState::waiting
                 : is_console() ? ClientState::console
                 : linked()     ? ClientState::active
                                : ClientState::idle;
  result.peer = peer_;
  result.connected = connected_;
  result.requested = requested_;
  if (waiting()) result.waiting = engine_.now() - requested_;
  result.prepared_statements = statements_.size();
  return result;
}

}  // namespace pgweir
