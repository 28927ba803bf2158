// What the operator orders on the console, as far as a worker has to do it.

#include <algorithm>

#include "proxy/session/client_session.h"
#include "proxy/session/error_text.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {
namespace {

// As PgBouncer's suspend_timeout by default.
constexpr Duration suspend_patience = std::chrono::seconds(10);

// PgBouncer's words.
ErrorText killed_text() { return refusal_text(Refusal::killed, "admin forced disconnect"); }

bool concerns(const std::string& database, const Route& route) {
  return database.empty() || route.database == database;
}

}  // namespace

void WorkerEngine::on_mail(OrderGiven& mail) {
  learn_gates(std::move(mail.gates));
  switch (mail.act) {
    case OrderGiven::Act::learn:
      return host_.post_control(OrderDone{mail.ticket});
    case OrderGiven::Act::kill:
      kill(mail.database);
      return host_.post_control(OrderDone{mail.ticket});
    case OrderGiven::Act::kill_client:
      return host_.post_control(OrderDone{mail.ticket, kill_client(mail.connection)});
    case OrderGiven::Act::await_closed:
    case OrderGiven::Act::await_renewed:
    case OrderGiven::Act::await_flushed:
      orders_.push_back(std::move(mail));
  }
}

void WorkerEngine::on_mail(OrderForgotten& mail) {
  std::erase_if(orders_, [&](const OrderGiven& order) { return order.ticket == mail.ticket; });
}

// ---- gates ----

bool WorkerEngine::is_outdated(const ServerSession& server) const {
  const std::string& database = server.pool().route.database;
  return gates_->is_paused(database) || server.age() < gates_->age(database);
}

bool WorkerEngine::stands_still(const Connection& connection) const {
  if (gates_->all != Gates::All::suspended) return false;
  if (connection.role() == Connection::Role::server)
    return static_cast<const ServerSession&>(connection).state() != ServerState::login;
  return connection.role() == Connection::Role::client &&
         static_cast<const ClientSession&>(connection).serving();
}

void WorkerEngine::learn_gates(std::shared_ptr<const Gates> gates) {
  const auto before = std::exchange(gates_, std::move(gates));
  for (auto& [route, pool] : pools_) {
    pool->shard.set_shut(gates_->is_shut(route.database));
    close_outdated(*pool);
    touch(*pool);
  }
  listening_.gates_changed(*before);
  const bool suspended = gates_->all == Gates::All::suspended;
  if (suspended == (before->all == Gates::All::suspended)) return;
  suspend_until_ = suspended ? now_ + suspend_patience : never;
  connections_.for_each([&](Connection& connection) {
    if (connection.ended_ || connection.host_gone_) return;
    if (suspended && stands_still(connection)) host_.set_reading(connection.id(), false);
    if (!suspended) host_.set_reading(connection.id(), connection.reading_);
  });
}

void WorkerEngine::stand_still(ClientSession& client) {
  if (stands_still(client)) host_.set_reading(client.id(), false);
}

void WorkerEngine::close_outdated(PoolEntry& pool) {
  if (pool.shard.idle() == 0) return;
  connections_.for_each([&](Connection& connection) {
    if (connection.ended_ || connection.role() != Connection::Role::server) return;
    auto& server = static_cast<ServerSession&>(connection);
    if (&server.pool() != &pool || server.state() != ServerState::idle || !is_outdated(server)) return;
    pool.shard.take(server.id());
    server.retire(CloseReason::ordered);
  });
}

// ---- kill ----

void WorkerEngine::kill(const std::string& database) {
  std::vector<ClientSession*> clients;
  std::vector<ServerSession*> servers;
  connections_.for_each([&](Connection& connection) {
    if (connection.ended_) return;
    if (connection.role() == Connection::Role::client) {
      auto& client = static_cast<ClientSession&>(connection);
      if (client.is_application() && concerns(database, client.route())) clients.push_back(&client);
    } else if (connection.role() == Connection::Role::server) {
      auto& server = static_cast<ServerSession&>(connection);
      if (concerns(database, server.pool().route)) servers.push_back(&server);
    }
  });
  for (ClientSession* const client : clients) client->refuse(Refusal::killed, killed_text());
  for (ServerSession* const server : servers) {
    // One that is on its way in is closed when it has come.
    const bool out = server->state() == ServerState::closing || server->state() == ServerState::login;
    if (!out) server->condemn(CloseReason::killed, killed_text());
  }
}

bool WorkerEngine::kill_client(std::uint64_t serial) {
  ClientSession* found = nullptr;
  connections_.for_each([&](Connection& connection) {
    if (!connection.ended_ && connection.role() == Connection::Role::client && connection.serial() == serial)
      found = static_cast<ClientSession*>(&connection);
  });
  if (found == nullptr || !found->is_application()) return false;
  found->refuse(Refusal::killed, killed_text());
  return true;
}

// ---- waiting ----

bool WorkerEngine::is_done(const OrderGiven& order) {
  if (order.act == OrderGiven::Act::await_closed) {
    if (listening_.connected(order.database)) return false;
    return std::all_of(pools_.begin(), pools_.end(), [&](const auto& entry) {
      const PoolEntry& pool = *entry.second;
      return !concerns(order.database, pool.route) || (pool.shard.open() == 0 && pool.cancel_dials == 0);
    });
  }
  bool done = true;
  connections_.for_each([&](Connection& connection) {
    if (connection.ended_) return;
    if (order.act == OrderGiven::Act::await_flushed) {
      done = done && (!stands_still(connection) || connection.out().empty());
    } else if (connection.role() == Connection::Role::server) {
      const auto& server = static_cast<const ServerSession&>(connection);
      done = done && !(concerns(order.database, server.pool().route) && server.close_needed());
    }
  });
  return done;
}

void WorkerEngine::look_at_orders() {
  std::erase_if(orders_, [&](const OrderGiven& order) {
    if (!is_done(order)) return false;
    host_.post_control(OrderDone{order.ticket});
    return true;
  });
}

void WorkerEngine::give_up_suspending() {
  suspend_until_ = never;
  std::vector<Connection*> stuck;
  connections_.for_each([&](Connection& connection) {
    if (!connection.ended_ && stands_still(connection) && !connection.out().empty())
      stuck.push_back(&connection);
  });
  for (Connection* const connection : stuck) {
    if (connection->ended_) continue;
    if (connection->role() == Connection::Role::client) {
      static_cast<ClientSession*>(connection)->leave("it took nothing while everything was suspended");
    } else {
      static_cast<ServerSession*>(connection)
          ->condemn(CloseReason::ordered,
                    refusal_text(Refusal::server_lost, "the server took nothing while pgweir was suspended"));
    }
  }
}

}  // namespace pgweir
