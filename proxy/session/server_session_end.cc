// The end of a link, and of the connection.

#include "protocol/message.h"
#include "proxy/session/client_session.h"
#include "proxy/session/error_text.h"
#include "proxy/session/server_login.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

// How long a server may take to close after Terminate; its slot is kept for as long.
constexpr Duration terminate_patience = std::chrono::seconds(2);

}  // namespace

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
  gather_rows(false);
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

}  // namespace pgweir
