// What others see of it.

#include "proxy/session/client_session.h"
#include "proxy/session/server_login.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

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
          .age = age_,
          .parameters = parameters_->values(),
          .settings = settings_->values(),
          .statements = statements_.pack(),
          .welcome = pool_.welcome->values()};
}

bool ServerSession::close_needed() const {
  return state_ == ServerState::closing || engine_.is_outdated(*this) ||
         target_version_ != pool_.target_version;
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
  if (tls() != nullptr) result.tls = tls()->description;
  result.state = state_;
  result.peer = peer_;
  result.connected = connected_;
  result.requested = requested_;
  result.backend_pid = backend_pid_;
  result.close_needed = close_needed();
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
