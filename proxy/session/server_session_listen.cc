// Notifications, and how what a client listens to gets to the shared connection.

#include "protocol/backend.h"
#include "protocol/message.h"
#include "proxy/session/client_session.h"
#include "proxy/session/error_text.h"
#include "proxy/session/listen_hub.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

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
  if (client_->listens() && client_->listening().left_server(notification->channel)) return;
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

}  // namespace pgweir
