#include "proxy/session/server_session.h"

#include <algorithm>

#include "admin/duration.h"
#include "admin/setting.h"
#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/message.h"
#include "proxy/session/canceler.h"
#include "proxy/session/client_session.h"
#include "proxy/session/listen_hub.h"
#include "proxy/session/plant.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

// How long a server may take to come to rest after its client has left, before it is closed.
constexpr Duration abandon_patience = std::chrono::seconds(5);
// After how long a cancel that has not helped is repeated meanwhile.
constexpr Duration cancel_again = std::chrono::milliseconds(500);
// How long cancels are tried, and a client is waited for, after a time limit.
constexpr Duration cut_patience = std::chrono::seconds(5);
// How long a server may take to close after Terminate; its slot is kept for as long.
constexpr Duration terminate_patience = std::chrono::seconds(2);
// The largest message from a server that is gathered in memory.
constexpr std::uint32_t gathered_limit = 16 * 1024 * 1024;

// The version of a target that no pool has: such a server is not used again.
constexpr int no_target = -1;

// How many spellings of parameter values a pool remembers.
constexpr std::size_t canonical_limit = 1000;

const Framer::Types gathered = [] {
  Framer::Types types;
  for (const char type : {'A', 'C', 'E', 'K', 'R', 'S', 'T', 'Z', 't', 'v'})
    types.set(static_cast<unsigned char>(type));
  return types;
}();
// While the answer to a question of pgweir's is awaited.
const Framer::Types gathered_with_rows = [] {
  Framer::Types types = gathered;
  types.set('D');
  return types;
}();

constexpr Bytes read_only_parameter = "default_transaction_read_only";

constexpr Bytes parse_complete("1\0\0\0\4", 5);
constexpr Bytes close_complete("3\0\0\0\4", 5);

// PostgreSQL's messages have no limits of their own towards a frontend but that of a palloc.
std::optional<std::uint32_t> backend_limit(char type) {
  if (type == 'S') return gathered_limit;  // values have any length, whatever libpq thinks of it
  const auto limit = backend_body_limit(type);
  return limit && gathered.test(static_cast<unsigned char>(type)) ? std::min(*limit, gathered_limit) : limit;
}

}  // namespace

ErrorText error_text(Bytes body) {
  const ErrorFields fields = read_error_fields(body);
  return {std::string(fields.sqlstate), std::string(fields.message), std::string(fields.detail),
          std::string(fields.hint)};
}

ErrorText refusal_text(Refusal refusal, std::string message, std::string detail, std::string hint) {
  return {std::string(row(refusal).sqlstate),
          std::move(message),
          std::move(detail),
          std::move(hint),
          {},
          refusal};
}

ErrorText aborted() {
  return {"25P02", "current transaction is aborted, commands ignored until end of transaction block", {}, {}};
}

std::string error_response(Bytes severity, const ErrorText& error) {
  Writer out;
  write_error_response(out, {.severity = severity,
                             .sqlstate = error.sqlstate.empty() ? Bytes("XX000") : Bytes(error.sqlstate),
                             .message = error.message,
                             .detail = error.detail,
                             .hint = error.hint,
                             .routine = error.routine});
  return out.take();
}

ServerSession::ServerSession(WorkerEngine& engine, PoolEntry& pool, DialRound round)
    : ServerConnection(Role::server, pool),
      engine_(engine),
      target_version_(pool.target_version),
      endpoint_(round.host()),
      round_(std::move(round)),
      framer_(&gathered_with_rows, backend_limit),
      settings_(engine.no_parameters()),
      statements_(engine, *this),
      login_(std::make_unique<ServerLogin>(engine, *this)) {
  connected_ = engine.now();
}

ServerSession::ServerSession(WorkerEngine& engine, PoolEntry& pool, const AdoptServer& mail)
    : ServerConnection(Role::server, pool),
      engine_(engine),
      target_version_(mail.target == pool.target.key() ? pool.target_version : no_target),
      endpoint_(mail.endpoint),
      state_(ServerState::active),
      framer_(&gathered, backend_limit),
      statements_(engine, *this),
      backend_pid_(mail.backend_pid),
      secret_(mail.cancel_secret),
      peer_(mail.peer),
      used_(mail.used) {
  connected_ = mail.connected;
  parameters_ = engine.parameters().intern(Parameters(mail.parameters));
  settings_ = engine.parameters().intern(Parameters(mail.settings));
  // The one used last comes last.
  for (const auto& [parse_rest, id] : mail.statements)
    statements_.adopt(engine.statements().intern(parse_rest), id);
}

ServerSession::~ServerSession() = default;

void ServerSession::log(LogLevel level, std::string text) {
  engine_.log(level, 'S', *this, pool_.route, peer_, std::move(text));
}

// ---- login ----

void ServerSession::on_dialed(const DialResult& result) {
  if (!result.connected) {
    login_failed(refusal_text(Refusal::server_unreachable, result.error), false);
    return;
  }
  peer_ = result.peer;
  login_->start();
}

void ServerSession::on_key(const Digest& salted_password) {
  if (login_) login_->on_key(salted_password);
}

void ServerSession::login_done(SharedParameters parameters, std::int32_t backend_pid, std::string secret,
                               ServerRole role) {
  engine_.role_seen(pool_, endpoint_, role);
  // A physical walsender cannot be asked.
  const bool unasked = pool_.replication && role == ServerRole::unknown;
  if (!unasked && !round_->takes(role)) {
    const std::string attrs(word_of(pool_.hosts.wanted()));
    log(LogLevel::info, endpoint_.name() + " " + std::string(describe(role)) +
                            ": not used, since target_session_attrs is " + attrs);
    round_->misfit(role);
    return end_login(CloseReason::role_unfit, {}, false);
  }
  round_.reset();
  framer_.gather(&gathered);
  parameters_ = std::move(parameters);
  backend_pid_ = backend_pid;
  secret_ = std::move(secret);
  login_.reset();
  engine_.set_timer(*this, never);
  state_ = ServerState::active;
  pool_.shard.dialed();
  pool_.failure.reset();
  pool_.welcome = parameters_;
  if (engine_.settings().log.connections) {
    log(LogLevel::info, "logged in, backend pid " + std::to_string(backend_pid_));
  }
  engine_.give(*this);
}

void ServerSession::login_failed(const ErrorText& error, bool server_said_no) {
  log(LogLevel::warning, "login to the server failed: " + error.message);
  pool_.hosts.failed(endpoint_, engine_.now(), pool_.shard.limits().login_retry);
  round_->failed(error.message);
  end_login(CloseReason::login_failed, error, server_said_no);
}

void ServerSession::end_login(CloseReason reason, const ErrorText& error, bool server_said_no) {
  engine_.count(reason);
  state_ = ServerState::closing;
  engine_.end(*this);
  engine_.dial_failed(*this, std::move(*round_), error, server_said_no);
}

Endpoint ServerSession::cancel_endpoint() const {
  // An address of a link alone would lack the link.
  if (peer_.address == "unix" || peer_.address.starts_with("fe80:")) return endpoint_;
  return {peer_.address, peer_.port};
}

// ---- roles ----

// What was seen may come from a failover, or from its client's own settings: the server is asked at rest.
void ServerSession::doubt_role() {
  if (!pool_.hosts.asks_role()) return;
  role_doubted_ = true;
  if (state_ != ServerState::idle) return;
  pool_.shard.take(id());
  state_ = ServerState::active;
}

// Sessions follow a reload of the server's configuration as if their clients had set it.
void ServerSession::doubt_read_only(const std::string& before, Bytes now) {
  const SessionAttrs wanted = pool_.hosts.wanted();
  const bool unfit = (wanted == SessionAttrs::read_write && now == "on") ||
                     (wanted == SessionAttrs::read_only && now == "off");
  if (!unfit || own_ == Own::synchronise) return;
  if (delivering_) read_only_before_ = before;
  doubt_role();
}

void ServerSession::ask_role() {
  answered_role_.reset();
  if (client_ == nullptr) {
    if (state_ != ServerState::resetting) ++pool_.resetting;
    state_ = ServerState::resetting;
    engine_.set_timer(*this, engine_.now() + abandon_patience);
  }
  own_ = Own::role;
  framer_.gather(&gathered_with_rows);
  own_query(role_question);
}

void ServerSession::role_answered() {
  role_doubted_ = false;
  if (!answered_role_) return condemn(CloseReason::check_failed, {});
  engine_.role_seen(pool_, endpoint_, *answered_role_);
  const auto before = std::exchange(read_only_before_, {});
  // A client that stays here has it as the server has it.
  const bool stays = session_.pins().any() || pool_.mode == PoolMode::session;
  if (client_ == nullptr || !before || stays) return;
  const std::string* const now = parameters_->find(read_only_parameter);
  const Bytes of_server = *answered_role_ == ServerRole::read_only ? "on" : "off";
  if (now != nullptr && *now == of_server && *now != *before)
    client_->parameter_corrected(read_only_parameter, *before);
}

// ---- from the server ----

void ServerSession::on_bytes(Bytes bytes) {
  if (state_ == ServerState::closing) return;
  while (auto piece = framer_.next(bytes)) {
    if (login_) {
      if (piece->last) login_->on_message(piece->type, piece->body);
    } else {
      ClientSession* const waiting = client_waits_ ? client_ : nullptr;
      serve(*piece);
      if (waiting != nullptr && waiting != client_) {
        waiting->resume();
      } else if (waiting != nullptr && !statements_.end_awaited() && !statements_.shape_awaited()) {
        client_waits_ = false;
        waiting->resume();
      }
    }
    if (state_ == ServerState::closing) return;
  }
  if (framer_.error()) {
    const ErrorText error =
        refusal_text(Refusal::server_broken, "the server sent a message that the protocol does not know");
    if (login_) {
      login_failed(error, false);
    } else {
      condemn(CloseReason::out_of_step, error);
    }
    return;
  }
  if (client_ == nullptr) return;
  client_->keep_time();
  if (client_->out().above_high()) engine_.set_reading(*this, false);
}

void ServerSession::serve(const Piece& piece) {
  in_message_ = !piece.last;
  if (piece.first) {
    unasked_ = ledger_.empty() && !ledger_.skipping() && !ledger_.uncertain();
    verdict_ = ledger_.received(piece.type);
    if (verdict_.action == Verdict::Action::violation) {
      condemn(CloseReason::out_of_step,
              refusal_text(Refusal::server_broken, "the server sent an answer to nothing that was asked",
                           std::string("Message type ") + printable(Bytes(&piece.type, 1)) + "."));
      return;
    }
  }
  if (piece.first && client_ != nullptr && (verdict_.completed || piece.type == 'E'))
    client_->server_takes_more();
  const bool ends = piece.type == 'Z' && verdict_.ready;
  if (ends && piece.first && piece.last && verdict_.action == Verdict::Action::forward)
    transaction_over(piece.body.empty() ? '?' : piece.body[0]);
  // A message that began before the client came is not the client's. An error waits until it is there as a
  // whole, and so does a notification.
  if (piece.first) {
    delivering_ = verdict_.action == Verdict::Action::forward && client_ != nullptr && piece.type != 'E' &&
                  piece.type != 'A';
    keeping_ = delivering_ && piece.type == 't' && replay_.recording();
    if (delivering_ && !keeping_ && !kept_description_.empty()) deliver_kept(kept_description_);
    delivering_ = delivering_ && !keeping_ && replay_.tell(piece.type);
  }
  if (delivering_) deliver(piece);
  if (!piece.last) return;
  if (keeping_) {
    Writer message;
    message.begin('t').bytes(piece.body).end();
    kept_description_ = message.take();
    keeping_ = false;
  }
  if (piece.type == 'E' && verdict_.action == Verdict::Action::forward && client_ != nullptr)
    deliver_error(piece);
  if (piece.type == 'C') {
    const Bytes tag = piece.body.substr(0, piece.body.find('\0'));
    statements_.command_completed(tag, verdict_.sequence);
    if (verdict_.action == Verdict::Action::forward) unlisten_log_.completed(tag, verdict_.sequence);
  }
  if (verdict_.request == Request::describe && (piece.type == 't' || piece.type == 'T' || piece.type == 'n'))
    statements_.described(verdict_.sequence, piece.type, piece.body);
  statements_.settle(client_, {.front = ledger_.front_sequence(),
                               .completed = verdict_.completed ? verdict_.sequence : 0,
                               .failed = piece.type == 'E' ? verdict_.sequence : 0});
  supply();
  switch (piece.type) {
    case 'D':
      if (own_ == Own::role && verdict_.action == Verdict::Action::swallow)
        answered_role_ = read_role(piece.body);
      if (own_ == Own::inspect && verdict_.action == Verdict::Action::swallow && !session_.answer(piece.body))
        own_error_ = ErrorText{"08P01", "the server gave an answer that cannot be read", {}, {}};
      return;
    case 'S':
      parameter_changed(piece.body);
      return look_for_rest();
    case 'A':
      notified(piece.body);
      return look_for_rest();
    case 'N':
      return look_for_rest();
    case 'G':
    case 'W':
      // Nobody is there to send the data.
      if (client_ == nullptr) return end_copy();
      client_->copy_asked();
      if (client_waits_ && client_ != nullptr) client_->resume();
      return;
    case 'E':
      return error_reported(piece.body);
    case 'Z':
      if (verdict_.ready) ready(piece.body.size() == 1 ? piece.body[0] : '?');
      return;
    default:
      end_preparing();
      return;
  }
}

// Some drivers prepare with Flush and send Sync only with the execution, which may come much later. What has
// only prepared and described statements, outside of a transaction, loses nothing when it ends before.
bool ServerSession::end_preparing() {
  if (!only_prepares_ || !flushed_ || client_ == nullptr || in_message_ || !client_->at_boundary())
    return false;
  if (!ledger_.empty() || !ledger_.needs_sync() || ledger_.skipping()) return false;
  flushed_ = false;
  Writer message;
  write_sync(message);
  send_own('S', message.view());
  return true;
}

void ServerSession::deliver(const Piece& piece) {
  client_->deliver(piece);
  totals().sent += piece.raw.size();
}

void ServerSession::deliver_error(const Piece& piece) {
  const ErrorFields fields = read_error_fields(piece.body);
  if (cut_ && fields.sqlstate == "57014" && fields.severity == "ERROR") {
    replay_.stop();
    cut_->told = true;
    return client_->told_error(cut_->error);
  }
  if (failed_for_ && fields.sqlstate == "25P02") {
    replay_.stop();
    return client_->told_error(*std::exchange(failed_for_, {}));
  }
  const ErrorText* const error = statements_.instead(verdict_.sequence);
  if (error != nullptr && fields.severity == "ERROR") {
    replay_.stop();
    deliver_kept(kept_description_);
    // PostgreSQL looks for the statement first.
    const bool missing = error->sqlstate == "26000";
    return client_->told_error(transaction_failed() && !missing ? aborted() : *error);
  }
  const bool stale = is_stale_plan(fields.sqlstate, fields.routine);
  // What DDL in a transaction has made stale may be good again after a rollback.
  const bool renewed = ((stale && !in_transaction()) || is_lost_statement(fields.sqlstate, fields.routine)) &&
                       statements_.forget_used(stale);
  Writer message;
  message.begin('E').bytes(piece.body).end();
  if (renewed && !in_transaction()) {
    switch (replay_.failed(fields.sqlstate, fields.routine)) {
      case BatchReplay::Failure::heal:
        kept_description_.clear();
        ledger_.swallow_all();
        return end_failed_run();
      case BatchReplay::Failure::keep:
        kept_error_ = std::exchange(kept_description_, {}) + message.take();
        return;
      case BatchReplay::Failure::tell:
        break;
    }
  }
  replay_.stop();
  deliver_kept(kept_description_);
  client_->deliver_copy(message.view());
  totals().sent += message.view().size();
}

void ServerSession::deliver_kept(std::string& kept) {
  if (kept.empty()) return;
  replay_.stop();
  client_->deliver_copy(kept);
  totals().sent += kept.size();
  kept.clear();
}

// A batch that has been flushed and not ended: its second run is without what failed.
void ServerSession::end_failed_run() {
  if (!replay_.flushed()) return;
  Writer message;
  write_sync(message);
  send_own('S', message.view());
}

// The server has forgotten what failed: the same once more, with the statements prepared anew.
void ServerSession::replay() {
  const std::string messages = replay_.take();
  client_->relay_again(messages);
}

void ServerSession::record(char type, Bytes message) {
  const bool kept = replay_.keeping();
  if (message.empty()) {
    replay_.stop();
  } else {
    replay_.record(type, message, ledger_.settled_for_client() && !in_transaction());
  }
  if (!kept || replay_.keeping()) return;
  if (replay_.rewinding()) {
    kept_error_.clear();
    return end_failed_run();
  }
  deliver_kept(kept_error_);
}

void ServerSession::parameter_changed(Bytes body) {
  const auto status = read_parameter_status(body);
  if (!status) {
    condemn(CloseReason::out_of_step,
            refusal_text(Refusal::server_broken, "the server sent a ParameterStatus that cannot be read"));
    return;
  }
  const std::string* const present = parameters_->find(status->name);
  const std::string before = present == nullptr ? std::string() : *present;
  parameters_ = engine_.parameters().with(parameters_, status->name, status->value);
  if (delivering_) client_->parameter_changed(status->name, status->value);
  if (own_ == Own::roll_back && client_ != nullptr) client_->parameter_corrected(status->name, status->value);
  if (status->name == "in_hot_standby") doubt_role();
  if (status->name == read_only_parameter) doubt_read_only(before, status->value);
}

void ServerSession::error_reported(Bytes body) {
  const ErrorFields fields = read_error_fields(body);
  // Without a client nobody needs this server enough to keep it in doubt.
  if (client_ == nullptr && ledger_.uncertain()) return condemn(CloseReason::copy_uncertain, {});
  const bool fatal = fields.severity == "FATAL" || fields.severity == "PANIC";
  const bool own = own_ != Own::nothing && verdict_.sequence <= own_until_;
  const bool expected = fails_on_purpose_ && fields.sqlstate == "3B001";
  if (own && verdict_.action == Verdict::Action::swallow && !expected) own_error_ = error_text(body);
  if (verdict_.action == Verdict::Action::forward) unlisten_log_.failed(verdict_.sequence, in_transaction());
  // read_only_sql_transaction: where the client has not asked for that, the server has changed.
  const SessionAttrs wanted = pool_.hosts.wanted();
  if (fields.sqlstate == "25006" && (wanted == SessionAttrs::primary || wanted == SessionAttrs::read_write))
    doubt_role();
  // An error when nothing was asked, or a fatal one: nothing follows but the end of the connection.
  if (!fatal && !unasked_) return;
  told_fatal_ = verdict_.action == Verdict::Action::forward && client_ != nullptr;
  if (client_ == nullptr) log(LogLevel::info, "the server says: " + std::string(fields.message));
  condemn(CloseReason::fatal_error, error_text(body));
}

void ServerSession::ready(char status) {
  if (status != 'I' && status != 'T' && status != 'E') {
    condemn(
        CloseReason::out_of_step,
        refusal_text(Refusal::server_broken, "the server reported a transaction status that does not exist"));
    return;
  }
  transaction_ = status;
  if (own_ != Own::nothing && verdict_.action == Verdict::Action::swallow && verdict_.sequence <= own_until_)
    return own_answered();
  transaction_over(status);
  if (replay_.rewinding() && client_ != nullptr && !running()) {
    if (!in_transaction()) return replay();
    replay_.stop();
  }
  if (!running()) {
    statements_.begin_batch();
    replay_.ready();
  }
  ++request_;
  const std::uint64_t query_class = last_query_ = batches_.finished();
  const Duration query = pool_.meter.query_finished(use_, in_transaction(), engine_.now(), query_class);
  if (status == 'I') failed_for_.reset();
  if (cut_) cut_->over = cut_->over || status == 'I' || cut_->limit == TimeLimit::query;
  if (client_ != nullptr) {
    // A use waits once, before its first query.
    pool_.queries.record(query_class, query, std::exchange(first_wait_, {}));
    client_->query_over(!in_transaction());
    client_->server_takes_more();
  }
  if (client_ != nullptr && !running()) client_->answered();
  ClientSession* const client = client_;
  look_for_rest();
  end_cut(client);
}

void ServerSession::look_for_rest() {
  if (state_ != ServerState::active && state_ != ServerState::resetting && state_ != ServerState::canceling)
    return;
  if (end_preparing()) return;
  if (!ledger_.settled() || in_message_) return;
  if (client_ != nullptr) {
    if (cutting()) {
      if (in_transaction() && cancels_ == 0 && client_->at_boundary()) roll_back();
      if (in_transaction()) return;
    }
    if ((in_transaction() && !planted(Bug::release_too_early)) || !client_->at_boundary()) return;
    if (statements_.holds_server()) return;
    // The cancel might hit the question; what the client asks next builds on the answer.
    question_waits_ = session_.due() && cancels_sent_ > 0;
    if (question_waits_) return;
    if (session_.due()) return inspect();
    if (role_doubted_) return ask_role();
    if (session_.pins().has(StateKind::listen) && listen_taken_ && cancels_sent_ == 0 &&
        pool_.listens->ready(*client_))
      return move_listening();
    const bool pinned = session_.pins().any() && !planted(Bug::release_pinned);
    if (pinned || (pool_.mode == PoolMode::session && client_->login() == nullptr))
      return client_->flush_notifications();
    ClientSession& client = *client_;
    unlink();
    pool_.meter.released(use_, engine_.now());
    client.unlinked();
  } else if (in_transaction()) {
    return reset_further();
  } else if (unclean_ && cancels_ == 0) {
    return clean();
  }
  if (cancels_ > 0 && !planted(Bug::cancel_wrong_server)) {
    if (state_ != ServerState::canceling) {
      if (state_ == ServerState::resetting) --pool_.resetting;
      ++pool_.canceling;
      state_ = ServerState::canceling;
      engine_.set_timer(*this, engine_.now() + engine_.settings().pool.cancel_wait_timeout);
    }
    return;
  }
  if (state_ == ServerState::canceling) --pool_.canceling;
  if (state_ == ServerState::resetting) --pool_.resetting;
  if (state_ != ServerState::active) {
    state_ = ServerState::active;
    engine_.set_timer(*this, never);
    pool_.meter.released(use_, engine_.now());
  }
  if (role_doubted_) return ask_role();
  engine_.give(*this);
}

// ---- to the server ----

void ServerSession::join(ClientSession& client, const Use& use) {
  client_ = &client;
  use_ = use;
  first_wait_ = use.wait;
  state_ = ServerState::active;
  told_fatal_ = rolled_back_ = delivering_ = was_checked_ = false;
  ++request_;
  pool_.meter.linked(use_, engine_.now());
  statements_.joined();
  const bool same = client.parameters() == parameters_ || planted(Bug::forget_parameter_sync);
  if (!same || client.settings() != settings_) synchronise(client);
}

void ServerSession::synchronise(ClientSession& client) {
  synchronising_ = difference(*client.parameters(), *parameters_);
  std::string types;
  std::string messages = set_messages(synchronising_, types);
  if (client.settings() != settings_ && !planted(Bug::forget_settings))
    messages += change_messages(*settings_, *client.settings(), types);
  if (messages.empty()) return;
  own_ = Own::synchronise;
  statements_.unnamed_lost();
  for (char type : types) own_until_ = ledger_.sent(type, Reply::swallow);
  engine_.send_copy(*this, messages);
}

// All SETs have been answered. What the server now reports is how it writes the values: that is how the
// client has to see them too, and how they are compared from now on.
void ServerSession::synchronised() {
  for (const auto& [name, value] : synchronising_) {
    const std::string* const reported = parameters_->find(name);
    if (reported == nullptr) continue;
    if (pool_.canonical.size() < canonical_limit) pool_.canonical[{name, value}] = *reported;
    if (client_ != nullptr && *reported != value) client_->parameter_corrected(name, *reported);
  }
  synchronising_.clear();
  if (client_ == nullptr) return;
  settings_ = client_->settings();
  // A login has asked whether the server takes them: it does.
  if (client_->login() == nullptr) return;
  for (const auto& value : settings_->values()) {
    if (pool_.canonical.size() < canonical_limit) pool_.canonical[value] = value.second;
  }
}

// ---- what pgweir asks for itself ----

void ServerSession::own_query(Bytes sql) {
  Writer message;
  write_query(message, sql);
  own_until_ = send_own('Q', message.view());
}

void ServerSession::own_answered() {
  if (ledger_.front_sequence() <= own_until_) return;
  const Own done = std::exchange(own_, Own::nothing);
  fails_on_purpose_ = false;
  framer_.gather(&gathered);
  if (const auto error = std::exchange(own_error_, {})) {
    own_ = done;
    return own_failed(*error);
  }
  switch (done) {
    case Own::synchronise:
      synchronised();
      break;
    case Own::inspect:
      inspected();
      break;
    case Own::clean:
      unclean_ = false;
      settings_ = engine_.no_parameters();
      break;
    case Own::role:
      role_answered();
      break;
    case Own::roll_back:
      if (client_ == nullptr || in_transaction()) return condemn(CloseReason::abandon_failed, {});
      client_->transaction_cut(cut_->told ? std::nullopt : std::optional(cut_->error));
      cut_.reset();
      engine_.set_timer(*this, never);
      break;
    case Own::check:
      check_over();
      break;
    case Own::move:
      listening_moved();
      break;
    case Own::nothing:
      break;
  }
  ClientSession* const client = client_;
  if (std::exchange(cancel_later_, false)) cancel_running();
  if (client != nullptr && !running()) client->answered();
  look_for_rest();
  const bool held = done == Own::inspect || done == Own::role || done == Own::roll_back || done == Own::move;
  if (!held || client == nullptr) return;
  // What came meanwhile has waited for this.
  const bool same = client->parameters() == parameters_ && client->settings() == settings_;
  if (client == client_ && !same) synchronise(*client);
  client->resume();
}

void ServerSession::own_failed(const ErrorText& error) {
  switch (std::exchange(own_, Own::nothing)) {
    case Own::synchronise:
      // A login only asks whether the values are good: nothing of the client's has been sent behind them.
      if (client_ != nullptr && client_->login() != nullptr)
        return client_->refuse(Refusal::parameter_refused, error);
      return condemn(CloseReason::parameter_refused, error);
    case Own::inspect:
    case Own::move:
      return condemn(CloseReason::state_unknown, error);
    case Own::clean:
    case Own::role:
    case Own::check:
      return condemn(CloseReason::check_failed, error);
    case Own::roll_back:
      return condemn(CloseReason::abandon_failed, error);
    case Own::nothing:
      return;
  }
}

void ServerSession::watch_everything() {
  for (const StateKindRow& it : state_kinds) watch(it.kind);
}

std::optional<ErrorText> ServerSession::watch(const SqlEffects& effects, Bytes sql) {
  if (effects.none()) return {};
  if (pool_.mode == PoolMode::statement && effects.has(SqlEffect::begin)) {
    return refusal_text(Refusal::transaction_refused, "transaction blocks are not allowed in statement mode",
                        "The pool of this database and user gives servers back after each statement.",
                        "Use a database or user with pool_mode = \"transaction\".");
  }
  return session_.note(effects, sql, pool_.policies, *parameters_);
}

void ServerSession::watch_values(Bytes bind_body) {
  const auto bind = read_bind(bind_body);
  if (!bind) return;
  for (const auto& value : bind->parameters) {
    if (value) session_.watch_names(*value);
  }
}

// Asks what the client has left in the session.
void ServerSession::inspect() {
  own_ = Own::inspect;
  framer_.gather(&gathered_with_rows);
  const SessionState::Question question = session_.question(*settings_);
  own_query("BEGIN;" + question.before + "SET LOCAL statement_timeout=0");
  own_query(question.rest + ";COMMIT");
}

void ServerSession::inspected() {
  const SessionState::Resets resets = session_.take_resets();
  const auto found = session_.conclude(pool_.policies, *parameters_, pool_.login_user());
  listening_found();
  note_pins();
  if (!found) return;
  settings_ = engine_.parameters().intern(*found);
  if (client_ != nullptr) client_->settings_found(settings_, resets);
}

// ---- notifications ----

bool ServerSession::tracks_listen() const {
  return pool_.policies[static_cast<std::size_t>(StateKind::listen)] == StatePolicy::track &&
         pool_.mode != PoolMode::session;
}

// What the shared connection listens to for the client comes from there.
void ServerSession::notified(Bytes body) {
  if (client_ == nullptr) return;
  const auto notification = read_notification_response(body);
  if (!notification) {
    return condemn(
        CloseReason::out_of_step,
        refusal_text(Refusal::server_broken, "the server sent a notification that cannot be read"));
  }
  if (move_ != 0 && notification->channel == pool_.listens->own_channel()) {
    if (notification->payload == std::to_string(move_)) {
      move_passed_ = true;
      pool_.listens->passed(move_);
    }
    return;
  }
  if (move_passed_) return;
  if (client_->listens() && client_->listening().moved(notification->channel)) return;
  Writer message;
  message.begin('A').bytes(body).end();
  client_->deliver_copy(message.view());
  totals().sent += message.view().size();
}

void ServerSession::unlistens(Bytes sql) {
  if (noted_ != 0 && client_->listens()) unlisten_log_.sent(noted_, unlisten_statements(sql));
}

// What the client has UNLISTENed counts, and what was held back is due. Whatever it may have LISTENed to
// again in the same transaction is asked first.
void ServerSession::transaction_over(char status) {
  if (client_ == nullptr || !client_->listens()) return;
  unlisten_log_.ready(status == 'I', ledger_.front_sequence());
  for (ListenStatement& statement : unlisten_log_.take_committed())
    unlistened_.push_back(std::move(statement));
  if (session_.due() && !unlistened_.empty()) return;
  if (!unlistened_.empty()) pool_.listens->unlisten(*client_, std::exchange(unlistened_, {}), {});
  if (status == 'I') client_->send_notifications();
}

// The server has told what the session listens to.
void ServerSession::listening_found() {
  if (client_ == nullptr || !tracks_listen()) return;
  const std::set<std::string>& channels = session_.channels();
  if (!unlistened_.empty()) pool_.listens->unlisten(*client_, std::exchange(unlistened_, {}), channels);
  if (!channels.empty() || client_->listens())
    listen_taken_ = engine_.listens_of(pool_).want(*client_, channels, endpoint_);
}

// Both streams of notifications are cut at one point. The second transaction sees to it that what came before
// the first one has been sent.
void ServerSession::move_listening() {
  move_ = pool_.listens->begin_move(*client_);
  own_ = Own::move;
  if (move_ != 0) {
    const std::string channel = '"' + pool_.listens->own_channel() + '"';
    own_query("BEGIN;SET LOCAL statement_timeout=0");
    own_query("LISTEN " + channel + ";NOTIFY " + channel + ",'" + std::to_string(move_) + "';COMMIT");
  }
  own_query("BEGIN;SET LOCAL statement_timeout=0");
  own_query("UNLISTEN *;COMMIT");
}

void ServerSession::listening_moved() {
  if (move_ != 0 && !move_passed_) {
    return condemn(CloseReason::state_unknown,
                   refusal_text(Refusal::server_broken, "the server did not send a notification to itself"));
  }
  move_ = 0;
  move_passed_ = listen_taken_ = false;
  session_.listens_moved();
  note_pins();
}

// A server that is about to be given back is none that is kept.
void ServerSession::note_pins() {
  StateKinds pins = session_.pins();
  if (listen_taken_ && pool_.listens->up()) pins.remove(StateKind::listen);
  pin_clock_.hold(pins, engine_.now(), pool_.pin_costs);
}

// Its client has left something that nobody else is to see.
void ServerSession::clean() {
  if (own_ != Own::nothing) return;
  own_ = Own::clean;
  abandon_until_ = engine_.now() + abandon_patience;
  engine_.set_timer(*this, abandon_until_);
  if (pool_.mode == PoolMode::session) {
    own_query(engine_.settings().pool.server_reset_query);
  } else {
    own_query("DISCARD ALL");
  }
}

// It may have been cut off unnoticed while it was idle. No client is linked yet, so one that fails costs
// nothing but time.
void ServerSession::check() {
  was_checked_ = checking_ = true;
  state_ = ServerState::resetting;
  ++pool_.resetting;
  abandon_until_ = engine_.now() + abandon_patience;
  engine_.set_timer(*this, abandon_until_);
  own_ = Own::check;
  const std::string& query = engine_.settings().pool.server_check_query;
  own_query(query == "<empty>" ? Bytes() : Bytes(query));
}

void ServerSession::check_over() {
  if (std::exchange(checking_, false)) pool_.shard.checked();
}

void ServerSession::rest() {
  state_ = ServerState::idle;
  used_ = engine_.now();
  was_checked_ = false;
}

// ---- from the client ----

std::uint64_t ServerSession::note(char type, Reply reply) {
  if (!ledger_.skipping() || type == 'S') start_query(type);
  if (type == 'B') ++totals().bind_count;
  if (ledger_.settled() && !in_transaction()) only_prepares_ = true;
  only_prepares_ = only_prepares_ && (type == 'P' || type == 'D' || type == 'C' || type == 'H');
  flushed_ = type == 'H';
  const std::uint64_t sequence = ledger_.sent(type, reply);
  noted_ = sequence;
  if (sequence != 0 && (type == 'Q' || type == 'F' || type == 'S')) statements_.end_sent(sequence);
  return sequence;
}

bool ServerSession::must_wait(Bytes bytes) {
  if (pool_.mode == PoolMode::session || !statements_.must_wait(*client_, bytes)) return false;
  client_waits_ = true;
  if (statements_.shape_awaited()) statements_.flush();
  return true;
}

void ServerSession::send(Bytes head, Bytes rest) {
  engine_.send_copy(*this, head);
  engine_.send(*this, rest);
}

std::uint64_t ServerSession::forward(const Piece& piece) {
  std::uint64_t sequence = 0;
  if (piece.first && (!planted(Bug::drop_ledger_entry) || piece.type != 'E'))
    sequence = note(piece.type, replay_.rewinding() ? Reply::swallow : Reply::forward);
  if (piece.borrowed) {
    engine_.send_copy(*this, piece.raw);
  } else {
    engine_.send(*this, piece.raw);
  }
  return sequence;
}

void ServerSession::supply() {
  if (in_message_) return;
  while (const auto request = ledger_.take_supply()) {
    const std::uint64_t sequence = ledger_.front_sequence() - 1;
    statements_.settle(client_, {.front = sequence + 1, .completed = sequence});
    if (client_ == nullptr) continue;
    const Bytes message = *request == Request::parse ? parse_complete : close_complete;
    if (replay_.tell(message[0])) client_->deliver_constant(message);
  }
}

void ServerSession::begin_transaction() {
  ++pool_.late_begins;
  Writer message;
  write_query(message, "BEGIN");
  own_ = Own::synchronise;
  own_until_ = send_own('Q', message.view());
}

void ServerSession::begin_failed_transaction(std::optional<ErrorText> why) {
  failed_for_ = std::move(why);
  fails_on_purpose_ = true;
  own_ = Own::synchronise;
  own_query("BEGIN");
  own_query("ROLLBACK TO SAVEPOINT pgweir_transaction_timeout");
}

void ServerSession::refuse_query(ErrorText error) {
  statements_.provoke(std::move(error));
  Writer sync;
  write_sync(sync);
  note('S', Reply::forward);
  send(sync.view(), {});
}

// A query, for the meter, is what one ReadyForQuery ends.
void ServerSession::start_query(char type) {
  const bool extended = type == 'P' || type == 'B' || type == 'D' || type == 'E' || type == 'C';
  const bool ends = type == 'Q' || type == 'F' || type == 'S';
  if (!extended && !ends) return;
  if (!batch_open_) {
    requested_ = engine_.now();
    pool_.meter.query_started(use_, engine_.now());
    batches_.begun();
  }
  batch_open_ = extended;
}

std::uint64_t ServerSession::send_own(char type, Bytes message) {
  engine_.send_copy(*this, message);
  if (type == 'Q') statements_.unnamed_lost();
  return ledger_.sent(type, Reply::swallow);
}

void ServerSession::on_drained() {
  if (client_ != nullptr && out().below_low()) client_->server_takes_more();
}

// ---- the end of a link ----

void ServerSession::unlink() {
  client_ = nullptr;
  delivering_ = client_waits_ = cancel_later_ = false;
  synchronising_.clear();
  session_.clear();
  unlisten_log_.clear();
  unlistened_.clear();
  listen_taken_ = move_passed_ = false;
  move_ = 0;
  pin_clock_.hold({}, engine_.now(), pool_.pin_costs);
  statements_.unlinked();
  replay_.stop();
  kept_error_.clear();
  kept_description_.clear();
  keeping_ = question_waits_ = false;
  own_ = Own::nothing;
  own_error_.reset();
  cut_.reset();
  failed_for_.reset();
  fails_on_purpose_ = false;
  framer_.gather(&gathered);
  batch_open_ = false;
  batches_.clear();
  ++request_;
  engine_.set_reading(*this, true);
}

void ServerSession::abandon(bool unfinished, bool let_finish) {
  if (pool_.replication) {
    // Nobody else can use it.
    unlink();
    pool_.meter.released(use_, engine_.now());
    if (unfinished) return condemn(CloseReason::message_unfinished, {});
    engine_.touch(pool_);
    return retire(CloseReason::client_left);
  }
  if (pool_.mode == PoolMode::session) {
    unclean_ = !engine_.settings().pool.server_reset_query.empty();
  } else {
    unclean_ = session_.due() || session_.pins().any() || own_ != Own::nothing;
  }
  unlink();
  if (unfinished) return condemn(CloseReason::message_unfinished, {});
  if (ledger_.uncertain()) return condemn(CloseReason::copy_uncertain, {});
  state_ = ServerState::resetting;
  ++pool_.resetting;
  abandon_until_ = engine_.now() + abandon_patience;
  if (!let_finish) engine_.set_timer(*this, engine_.now() + cancel_again);
  const bool busy = running();
  ledger_.swallow_all();
  if (ledger_.copy() == CopyMode::in || ledger_.copy() == CopyMode::both) {
    end_copy();
  } else if (ledger_.needs_sync()) {
    // A Sync alone would commit what the client has left open; after an error only the Sync is looked at.
    Writer message;
    if (!ledger_.skipping()) {
      write_query(message, "ROLLBACK");
      send_own('Q', message.view());
      message.clear();
    }
    write_sync(message);
    send_own('S', message.view());
  }
  if (busy && !let_finish) cancel_running();
  look_for_rest();
}

void ServerSession::end_copy() {
  Writer message;
  write_copy_fail(message, "the client has left");
  send_own('f', message.view());
  if (!ledger_.needs_sync()) return;
  message.clear();
  write_sync(message);
  send_own('S', message.view());
}

void ServerSession::reset_further() {
  if (cancels_ > 0) return;  // the cancel might hit the rollback
  if (rolled_back_) return condemn(CloseReason::abandon_failed, {});
  rolled_back_ = true;
  abandon_until_ = engine_.now() + abandon_patience;
  engine_.set_timer(*this, abandon_until_);
  Writer message;
  write_query(message, "ROLLBACK");
  send_own('Q', message.view());
}

void ServerSession::on_timer() {
  if (login_) {
    login_failed(
        refusal_text(Refusal::server_unreachable,
                     "no login to the server within server_connect_timeout (" + login_->progress() + ")"),
        false);
    return;
  }
  switch (state_) {
    case ServerState::resetting:
      if (engine_.now() >= abandon_until_)
        return condemn(own_ == Own::check ? CloseReason::check_failed : CloseReason::abandon_timeout, {});
      // The cancel may have come before the statement.
      if (running() && cancels_ == 0) {
        canceled_request_ = 0;
        cancel_running();
      }
      return engine_.set_timer(*this, engine_.now() + cancel_again);
    case ServerState::canceling:
      return condemn(CloseReason::cancel_unsettled, {});
    case ServerState::closing:
      pool_.shard.closed_busy();
      engine_.touch(pool_);
      return engine_.end(*this);
    case ServerState::active:
      return cut_again();
    case ServerState::login:
    case ServerState::idle:
      return;
  }
}

void ServerSession::retire(CloseReason reason) {
  engine_.count(reason);
  if (engine_.settings().log.disconnections)
    log(LogLevel::info, "closing: " + std::string(row(reason).label));
  state_ = ServerState::closing;
  Writer message;
  write_terminate(message);
  engine_.send_copy(*this, message.view());
  engine_.set_timer(*this, engine_.now() + terminate_patience);
}

void ServerSession::condemn(CloseReason reason, const ErrorText& error) {
  engine_.count(reason);
  log(reason == CloseReason::out_of_step || reason == CloseReason::cancel_unsettled ? LogLevel::warning
                                                                                    : LogLevel::info,
      "closing: " + std::string(row(reason).label) + (error.message.empty() ? "" : ": " + error.message));
  ClientSession* const client = client_;
  const bool told = told_fatal_ || delivering();
  // Its client is owed nothing: it can go on with another server.
  const bool owes_nothing = client != nullptr && ledger_.settled() && !in_transaction() && !told &&
                            client->at_boundary() && !session_.due() && !session_.pins().any() &&
                            pool_.mode != PoolMode::session;
  if (client != nullptr) unlink();
  check_over();
  pool_.meter.released(use_, engine_.now());
  if (state_ == ServerState::idle) {
    pool_.shard.closed_idle(id());
  } else {
    pool_.shard.closed_busy();
  }
  if (state_ == ServerState::canceling) --pool_.canceling;
  if (state_ == ServerState::resetting) --pool_.resetting;
  state_ = ServerState::closing;
  engine_.touch(pool_);
  engine_.end(*this);
  if (owes_nothing) {
    client->unlinked();
  } else if (client != nullptr) {
    client->server_lost(error, told);
  }
}

void ServerSession::on_closed(const std::string& error) {
  if (login_) {
    login_failed(
        refusal_text(Refusal::server_unreachable, "the server closed the connection during the login" +
                                                      (error.empty() ? std::string() : ": " + error)),
        false);
    return;
  }
  if (state_ == ServerState::closing) {
    pool_.shard.closed_busy();
    engine_.touch(pool_);
    engine_.end(*this);
    return;
  }
  const std::string where = running()          ? "while it ran a statement"
                            : in_transaction() ? "in a transaction"
                                               : "unexpectedly";
  condemn(
      CloseReason::lost,
      refusal_text(
          Refusal::server_lost, "the connection to the server was lost " + where,
          "Backend pid " + std::to_string(backend_pid_) + (error.empty() ? "." : ": " + error + "."),
          "The transaction was not committed unless its COMMIT had been answered. Connect again and retry."));
}

// ---- cancels ----

void ServerSession::cancel_running() {
  if (!running() || state_ == ServerState::closing) return;
  // What pgweir itself asks is not the client's to cancel.
  cancel_later_ = own_ != Own::nothing && client_ != nullptr;
  if (cancel_later_) return;
  if (cancels_ > 0 && canceled_request_ == request_) return;  // one is on its way
  canceled_request_ = request_;
  ++cancels_;
  ++pool_.cancel_dials;
  start_cancel(engine_, *this, request_, backend_pid_, secret_);
}

void ServerSession::cancel_carried(bool sent, bool settled) {
  --cancels_;
  if (sent) --cancels_sent_;
  if (state_ == ServerState::closing) return;
  if (sent && !settled)
    return condemn(
        CloseReason::cancel_unsettled,
        refusal_text(Refusal::server_lost, "a cancel request to the server was not settled in time"));
  ClientSession* const client = client_;
  look_for_rest();
  end_cut(client);
}

// ---- time limits ----

TimeLimit ServerSession::doing() const {
  if (own_ != Own::nothing && own_ != Own::synchronise)
    return own_ == Own::roll_back ? TimeLimit::idle_transaction : TimeLimit::client_idle;
  if (running()) return TimeLimit::query;
  return in_transaction() || ledger_.needs_sync() ? TimeLimit::idle_transaction : TimeLimit::client_idle;
}

void ServerSession::cut_short(TimeLimit limit, std::string setting, ErrorText error) {
  if (client_ == nullptr || (cut_ && cut_->limit == TimeLimit::transaction && !cut_->over)) return;
  cut_ = Cut{.limit = limit,
             .setting = std::move(setting),
             .error = std::move(error),
             .until = engine_.now() + cut_patience};
  engine_.set_timer(*this, engine_.now() + cancel_again);
  cancel_running();
  look_for_rest();
}

// The cancel may have come before the statement.
void ServerSession::cut_again() {
  if (!cut_ || cut_->over) return;
  if (engine_.now() >= cut_->until) return cut_failed();
  engine_.set_timer(*this, engine_.now() + cancel_again);
  // In COPY PostgreSQL looks at cancels only when data comes.
  if (ledger_.copy() == CopyMode::in && client_->at_boundary()) {
    Writer message;
    write_copy_fail(message, cut_->setting);
    send_own('f', message.view());
  }
  if (!running() || cancels_ > 0) return;
  canceled_request_ = 0;
  cancel_running();
}

void ServerSession::cut_failed() {
  ErrorText error = cut_->error;
  const std::string tried = format_duration(cut_patience);
  // It is not the server's fault when it waits for the rest of what the client has begun to ask.
  if (!running() && own_ == Own::nothing) {
    error.message = "terminating connection due to " + cut_->setting + ": its transaction is not at rest";
    error.detail = "The client was waited for, for " + tried + ".";
    return client_->refuse(*error.refusal, error);
  }
  error.message = "terminating connection due to " + cut_->setting + ": the cancel did not help";
  error.detail =
      "Backend pid " + std::to_string(backend_pid_) + " ran on for " + tried + " while it was cancelled.";
  condemn(CloseReason::cancel_ignored, error);
}

// Between the end of what was cut short and the time when the client may go on.
bool ServerSession::cutting() const {
  if (!cut_ || running() || ledger_.needs_sync()) return false;
  // A cancel that is still on its way might hit the client's next request.
  return cancels_ > 0 || (cut_->limit == TimeLimit::transaction && !cut_->over && in_transaction());
}

void ServerSession::roll_back() {
  if (own_ != Own::nothing) return;
  own_ = Own::roll_back;
  own_query("ROLLBACK");
}

// Looks whether what was cut short has come to its end, and the cancels have, too.
void ServerSession::end_cut(ClientSession* client) {
  if (client != nullptr && client_ == nullptr) return client->resume();
  if (!cut_ || client_ == nullptr || cutting()) return;
  if (running()) {
    // The answer had been on its way; what follows in the pipeline belongs to the same transaction.
    if (cut_->limit == TimeLimit::transaction && !cut_->over) cancel_running();
    return;
  }
  // The error may have arrived in part; a Sync is still to be sent.
  if (in_message_ || ledger_.needs_sync()) return;
  cut_.reset();
  engine_.set_timer(*this, never);
  client_->resume();
}

AdoptServer ServerSession::pack(Transport transport) const {
  return {.route = pool_.route,
          .transport = transport,
          .peer = peer_,
          .endpoint = endpoint_,
          .connected = connected_,
          .used = state_ == ServerState::idle ? used_ : engine_.now(),
          .backend_pid = backend_pid_,
          .cancel_secret = secret_,
          .target = pool_.target.key(),
          .parameters = parameters_->values(),
          .settings = settings_->values(),
          .statements = statements_.pack(),
          .welcome = pool_.welcome->values()};
}

ServerSnapshot ServerSession::snapshot() const {
  ServerSnapshot result;
  result.id = serial();
  if (client_ != nullptr) result.link = client_->serial();
  result.user = pool_.login_user();
  result.database = pool_.route.database;
  const std::string* const application = parameters_ ? parameters_->find("application_name") : nullptr;
  if (application != nullptr) result.application_name = *application;
  result.replication = pool_.replication_kind();
  result.state = state_;
  result.peer = peer_;
  result.connected = connected_;
  result.requested = requested_;
  result.backend_pid = backend_pid_;
  result.close_needed = state_ == ServerState::closing;
  result.pinned = ledger_.uncertain() || session_.pins().any();
  result.prepared_statements = statements_.size();
  const bool idle = use_.state == Use::State::idle_in_transaction;
  if (idle || use_.state == Use::State::executing) {
    const std::uint64_t query = idle ? last_query_ : batches_.oldest();
    result.holder = {.idle_in_transaction = idle,
                     .in_state = engine_.now() - use_.state_since,
                     .held = engine_.now() - use_.served,
                     .query = pool_.queries.text_of(query)};
  }
  return result;
}

PinSnapshot ServerSession::pin_snapshot() const {
  const ClientSnapshot client = client_->snapshot();
  return {.client = client.id,
          .server = serial(),
          .database = client.database,
          .user = client.user,
          .application_name = client.application_name,
          .backend_pid = backend_pid_,
          .kinds = pin_clock_.kinds(),
          .since = pin_clock_.since()};
}

}  // namespace pgweir
