#pragma once
// The login of pgweir to a server, from SSLRequest or StartupMessage to ReadyForQuery. The server is not
// trusted: it gets the password only in ways that were allowed, has to prove itself when it asks for SCRAM,
// and may not make us work without end.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/parameters.h"
#include "protocol/scram.h"
#include "proxy/session/host.h"
#include "proxy/session/server_role.h"
#include "proxy/session/tls_request.h"

namespace pgweir {

class ServerConnection;
class WorkerEngine;

class ServerLogin {
 public:
  // `parameters` go into the StartupMessage.
  ServerLogin(WorkerEngine& engine, ServerConnection& server, std::vector<Parameters::Value> parameters = {})
      : engine_(engine), server_(server), startup_parameters_(std::move(parameters)) {}

  // The connection to `endpoint` is up.
  void start(const Endpoint& endpoint);
  // Bytes before the first message: true when they were the answer to the question for TLS.
  bool on_raw(Bytes bytes);
  void on_tls(const std::string& error);
  void on_message(char type, Bytes body);
  // The salted password that was asked for.
  void on_key(const Digest& salted_password);
  // Where it stands, for an error text.
  std::string progress() const;

 private:
  void send_startup();
  void authentication(Bytes body);
  void send_password(Bytes password);
  void start_sasl(const std::vector<Bytes>& mechanisms);
  void answer_challenge(Bytes data);
  void prove(const ScramKeys& keys);
  void no_password(Bytes method);
  void ready();
  void fail(std::string message, std::string hint = {});

  WorkerEngine& engine_;
  ServerConnection& server_;
  std::vector<Parameters::Value> startup_parameters_;
  std::optional<TlsRequest> tls_request_;
  bool started_ = false, authenticated_ = false, waiting_for_key_ = false, role_asked_ = false;
  ServerRole role_ = ServerRole::unknown;
  Parameters parameters_;
  std::int32_t backend_pid_ = 0;
  std::string secret_;
  std::optional<ScramClient> scram_;
  ScramClient::Challenge challenge_;
  std::string password_;  // that the key is being made from
};

}  // namespace pgweir
