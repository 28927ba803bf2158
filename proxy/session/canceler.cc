#include "proxy/session/canceler.h"

#include "protocol/startup.h"
#include "proxy/session/plant.h"
#include "proxy/session/server_session.h"
#include "proxy/session/tls_request.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

class Canceler final : public Connection {
 public:
  Canceler(WorkerEngine& engine, ServerSession& server, std::uint64_t request, std::int32_t backend_pid,
           std::string secret)
      : Connection(Role::canceler),
        engine_(engine),
        pool_(server.pool()),
        server_(server.id()),
        request_(request),
        backend_pid_(backend_pid),
        secret_(std::move(secret)) {}

  void on_dialed(const DialResult& result) override {
    auto* const server = static_cast<ServerSession*>(engine_.find(server_));
    if (!result.connected || server == nullptr) return finish(true);
    // Its secret is not for others to read.
    if (server->tls() != nullptr) {
      tls_request_.emplace(engine_, *this, server->endpoint(), pool_.target.tls);
      return tls_request_->send();
    }
    send();
  }
  void on_tls(const std::string& error) override {
    if (!error.empty()) return finish(true);
    send();
  }
  // PostgreSQL answers nothing else on this connection.
  void on_bytes(Bytes bytes) override {
    if (!tls_request_ || sent_) return;
    if (tls_request_->on_bytes(bytes) != TlsRequest::Answer::encrypting) finish(true);
  }
  void on_closed(const std::string& error) override { finish(error.empty() || !sent_); }
  void on_timer() override { finish(!sent_); }

 private:
  void send() {
    auto* const server = static_cast<ServerSession*>(engine_.find(server_));
    if (server == nullptr) return finish(true);
    if (!server->still_running(request_) && !planted(Bug::cancel_wrong_server)) return finish(true);
    Writer message;
    write_cancel_request(message, static_cast<std::uint32_t>(backend_pid_), secret_);
    engine_.send_copy(*this, message.view());
    sent_ = true;
    server->cancel_sent();
  }

  void finish(bool settled) {
    --pool_.cancel_dials;
    engine_.touch(pool_);
    engine_.end(*this);
    if (auto* const server = static_cast<ServerSession*>(engine_.find(server_)))
      server->cancel_carried(sent_, settled);
  }

  WorkerEngine& engine_;
  PoolEntry& pool_;
  const ConnId server_;
  const std::uint64_t request_;
  const std::int32_t backend_pid_;
  const std::string secret_;
  std::optional<TlsRequest> tls_request_;
  bool sent_ = false;
};

}  // namespace

void start_cancel(WorkerEngine& engine, ServerSession& server, std::uint64_t request,
                  std::int32_t backend_pid, const std::string& secret) {
  auto canceler = std::make_unique<Canceler>(engine, server, request, backend_pid, secret);
  Connection& connection = *canceler;
  const ConnId id = engine.add(std::move(canceler));
  engine.set_timer(connection, engine.now() + engine.settings().pool.cancel_wait_timeout);
  engine.host().dial(id, server.cancel_endpoint());
}

}  // namespace pgweir
