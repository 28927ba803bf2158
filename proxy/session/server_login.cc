#include "proxy/session/server_login.h"

#include <algorithm>
#include <array>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/startup.h"
#include "proxy/session/error_text.h"
#include "proxy/session/refusal.h"
#include "proxy/session/server_connection.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

// More parameters than any server reports.
constexpr std::size_t most_reported = 1000;

}  // namespace

void ServerLogin::start(const Endpoint& endpoint) {
  const TlsMode mode = server_.access().target.tls;
  if (!TlsRequest::wanted(mode, endpoint)) return send_startup();
  tls_request_.emplace(engine_, server_, endpoint, mode);
  tls_request_->send();
}

bool ServerLogin::on_raw(Bytes bytes) {
  if (!tls_request_) return false;
  switch (tls_request_->on_bytes(bytes)) {
    case TlsRequest::Answer::encrypting:
      return true;
    case TlsRequest::Answer::in_clear:
      tls_request_.reset();
      send_startup();
      return true;
    case TlsRequest::Answer::error:
      tls_request_.reset();
      return false;
    case TlsRequest::Answer::failed:
      fail(tls_request_->why());
      return true;
  }
  return true;
}

void ServerLogin::on_tls(const std::string& error) {
  if (!error.empty()) return fail("TLS with the server failed: " + error);
  tls_request_.reset();
  send_startup();
}

void ServerLogin::send_startup() {
  started_ = true;
  const ServerAccess& access = server_.access();
  StartupMessage startup;
  startup.user = access.login_user();
  startup.database = access.target.dbname.empty() ? access.route.database : access.target.dbname;
  startup.parameters = startup_parameters_;
  if (access.replication) {
    startup.replication = access.replication->replication;
    startup.options = access.replication->options;
    startup.parameters = access.replication->parameters;
  }
  Writer message;
  write_startup(message, startup);
  engine_.send_copy(server_, message.view());
}

std::string ServerLogin::progress() const {
  if (!started_ && !tls_request_) return "the connection could not be made";
  if (!started_) return "connected, but not encrypted";
  if (!authenticated_) return "connected, but not authenticated";
  return "authenticated, but not ready";
}

void ServerLogin::on_message(char type, Bytes body) {
  switch (type) {
    case 'R':
      return authentication(body);
    case 'S': {
      const auto status = read_parameter_status(body);
      if (!status || parameters_.values().size() >= most_reported)
        return fail("the server sent a ParameterStatus that cannot be read");
      return parameters_.set(status->name, status->value);
    }
    case 'K': {
      const auto key = read_backend_key_data(body);
      if (!key) return fail("the server sent a BackendKeyData that cannot be read");
      backend_pid_ = static_cast<std::int32_t>(key->pid);
      secret_ = key->secret;
      return;
    }
    case 'E':
      return server_.login_failed(error_text(body), true);
    case 'N':
      return;
    case 'Z':
      if (!authenticated_) return fail("the server was ready before it had authenticated anybody");
      return ready();
    case 'T':
    case 'C':
      if (role_asked_) return;
      return fail("the server sent an unexpected message during the login");
    case 'D': {
      const auto role = role_asked_ ? read_role(body) : std::nullopt;
      if (!role) return fail("the server sent an unexpected message during the login");
      role_ = *role;
      return;
    }
    default:
      return fail("the server sent an unexpected message during the login");
  }
}

void ServerLogin::ready() {
  if (role_ == ServerRole::unknown) role_ = reported_role(parameters_);
  const ServerAccess& access = server_.access();
  if (role_ == ServerRole::unknown && access.target.attrs != SessionAttrs::any && !access.replication) {
    if (role_asked_) return fail("the server did not say whether it is a primary");
    role_asked_ = true;
    Writer message;
    write_query(message, role_question);
    return engine_.send_copy(server_, message.view());
  }
  server_.login_done(engine_.parameters().intern(std::move(parameters_)), backend_pid_, std::move(secret_),
                     role_);
}

void ServerLogin::authentication(Bytes body) {
  const auto request = read_authentication(body);
  if (!request || authenticated_)
    return fail("the server sent an authentication request that makes no sense");
  const ServerAccess& access = server_.access();
  switch (request->kind) {
    case AuthenticationKind::ok:
      // A server that does not finish SCRAM has not proved that it knows the password.
      if (scram_ && !scram_->finished())
        return fail("the server skipped its proof that it knows the password");
      authenticated_ = true;
      return;
    case AuthenticationKind::cleartext_password:
      if (!engine_.settings().auth.server_allow_cleartext) {
        return fail("the server asks for the password in clear text, which is not allowed",
                    "Let the server use scram-sha-256, or set auth.server_allow_cleartext.");
      }
      if (!std::holds_alternative<PlainPassword>(parse_secret(access.target.password)) ||
          access.target.password.empty())
        return no_password("a password in clear text");
      return send_password(access.target.password);
    case AuthenticationKind::md5_password: {
      const Secret secret = parse_secret(access.target.password);
      const std::string& user = access.login_user();
      std::optional<Md5Verifier> verifier;
      if (const auto* const stored = std::get_if<Md5Verifier>(&secret)) verifier = *stored;
      if (const auto* const plain = std::get_if<PlainPassword>(&secret);
          plain != nullptr && !plain->text.empty()) {
        verifier = md5_verifier(plain->text, user);
      }
      const auto response = verifier ? md5_response(*verifier, request->salt) : std::nullopt;
      if (!response) return no_password("an md5 password");
      return send_password(*response);
    }
    case AuthenticationKind::sasl:
      return start_sasl(request->mechanisms);
    case AuthenticationKind::sasl_continue:
      return answer_challenge(request->data);
    case AuthenticationKind::sasl_final: {
      if (!scram_) return fail("the server ended a SASL exchange that had not begun");
      const auto verified = scram_->verify(request->data);
      if (!verified) return fail("SCRAM with the server failed: " + std::string(describe(verified.error())));
      return;
    }
    case AuthenticationKind::other:
      return fail("the server asks for authentication method " + std::to_string(request->code) +
                  ", which pgweir does not do");
  }
}

void ServerLogin::send_password(Bytes password) {
  Writer message;
  write_password(message, password);
  engine_.send_copy(server_, message.view());
}

void ServerLogin::start_sasl(const std::vector<Bytes>& mechanisms) {
  if (scram_ || std::find(mechanisms.begin(), mechanisms.end(), scram_mechanism) == mechanisms.end()) {
    return fail("the server offers no SASL mechanism that pgweir does");
  }
  std::array<char, scram_nonce_size> nonce{};
  engine_.host().random(nonce);
  scram_.emplace(base64_encode({nonce.data(), nonce.size()}));
  Writer message;
  write_sasl_initial_response(message, scram_mechanism, Bytes(scram_->client_first()));
  engine_.send_copy(server_, message.view());
}

void ServerLogin::answer_challenge(Bytes data) {
  if (!scram_ || waiting_for_key_) return fail("the server went on with a SASL exchange that had not begun");
  const auto cap = static_cast<std::uint32_t>(engine_.settings().auth.server_max_scram_iterations);
  const auto challenge = scram_->challenge(data, cap);
  if (!challenge) {
    return fail(
        "SCRAM with the server failed: " + std::string(describe(challenge.error())),
        challenge.error() == ScramError::too_many_iterations ? "See auth.server_max_scram_iterations." : "");
  }
  challenge_ = *challenge;
  const ServerAccess& access = server_.access();
  const std::string& user = access.login_user();
  const Secret secret = parse_secret(access.target.password);
  const auto* const plain = std::get_if<PlainPassword>(&secret);
  if (plain == nullptr || plain->text.empty()) {
    if (const auto keys = engine_.credentials().learnt(user, challenge_)) return prove(*keys);
    return no_password("SCRAM");
  }
  if (const Digest* const salted = engine_.credentials().salted(plain->text, challenge_))
    return prove(scram_keys(*salted));
  waiting_for_key_ = true;
  password_ = plain->text;
  engine_.derive_key(server_.id(), plain->text, challenge_.salt, static_cast<int>(challenge_.iterations));
}

void ServerLogin::on_key(const Digest& salted_password) {
  if (!waiting_for_key_) return;
  waiting_for_key_ = false;
  engine_.credentials().keep_salted(password_, challenge_, salted_password);
  wipe(password_);
  prove(scram_keys(salted_password));
}

void ServerLogin::prove(const ScramKeys& keys) {
  const auto answer = scram_->final_message(keys);
  if (!answer) return fail("SCRAM with the server failed: " + std::string(describe(answer.error())));
  Writer message;
  write_sasl_response(message, *answer);
  engine_.send_copy(server_, message.view());
}

void ServerLogin::no_password(Bytes method) {
  const std::string& user = server_.access().login_user();
  fail("the server asks for " + std::string(method) + ", and pgweir has none that fits for user \"" + user +
           "\"",
       "Give a password in [users] or [databases]; with a SCRAM verifier there, it must equal the server's, "
       "and the "
       "client must log in by SCRAM.");
}

void ServerLogin::fail(std::string message, std::string hint) {
  server_.login_failed(refusal_text(Refusal::server_login_failed, std::move(message), {}, std::move(hint)),
                       true);
}

}  // namespace pgweir
