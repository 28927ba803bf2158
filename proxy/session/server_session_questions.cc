// What pgweir asks the server itself, beside what its client asks.

#include "protocol/frontend.h"
#include "protocol/message.h"
#include "proxy/session/client_session.h"
#include "proxy/session/error_text.h"
#include "proxy/session/limits_question.h"
#include "proxy/session/plant.h"
#include "proxy/session/server_login.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

// How many spellings of parameter values a pool remembers.
constexpr std::size_t canonical_limit = 1000;
constexpr Bytes read_only_parameter = "default_transaction_read_only";

}  // namespace

void ServerSession::own_query(Bytes sql) {
  Writer message;
  write_query(message, sql);
  own_until_ = send_own('Q', message.view());
}

void ServerSession::own_answered() {
  if (ledger_.front_sequence() <= own_until_) return;
  const Own done = std::exchange(own_, Own::nothing);
  fails_on_purpose_ = false;
  gather_rows(false);
  if (const auto error = std::exchange(own_error_, {})) {
    own_ = done;
    own_failed(*error);
    // Nothing depends on this one.
    if (done == Own::limits) look_for_rest();
    return;
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
    case Own::limits:
      limits_answered({});
      break;
    case Own::roll_back:
      if (client_ == nullptr || in_transaction()) return condemn(CloseReason::abandon_failed, {});
      client_->transaction_cut(cut_->told ? std::nullopt : std::optional(cut_->error));
      cut_.reset();
      unlisten_log_.clear();
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
    case Own::limits:
      return limits_answered(error.message);
    case Own::roll_back:
      return condemn(CloseReason::abandon_failed, error);
    case Own::nothing:
      return;
  }
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

void ServerSession::watch_everything() {
  for (const StateKindRow& it : state_kinds) watch(it.kind);
  statements_.watch_everything();
}

std::optional<ErrorText> ServerSession::watch(const SqlEffects& effects, Bytes sql) {
  if (effects.none()) return {};
  if (pool_.mode == PoolMode::statement && effects.has(SqlEffect::begin)) {
    return refusal_text(Refusal::transaction_refused, "transaction blocks are not allowed in statement mode",
                        "The pool of this database and user gives servers back after each statement.",
                        "Use a database or user with pool_mode = \"transaction\".");
  }
  statements_.watch(effects);
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
  gather_rows(true);
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

// What was seen may come from a failover, or from its client's own settings: the server is asked at rest.
void ServerSession::doubt_role() {
  if (!pool_.hosts.asks_role()) return;
  role_doubted_ = true;
  if (state_ != ServerState::idle) return;
  pool_.shard.take(id());
  state_ = ServerState::active;
}

// Sessions follow a reload of the server's configuration as if their clients had set it.
void ServerSession::doubt_read_only(Bytes parameter, const std::string& before, Bytes now) {
  if (parameter != read_only_parameter) return;
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
  gather_rows(true);
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

void ServerSession::ask_limits() {
  answered_limits_.reset();
  state_ = ServerState::resetting;
  ++pool_.resetting;
  abandon_until_ = engine_.now() + abandon_patience;
  engine_.set_timer(*this, abandon_until_);
  own_ = Own::limits;
  gather_rows(true);
  own_query(limits_question);
}

void ServerSession::limits_answered(Bytes refused) {
  HostLimits limits = answered_limits_.value_or(HostLimits{});
  limits.at = engine_.now();
  if (!refused.empty())
    limits.refused = refused;
  else if (!answered_limits_)
    limits.refused = "its answer cannot be read";
  engine_.limits_seen(pool_, std::move(limits));
}

}  // namespace pgweir
