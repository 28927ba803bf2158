// Cancels and time limits: what runs is cut short, and its client stays.

#include "admin/duration.h"
#include "protocol/message.h"
#include "proxy/session/canceler.h"
#include "proxy/session/client_session.h"
#include "proxy/session/error_text.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

// How long cancels are tried, and a client is waited for, after a time limit.
constexpr Duration cut_patience = std::chrono::seconds(5);

}  // namespace

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

void ServerSession::cancel_for_client() {
  cancel_running();
  if (cut_ || engine_.now() - joined_ >= cancel_again) return;
  cancel_again_for_ = request_;
  engine_.set_timer(*this, engine_.now() + cancel_again);
}

void ServerSession::repeat_cancel() {
  if (std::exchange(cancel_again_for_, 0) != request_ || client_ == nullptr || cancels_ > 0) return;
  canceled_request_ = 0;
  cancel_running();
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
  if (cut_->over) return;
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

void ServerSession::begin_failed_transaction(std::optional<ErrorText> why) {
  failed_for_ = std::move(why);
  fails_on_purpose_ = true;
  own_ = Own::synchronise;
  own_query("BEGIN");
  own_query("ROLLBACK TO SAVEPOINT pgweir_transaction_timeout");
}

}  // namespace pgweir
