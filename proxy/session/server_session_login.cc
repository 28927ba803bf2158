// Its way in: dialled, logged in, or not.

#include "admin/setting.h"
#include "protocol/backend.h"
#include "proxy/session/client_session.h"
#include "proxy/session/error_text.h"
#include "proxy/session/server_login.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

void ServerSession::on_dialed(const DialResult& result) {
  if (!result.connected) {
    login_failed(refusal_text(Refusal::server_unreachable, result.error), false);
    return;
  }
  peer_ = result.peer;
  login_->start(endpoint_);
}

void ServerSession::on_tls(const std::string& error) {
  if (login_) login_->on_tls(error);
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
  gather_rows(false);
  parameters_ = std::move(parameters);
  backend_pid_ = backend_pid;
  secret_ = std::move(secret);
  login_.reset();
  engine_.set_timer(*this, never);
  state_ = ServerState::active;
  pool_.shard.dialed();
  pool_.failure.reset();
  pool_.welcome = parameters_;
  if (engine_.settings().log.connections) log(LogLevel::info, "logged in");
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

}  // namespace pgweir
