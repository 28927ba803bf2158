#include "proxy/session/server_session.h"

#include <algorithm>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/message.h"
#include "proxy/session/client_session.h"
#include "proxy/session/error_text.h"
#include "proxy/session/limits_question.h"
#include "proxy/session/listen_hub.h"
#include "proxy/session/plant.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

// The largest message from a server that is gathered in memory.
constexpr std::uint32_t gathered_limit = 16 * 1024 * 1024;

// The version of a target that no pool has: such a server is not used again.
constexpr int no_target = -1;

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

constexpr Bytes parse_complete("1\0\0\0\4", 5);
constexpr Bytes close_complete("3\0\0\0\4", 5);

// PostgreSQL's messages have no limits of their own towards a frontend but that of a palloc.
std::optional<std::uint32_t> backend_limit(char type) {
  if (type == 'S') return gathered_limit;  // values have any length, whatever libpq thinks of it
  const auto limit = backend_body_limit(type);
  return limit && gathered.test(static_cast<unsigned char>(type)) ? std::min(*limit, gathered_limit) : limit;
}

}  // namespace

ServerSession::ServerSession(WorkerEngine& engine, PoolEntry& pool, DialRound round)
    : ServerConnection(Role::server),
      engine_(engine),
      pool_(pool),
      target_version_(pool.target_version),
      age_(engine.gates().age(pool.route.database)),
      endpoint_(round.host()),
      round_(std::move(round)),
      framer_(&gathered_with_rows, backend_limit),
      settings_(engine.no_parameters()),
      statements_(engine, *this),
      login_(std::make_unique<ServerLogin>(engine, *this)) {
  connected_ = engine.now();
}

ServerSession::ServerSession(WorkerEngine& engine, PoolEntry& pool, const AdoptServer& mail)
    : ServerConnection(Role::server),
      engine_(engine),
      pool_(pool),
      target_version_(mail.target == pool.target.key() ? pool.target_version : no_target),
      age_(mail.age),
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
  for (const PackedStatement& it : mail.statements) statements_.adopt(it);
}

ServerSession::~ServerSession() = default;

void ServerSession::gather_rows(bool gather) { framer_.gather(gather ? &gathered_with_rows : &gathered); }

void ServerSession::log(LogLevel level, std::string text) {
  engine_.log(level, 'S', *this, pool_.route, peer_, std::move(text),
              {client_ == nullptr ? 0 : client_->serial(), backend_pid_});
}

// ---- from the server ----

void ServerSession::on_bytes(Bytes bytes) {
  if (state_ == ServerState::closing || (login_ && login_->on_raw(bytes))) return;
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
    if (verdict_.action == ReplyVerdict::Action::violation) {
      condemn(CloseReason::out_of_step,
              refusal_text(Refusal::server_broken, "the server sent an answer to nothing that was asked",
                           std::string("Message type ") + printable(Bytes(&piece.type, 1)) + "."));
      return;
    }
  }
  if (piece.first && client_ != nullptr && (verdict_.completed || piece.type == 'E'))
    client_->server_takes_more();
  const bool ends = piece.type == 'Z' && verdict_.ready;
  if (ends && piece.first && piece.last && verdict_.action == ReplyVerdict::Action::forward)
    transaction_over(piece.body.empty() ? '?' : piece.body[0]);
  // A message that began before the client came is not the client's. An error waits until it is there as a
  // whole, and so does a notification.
  if (piece.first) {
    delivering_ = verdict_.action == ReplyVerdict::Action::forward && client_ != nullptr &&
                  piece.type != 'E' && piece.type != 'A';
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
  if (piece.type == 'E' && verdict_.action == ReplyVerdict::Action::forward && client_ != nullptr)
    deliver_error(piece);
  if (piece.type == 'C') {
    const Bytes tag = piece.body.substr(0, piece.body.find('\0'));
    statements_.command_completed(tag, verdict_.sequence);
    if (verdict_.action == ReplyVerdict::Action::forward) unlisten_log_.completed(tag, verdict_.sequence);
  }
  if (verdict_.request == Request::describe && (piece.type == 't' || piece.type == 'T' || piece.type == 'n'))
    statements_.described(verdict_.sequence, piece.type, piece.body);
  statements_.settle(client_, {.front = ledger_.front_sequence(),
                               .completed = verdict_.completed ? verdict_.sequence : 0,
                               .failed = piece.type == 'E' ? verdict_.sequence : 0});
  supply();
  switch (piece.type) {
    case 'D':
      if (own_ == Own::role && verdict_.action == ReplyVerdict::Action::swallow)
        answered_role_ = read_role(piece.body);
      if (own_ == Own::limits && verdict_.action == ReplyVerdict::Action::swallow)
        answered_limits_ = read_limits(piece.body);
      if (own_ == Own::inspect && verdict_.action == ReplyVerdict::Action::swallow &&
          !session_.answer(piece.body))
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
  doubt_read_only(status->name, before, status->value);
}

void ServerSession::error_reported(Bytes body) {
  const ErrorFields fields = read_error_fields(body);
  // Without a client nobody needs this server enough to keep it in doubt.
  if (client_ == nullptr && ledger_.uncertain()) return condemn(CloseReason::copy_uncertain, {});
  const bool fatal = fields.severity == "FATAL" || fields.severity == "PANIC";
  const bool own = own_ != Own::nothing && verdict_.sequence <= own_until_;
  const bool expected = fails_on_purpose_ && fields.sqlstate == "3B001";
  if (own && verdict_.action == ReplyVerdict::Action::swallow && !expected) own_error_ = error_text(body);
  if (verdict_.action == ReplyVerdict::Action::forward)
    unlisten_log_.failed(verdict_.sequence, in_transaction());
  // read_only_sql_transaction: where the client has not asked for that, the server has changed.
  const SessionAttrs wanted = pool_.hosts.wanted();
  if (fields.sqlstate == "25006" && (wanted == SessionAttrs::primary || wanted == SessionAttrs::read_write))
    doubt_role();
  // An error when nothing was asked, or a fatal one: nothing follows but the end of the connection.
  if (!fatal && !unasked_) return;
  told_fatal_ = verdict_.action == ReplyVerdict::Action::forward && client_ != nullptr;
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
  if (own_ != Own::nothing && verdict_.action == ReplyVerdict::Action::swallow &&
      verdict_.sequence <= own_until_)
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
  if (engine_.limits_due(pool_)) return ask_limits();
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
  joined_ = engine_.now();
  pool_.meter.linked(use_, joined_);
  statements_.joined();
  const bool same = client.parameters() == parameters_ || planted(Bug::forget_parameter_sync);
  if (!same || client.settings() != settings_) synchronise(client);
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
        return condemn(own_ == Own::check || own_ == Own::limits ? CloseReason::check_failed
                                                                 : CloseReason::abandon_timeout,
                       {});
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
      return cut_ ? cut_again() : repeat_cancel();
    case ServerState::login:
    case ServerState::idle:
      return;
  }
}

}  // namespace pgweir
