#pragma once
// The listening connection of a database: its login, then LISTEN and UNLISTEN as its SharedListener asks, and
// notifications. It is no pool's server: it has no slot and serves no client.
//
// Made by its SharedListener, which forgets it when it has called `lost` or `retire`; owned by the engine.

#include <memory>
#include <optional>
#include <string>

#include "protocol/framer.h"
#include "proxy/session/host_choice.h"
#include "proxy/session/refusal.h"
#include "proxy/session/server_connection.h"

namespace pgweir {

class ServerLogin;
class SharedListener;
class WorkerEngine;

// How it is called in pg_stat_activity and in SHOW SERVERS.
inline constexpr Bytes listener_name = "pgweir listener";

class ListenerSession final : public ServerConnection {
 public:
  // `access`: who logs in.
  ListenerSession(WorkerEngine& engine, SharedListener& listener, std::shared_ptr<const ServerAccess> access,
                  DialRound round);
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

  const ServerAccess& access() const override { return *access_; }
  const Endpoint& endpoint() const { return endpoint_; }
  void query(Bytes sql);
  // Closes it; the SharedListener has forgotten it.
  void retire(CloseReason reason);
  ServerSnapshot snapshot() const;

 private:
  void on_message(char type, Bytes body);
  void broken(const std::string& why);
  void log(LogLevel level, std::string text);

  WorkerEngine& engine_;
  SharedListener& listener_;
  const std::shared_ptr<const ServerAccess> access_;
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
