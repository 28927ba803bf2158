#pragma once
// The shared listening connection of a pool: its login, then LISTEN and UNLISTEN as its ListenHub asks, and
// notifications. It is none of the pool's servers: it has no slot and serves no client.

#include <memory>
#include <optional>
#include <string>

#include "protocol/framer.h"
#include "proxy/session/host_choice.h"
#include "proxy/session/refusal.h"
#include "proxy/session/server_connection.h"

namespace pgweir {

class ServerLogin;
class WorkerEngine;

// How it is called in pg_stat_activity and in SHOW SERVERS.
inline constexpr Bytes listener_name = "pgweir listener";

class ListenerSession final : public ServerConnection {
 public:
  ListenerSession(WorkerEngine& engine, PoolEntry& pool, DialRound round, const std::string& encoding);
  ~ListenerSession() override;

  void on_bytes(Bytes bytes) override;
  void on_dialed(const DialResult& result) override;
  void on_closed(const std::string& error) override;
  void on_timer() override;
  void on_key(const Digest& salted_password) override;
  void on_tls(const std::string& error) override;
  void login_done(SharedParameters parameters, std::int32_t backend_pid, std::string secret,
                  ServerRole role) override;
  void login_failed(const ErrorText& error, bool server_said_no) override;

  const Endpoint& endpoint() const { return endpoint_; }
  void query(Bytes sql);
  // Closes it; the hub has forgotten it.
  void retire(CloseReason reason);
  ServerSnapshot snapshot() const;

 private:
  void on_message(char type, Bytes body);
  void broken(const std::string& why);
  void log(LogLevel level, std::string text);

  WorkerEngine& engine_;
  DialRound round_;
  const Endpoint endpoint_;
  Framer framer_;
  bool asked_ = false;  // a query is being answered
  bool over_ = false;
  std::int32_t backend_pid_ = 0;
  PeerAddress peer_;
  Instant requested_{};
  std::unique_ptr<ServerLogin> login_;
};

}  // namespace pgweir
