#include "proxy/session/listener_session.h"

#include <algorithm>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/message.h"
#include "proxy/session/error_text.h"
#include "proxy/session/server_login.h"
#include "proxy/session/server_session.h"
#include "proxy/session/shared_listener.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

// Far above all that such a connection has reason to send; notifications have at most 8000 bytes.
constexpr std::uint32_t message_limit = 1024 * 1024;

const Framer::Types everything = Framer::Types().set();

std::optional<std::uint32_t> body_limit(char type) {
  const auto limit = backend_body_limit(type);
  return limit ? std::optional(std::min(*limit, message_limit)) : std::nullopt;
}

}  // namespace

ListenerSession::ListenerSession(WorkerEngine& engine, SharedListener& listener,
                                 std::shared_ptr<const ServerAccess> access, DialRound round)
    : ServerConnection(Role::listener),
      engine_(engine),
      listener_(listener),
      access_(std::move(access)),
      round_(std::move(round)),
      endpoint_(round_.host()),
      framer_(&everything, body_limit),
      login_(std::make_unique<ServerLogin>(
          engine, *this,
          std::vector<Parameters::Value>{{"application_name", std::string(listener_name)},
                                         {"client_encoding", listener.name().encoding}})) {
  connected_ = engine.now();
}

ListenerSession::~ListenerSession() = default;

void ListenerSession::log(LogLevel level, std::string text) {
  engine_.log(level, 'S', *this, access_->route, peer_, std::move(text), {0, backend_pid_});
}

// ---- login ----

void ListenerSession::on_dialed(const DialResult& result) {
  if (!result.connected) return login_failed(refusal_text(Refusal::server_unreachable, result.error), false);
  peer_ = result.peer;
  login_->start(endpoint_);
}

void ListenerSession::on_tls(const std::string& error) {
  if (login_) login_->on_tls(error);
}

void ListenerSession::on_key(const Digest& salted_password) {
  if (login_) login_->on_key(salted_password);
}

void ListenerSession::login_done(SharedParameters, std::int32_t backend_pid, std::string, ServerRole role) {
  if (!round_.takes(role)) {
    return login_failed(
        refusal_text(Refusal::server_unreachable,
                     endpoint_.name() + " " + std::string(describe(role)) + ": LISTEN is not possible there"),
        false);
  }
  backend_pid_ = backend_pid;
  login_.reset();
  engine_.set_timer(*this, never);
  if (engine_.settings().log.connections) log(LogLevel::info, "listens for the database");
  listener_.logged_in();
}

void ListenerSession::login_failed(const ErrorText& error, bool server_said_no) {
  if (over_) return;
  over_ = true;
  log(LogLevel::warning, "login of the listening connection failed: " + error.message);
  engine_.count(CloseReason::login_failed);
  engine_.end(*this);
  // Out of resources (53...), starting up or shutting down (57P0...): that is not for who it is.
  const bool passes = error.sqlstate.starts_with("53") || error.sqlstate.starts_with("57P");
  listener_.lost(server_said_no && !passes);
}

// ---- from the server ----

void ListenerSession::on_bytes(Bytes bytes) {
  if (!over_ && login_ && login_->on_raw(bytes)) return;
  while (!over_) {
    const auto piece = framer_.next(bytes);
    if (!piece) break;
    if (!piece->last) continue;
    if (login_) {
      login_->on_message(piece->type, piece->body);
    } else {
      on_message(piece->type, piece->body);
    }
  }
  if (!over_ && framer_.error()) broken("the server sent a message that the protocol does not know");
}

void ListenerSession::on_message(char type, Bytes body) {
  switch (type) {
    case 'A': {
      const auto notification = read_notification_response(body);
      if (!notification) return broken("the server sent a notification that cannot be read");
      Writer message;
      message.begin('A').bytes(body).end();
      return listener_.notification(notification->channel, message.view());
    }
    case 'E':
      return broken("the server says: " + error_text(body).message);
    case 'Z':
      if (!std::exchange(asked_, false)) return broken("the server sent an answer to nothing that was asked");
      return listener_.query_done();
    case 'C':
    case 'N':
    case 'S':
      return;
    default:
      return broken("the server sent an answer to nothing that was asked");
  }
}

void ListenerSession::query(Bytes sql) {
  asked_ = true;
  requested_ = engine_.now();
  Writer message;
  write_query(message, sql);
  engine_.send_copy(*this, message.view());
}

void ListenerSession::broken(const std::string& why) {
  if (over_) return;
  over_ = true;
  engine_.count(CloseReason::listener_lost);
  log(LogLevel::warning, "the listening connection is lost, notifications may be missing: " + why);
  engine_.end(*this);
  listener_.lost();
}

void ListenerSession::on_closed(const std::string& error) {
  const std::string why = "the server closed the connection" + (error.empty() ? std::string() : ": " + error);
  if (login_) return login_failed(refusal_text(Refusal::server_unreachable, why), false);
  broken(why);
}

void ListenerSession::on_timer() {
  login_failed(
      refusal_text(Refusal::server_unreachable,
                   "no login to the server within server_connect_timeout (" + login_->progress() + ")"),
      false);
}

void ListenerSession::retire(CloseReason reason) {
  over_ = true;
  engine_.count(reason);
  if (engine_.settings().log.disconnections)
    log(LogLevel::info, "closing: " + std::string(row(reason).label));
  if (!login_) {
    Writer message;
    write_terminate(message);
    engine_.send_copy(*this, message.view());
  }
  engine_.end(*this);
}

ServerSnapshot ListenerSession::snapshot() const {
  ServerSnapshot result;
  result.id = serial();
  result.user = access_->login_user();
  if (tls() != nullptr) result.tls = tls()->description;
  result.database = access_->route.database;
  result.application_name = listener_name;
  result.state = login_ ? ServerState::login : ServerState::active;
  result.peer = peer_;
  result.connected = connected_;
  result.requested = requested_;
  result.backend_pid = backend_pid_;
  return result;
}

}  // namespace pgweir
