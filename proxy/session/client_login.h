#pragma once
// The login of a client: from its first byte to ReadyForQuery. The part of the product that strangers talk
// to: nothing is kept beyond fixed limits, every packet is checked before it is believed, and unknown users
// see the same exchange as known ones.

#include <optional>
#include <string>

#include "protocol/parameters.h"
#include "protocol/scram.h"
#include "protocol/startup.h"
#include "proxy/session/host.h"
#include "proxy/session/refusal.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

class ClientSession;
class ServerSession;
class WorkerEngine;

class ClientLogin {
 public:
  // As WorkerCore::on_accept.
  ClientLogin(WorkerEngine& engine, ClientSession& client, long descriptors)
      : engine_(engine), client_(client), descriptors_(descriptors) {}

  void on_bytes(Bytes bytes);
  void on_tls(const std::string& error);
  // The salted password that was asked for.
  void on_key(const Digest& salted_password);
  // A client slot was granted, or there are none: then `in_use` clients are connected.
  void on_client_slot(bool granted, int in_use);
  // The limits of its database and its user have been looked at.
  void on_admitted(const ClientAdmitted& answer);
  // The server that the login has been waiting for.
  void take_server(ServerSession& server);
  // The server has taken the client's parameters.
  void parameters_checked();
  // It has said that it wants a database, not the console.
  bool is_application() const { return !startup_.user.empty() && !console_; }
  // It was accepted as one of the last file descriptors: it leaves, since others need them.
  void give_way();
  // The cancel that this connection asked for is bound to its target.
  void cancel_handled();

 private:
  enum class State : std::uint8_t {
    startup,
    encryption,
    cancel,
    client_slot,
    key,
    md5_response,
    sasl_initial,
    sasl_final,
    admission,
    server,
    parameters,
    finished
  };

  // Each takes what it can of the buffer; false when more bytes, or something else, has to come first.
  bool step();
  bool take_startup();
  bool take_password();

  void start(StartupMessage message);
  bool place();
  bool can_encrypt() const;
  void authenticate();
  std::optional<AuthType> method_by_rules(const AuthSettings& auth);
  void challenge_md5(const std::string& expected);
  void challenge_scram(ScramVerifier verifier);
  void answer_md5(Bytes body);
  void answer_sasl_initial(Bytes body);
  void answer_sasl_final(Bytes body);
  void wrong_password();
  void authenticated();
  void welcome();
  std::vector<Parameters::Value> asked_for() const;
  void prepare(ServerSession* server);
  bool is_operator() const;
  void finish_console();
  WorkerEngine::CancelKey tell_cancel_key(Writer& message);
  void finish();
  void refuse(Refusal refusal, std::string message, std::string detail = {}, std::string hint = {});
  void send(Bytes bytes);

  WorkerEngine& engine_;
  ClientSession& client_;
  const long descriptors_;
  State state_ = State::startup;
  bool ssl_asked_ = false, gss_asked_ = false;
  bool direct_ = false;  // TLS began without SSLRequest
  std::string buffer_;
  StartupMessage startup_;
  bool console_ = false;
  std::string expected_md5_;
  std::optional<ScramServer> scram_;
  ScramVerifier verifier_;
};

}  // namespace pgweir
