#include "proxy/session/client_login.h"

#include <algorithm>
#include <array>

#include "admin/console.h"
#include "admin/console_parameters.h"
#include "admin/hba.h"
#include "admin/setting.h"
#include "pool/placement.h"
#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/message.h"
#include "protocol/reader.h"
#include "proxy/session/client_session.h"
#include "proxy/session/error_text.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

// What is kept of a client that has not logged in yet, at most; the largest packet it may send fits.
constexpr std::size_t buffer_limit = 70'000;

// The first byte of a TLS record that carries a handshake (RFC 8446, 5.1).
constexpr char tls_handshake_record = 0x16;

bool is_console_name(const std::string& database) { return database == "pgweir" || database == "pgbouncer"; }

// A value that every server takes and reports as it is: most clients have one of their own, and none of them
// should have to wait for a server to hear that (NAMEDATALEN in pg_config_manual.h; check_application_name).
bool is_plain_application_name(Bytes name, Bytes value) {
  constexpr std::size_t longest = 63;
  return name == "application_name" && value.size() <= longest &&
         std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
}

}  // namespace

void ClientLogin::on_bytes(Bytes bytes) {
  if (state_ == State::finished) return;
  if (buffer_.size() + bytes.size() > buffer_limit) {
    return refuse(Refusal::protocol_violation, "more was sent during the login than fits");
  }
  buffer_ += bytes;
  while (step()) {
  }
}

bool ClientLogin::step() {
  switch (state_) {
    case State::startup:
      return take_startup();
    case State::md5_response:
    case State::sasl_initial:
    case State::sasl_final:
      return take_password();
    case State::encryption:
    case State::cancel:
    case State::client_slot:
    case State::key:
    case State::admission:
    case State::server:
    case State::parameters:
    case State::finished:
      return false;
  }
  return false;
}

bool ClientLogin::can_encrypt() const {
  return engine_.settings().client_tls.mode != TlsMode::disable && client_.tls() == nullptr &&
         client_.peer().address != "unix";
}

void ClientLogin::on_tls(const std::string& error) {
  if (state_ != State::encryption) return;
  // Without ALPN a client could be led here that meant to speak another protocol (RFC 7301).
  const bool led_here = error.empty() && direct_ && !client_.tls()->alpn;
  if (led_here || !error.empty()) {
    engine_.log(LogLevel::info, 'C', client_, {}, client_.peer(),
                "TLS failed: " + (led_here ? std::string("no ALPN \"postgresql\"") : error), {});
    return client_.leave("no encryption");
  }
  state_ = State::startup;
}

bool ClientLogin::take_startup() {
  if (buffer_.starts_with(tls_handshake_record) && !ssl_asked_ && can_encrypt()) {
    direct_ = true;
    state_ = State::encryption;
    engine_.start_tls(
        client_, {.server = true, .received = std::exchange(buffer_, {}), .mode = {}, .server_name = {}});
    return false;
  }
  if (buffer_.size() < 4) return false;
  const auto size = startup_body_size(Bytes(buffer_).substr(0, 4));
  if (!size) {
    const StartupError error = invalid_startup_length();
    refuse(Refusal::startup_malformed, error.message);
    return false;
  }
  if (buffer_.size() < 4 + *size) return false;
  StartupPacket packet = parse_startup(Bytes(buffer_).substr(4, *size));
  const bool ssl = std::holds_alternative<SslRequest>(packet);
  if (ssl || std::holds_alternative<GssEncRequest>(packet)) {
    bool& asked = ssl ? ssl_asked_ : gss_asked_;
    if (asked) {
      refuse(Refusal::protocol_violation, "encryption was requested twice");
      return false;
    }
    asked = true;
    buffer_.erase(0, 4 + *size);
    // What comes before our answer was sent in clear by somebody who may not be the client (CVE-2021-3935).
    if (!buffer_.empty()) {
      refuse(Refusal::plaintext_after_request, "received unencrypted data after a request for encryption",
             "This could be a client bug or an attempted man-in-the-middle attack.");
      return false;
    }
    if (!ssl || !can_encrypt()) {
      send("N");
      return false;
    }
    send("S");
    state_ = State::encryption;
    engine_.start_tls(client_, {.server = true, .received = {}, .mode = {}, .server_name = {}});
    return false;
  }
  if (const auto* const cancel = std::get_if<CancelRequest>(&packet)) {
    state_ = State::cancel;
    engine_.cancel_by_key({cancel->pid, cancel->secret, engine_.id(), client_.id()});
    return false;
  }
  if (const auto* const error = std::get_if<StartupError>(&packet)) {
    state_ = State::finished;
    // Whoever asks for a cancel gets no answer, as from PostgreSQL.
    if (Reader(Bytes(buffer_).substr(4)).u32() == cancel_request_code) {
      client_.leave("malformed cancel request");
      return false;
    }
    client_.refuse(Refusal::startup_malformed,
                   {std::string(error->sqlstate), error->message, {}, std::string(error->hint)});
    return false;
  }
  startup_ = std::get<StartupMessage>(std::move(packet));
  client_.set_route(
      {startup_.database, startup_.user, wants_replication(startup_) ? client_.serial() : std::uint64_t{0}});
  console_ = is_console_name(startup_.database);
  if (engine_.settings().client_tls.mode >= TlsMode::require && can_encrypt()) {
    refuse(Refusal::encryption_required, "this connection must be encrypted",
           "client_tls.sslmode is " + std::string(word_of(engine_.settings().client_tls.mode)) + ".",
           "Connect with sslmode=require or stronger.");
    return false;
  }
  if (descriptors_ != 0 && !console_) {
    give_way();
    return false;
  }
  if (!console_ && !place()) return false;
  buffer_.erase(0, 4 + *size);
  if (startup_.minor > 0 || !startup_.protocol_options.empty()) {
    Writer message;
    write_negotiate_protocol_version(message, 0, startup_.protocol_options);
    send(message.view());
  }
  if (engine_.draining() && !engine_.handed_over() && !console_) {
    refuse(Refusal::shutting_down, "pgweir is being shut down");
    return false;
  }
  state_ = State::client_slot;
  if (console_ || engine_.take_client_slot(client_)) {
    if (!console_) client_.holds_client_slot();
    authenticate();
  }
  return true;
}

// Whether the client stays on this worker; if not it has been mailed to one that hosts its pool.
bool ClientLogin::place() {
  // While draining a client stays where it is: the other worker may have said already that it has none.
  if (engine_.workers() == 1 || wants_replication(startup_) || engine_.draining()) return true;
  const Settings& settings = engine_.settings();
  if (settings.find_database(startup_.database) == nullptr) return true;
  const auto hosts =
      placement(client_.route(), settings.size_of(startup_.database, startup_.user), engine_.workers());
  if (std::find(hosts.begin(), hosts.end(), engine_.id()) != hosts.end()) return true;
  const WorkerId to = hosts[client_.id().number() % hosts.size()];
  state_ = State::finished;
  const PeerAddress peer = client_.peer();
  engine_.host().post(to, AdoptClient{client_.move_away(), peer, client_.connected(), std::move(buffer_)});
  return false;
}

void ClientLogin::on_client_slot(bool granted, int in_use) {
  if (!granted) {
    return refuse(Refusal::clients_full, "sorry, too many clients already",
                  std::to_string(in_use) + " of " + std::to_string(engine_.settings().pool.max_client_conn) +
                      " clients are connected.",
                  "Raise max_client_conn, or let the application keep fewer connections.");
  }
  client_.holds_client_slot();
  authenticate();
  while (step()) {
  }
}

// ---- authentication ----

// The machine has proved who that is: as PgBouncer, which calls this user after itself.
bool ClientLogin::is_operator() const {
  return console_ && client_.peer().own_user && is_console_name(startup_.user);
}

// How the client is to log in. Nothing: the rules refuse it, and it has been told so.
std::optional<AuthType> ClientLogin::method_by_rules(const AuthSettings& auth) {
  if (auth.type != AuthType::hba) return auth.type;
  const bool encrypted = client_.tls() != nullptr;
  const bool physical = wants_replication(startup_) && startup_.replication != "database";
  const HbaRule* const rule = find_hba_rule(auth.hba, {.address = client_.peer().address,
                                                       .encrypted = encrypted,
                                                       .physical_replication = physical,
                                                       .console = console_,
                                                       .database = startup_.database,
                                                       .user = startup_.user});
  if (rule != nullptr) {
    switch (rule->method) {
      case HbaMethod::trust:
        return AuthType::trust;
      case HbaMethod::md5:
        return AuthType::md5;
      case HbaMethod::scram_sha_256:
        return AuthType::scram_sha_256;
      case HbaMethod::reject:
        break;
    }
  }
  const bool local = client_.peer().address == "unix";
  const std::string who = "host \"" + (local ? std::string("[local]") : client_.peer().address) +
                          "\", user \"" + startup_.user + "\", database \"" +
                          (physical ? std::string("replication") : startup_.database) + "\", " +
                          (encrypted ? "SSL encryption" : "no encryption");
  refuse(Refusal::hba_refused,
         rule == nullptr ? "no entry of hba_file for " + who
                         : "an entry of hba_file rejects connections for " + who,
         {}, "Rules are tried from the top, and the first that fits counts.");
  return std::nullopt;
}

void ClientLogin::authenticate() {
  if (is_operator()) return authenticated();
  const AuthSettings& auth = engine_.settings().auth;
  const auto type = method_by_rules(auth);
  if (!type) return;
  if (*type == AuthType::trust) return authenticated();
  const UserSettings* const user = engine_.settings().find_user(startup_.user);
  const bool known = user != nullptr && !user->password.empty();
  const Secret secret = known ? parse_secret(user->password) : Secret{};
  if (const auto* const verifier = std::get_if<ScramVerifier>(&secret)) return challenge_scram(*verifier);
  if (*type == AuthType::md5) {
    const auto* const plain = std::get_if<PlainPassword>(&secret);
    const auto* const stored = std::get_if<Md5Verifier>(&secret);
    std::optional<Md5Verifier> verifier;
    if (stored != nullptr) verifier = *stored;
    if (plain != nullptr && known) verifier = md5_verifier(plain->text, startup_.user);
    std::array<char, 4> salt{};
    engine_.host().random(salt);
    const Bytes salt_bytes(salt.data(), salt.size());
    const auto expected = verifier ? md5_response(*verifier, salt_bytes) : std::nullopt;
    expected_md5_ = expected.value_or("");
    Writer message;
    write_authentication_md5_password(message, salt_bytes);
    send(message.view());
    state_ = State::md5_response;
    return;
  }
  const auto* const plain = std::get_if<PlainPassword>(&secret);
  const auto iterations = static_cast<std::uint32_t>(auth.scram_iterations);
  const std::string& process_secret = engine_.credentials().process_secret();
  if (!known || plain == nullptr)
    return challenge_scram(mock_verifier(startup_.user, process_secret, iterations));
  if (const auto* const made = engine_.credentials().verifier_of(startup_.user))
    return challenge_scram(*made);
  state_ = State::key;
  engine_.derive_key(client_.id(), plain->text, derived_salt(startup_.user, process_secret),
                     auth.scram_iterations);
}

void ClientLogin::on_key(const Digest& salted_password) {
  if (state_ != State::key) return;
  const AuthSettings& auth = engine_.settings().auth;
  ScramVerifier verifier =
      make_verifier(salted_password, derived_salt(startup_.user, engine_.credentials().process_secret()),
                    static_cast<std::uint32_t>(auth.scram_iterations));
  engine_.credentials().keep_verifier(startup_.user, verifier);
  challenge_scram(std::move(verifier));
  while (step()) {
  }
}

void ClientLogin::challenge_scram(ScramVerifier verifier) {
  std::array<char, scram_nonce_size> nonce{};
  engine_.host().random(nonce);
  verifier_ = verifier;
  scram_.emplace(std::move(verifier), base64_encode({nonce.data(), nonce.size()}));
  const std::array mechanisms{scram_mechanism};
  Writer message;
  write_authentication_sasl(message, mechanisms);
  send(message.view());
  state_ = State::sasl_initial;
}

bool ClientLogin::take_password() {
  if (buffer_.size() < 5) return false;
  Reader header(Bytes(buffer_).substr(0, 5));
  const char type = static_cast<char>(header.u8());
  const std::uint32_t length = header.u32();
  if (type != 'p' || length < 4 || length - 4 > password_message_limit) {
    refuse(Refusal::protocol_violation, "expected password response, got message type " +
                                            std::to_string(static_cast<unsigned char>(type)));
    return false;
  }
  if (buffer_.size() < length + 1) return false;
  std::string body = buffer_.substr(5, length - 4);
  buffer_.erase(0, length + 1);
  if (state_ == State::md5_response) {
    answer_md5(body);
  } else if (state_ == State::sasl_initial) {
    answer_sasl_initial(body);
  } else {
    answer_sasl_final(body);
  }
  wipe(body);
  return state_ != State::finished;
}

void ClientLogin::answer_md5(Bytes body) {
  const auto password = read_password(body);
  if (!password || expected_md5_.empty() || !equal_in_constant_time(*password, expected_md5_))
    return wrong_password();
  authenticated();
}

void ClientLogin::answer_sasl_initial(Bytes body) {
  const auto initial = read_sasl_initial_response(body);
  if (!initial || !initial->data) return refuse(Refusal::protocol_violation, "malformed SASL response");
  if (initial->mechanism != scram_mechanism) {
    return refuse(Refusal::protocol_violation, "client selected an invalid SASL authentication mechanism");
  }
  const auto answer = scram_->server_first(*initial->data);
  if (!answer)
    return refuse(Refusal::protocol_violation, "malformed SCRAM message",
                  std::string(describe(answer.error())));
  Writer message;
  write_authentication_sasl_continue(message, *answer);
  send(message.view());
  state_ = State::sasl_final;
}

void ClientLogin::answer_sasl_final(Bytes body) {
  const auto verified = scram_->server_final(body);
  if (!verified) {
    if (verified.error() == ScramError::wrong_proof) return wrong_password();
    return refuse(Refusal::protocol_violation, "malformed SCRAM message",
                  std::string(describe(verified.error())));
  }
  Writer message;
  write_authentication_sasl_final(message, verified->server_final);
  send(message.view());
  if (engine_.credentials().learn(startup_.user, verifier_, verified->client_key) && engine_.workers() > 1) {
    engine_.host().post_control(KeysLearned{startup_.user, verifier_, verified->client_key});
  }
  authenticated();
}

void ClientLogin::wrong_password() {
  refuse(Refusal::password_wrong, "password authentication failed for user \"" + startup_.user + "\"");
}

// ---- welcome ----

void ClientLogin::authenticated() {
  if (console_) return finish_console();
  const DatabaseSettings* const database = engine_.settings().find_database(startup_.database);
  if (database == nullptr) {
    return refuse(Refusal::database_unknown, "database \"" + startup_.database + "\" does not exist",
                  "pgweir has no [databases] entry for it and no \"*\".");
  }
  if (engine_.gates().disabled.contains(startup_.database)) {
    return refuse(Refusal::database_disabled, "database does not allow connections: " + startup_.database, {},
                  "ENABLE on the console lets clients in again.");
  }
  if (!wants_replication(startup_) && !parse_options(startup_.options)) {
    return refuse(Refusal::not_supported, "unsupported startup options: \"" + startup_.options + "\"",
                  "Of the switches in \"options\" only -c name=value and --name=value can be passed on.");
  }
  state_ = State::admission;
  if (engine_.admit(client_)) welcome();
}

void ClientLogin::on_admitted(const ClientAdmitted& answer) {
  const std::string in_use = std::to_string(answer.in_use) + " of " + std::to_string(answer.limit);
  switch (answer.full) {
    case ClientAdmitted::Full::none:
      return welcome();
    case ClientAdmitted::Full::database:
      return refuse(Refusal::database_clients_full,
                    "too many clients of database \"" + startup_.database + "\"",
                    in_use + " client connections of database " + startup_.database + " are in use.",
                    "Raise max_db_client_connections, or let the applications keep fewer connections.");
    case ClientAdmitted::Full::user:
      return refuse(Refusal::user_clients_full, "too many clients of user \"" + startup_.user + "\"",
                    in_use + " client connections of user " + startup_.user + " are in use.",
                    "Raise max_user_client_connections, or let the application keep fewer connections.");
  }
}

void ClientLogin::welcome() {
  // A reload may have taken it away meanwhile.
  const DatabaseSettings* const database = engine_.settings().find_database(startup_.database);
  if (database == nullptr) {
    return refuse(Refusal::database_unknown, "database \"" + startup_.database + "\" does not exist");
  }
  Writer message;
  write_authentication_ok(message);
  send(message.view());
  PoolEntry& pool = engine_.pool_of(client_.route(), *database);
  if (wants_replication(startup_)) {
    pool.replication = startup_;
    const auto& ignored = engine_.settings().pool.ignore_startup_parameters;
    const auto is_ignored = [&](Bytes name) {
      return std::find(ignored.begin(), ignored.end(), name) != ignored.end();
    };
    if (is_ignored("options")) pool.replication->options.clear();
    std::erase_if(pool.replication->parameters, [&](const auto& value) { return is_ignored(value.first); });
  }
  client_.enter(pool);
  state_ = State::server;
  if (pool.welcome) return prepare(nullptr);
  // The first client of a pool: wait for a server, to tell what servers report (and whether there is one).
  if (ServerSession* const server = engine_.acquire(client_)) prepare(server);
}

void ClientLogin::take_server(ServerSession& server) {
  if (state_ == State::server) return prepare(&server);
  client_.check_parameters(server);
}

// The parameters of the startup packet and in its options, those that are not ignored; later ones count.
std::vector<Parameters::Value> ClientLogin::asked_for() const {
  const auto& ignored = engine_.settings().pool.ignore_startup_parameters;
  const auto is_ignored = [&](Bytes name) {
    return std::find(ignored.begin(), ignored.end(), name) != ignored.end();
  };
  std::vector<Parameters::Value> values;
  if (!is_ignored("options")) {
    const auto options = parse_options(startup_.options);
    for (const auto& option : *options) {
      if (!is_ignored(option.first)) values.push_back(option);
    }
  }
  for (const auto& value : startup_.parameters) {
    if (!is_ignored(value.first)) values.push_back(value);
  }
  return values;
}

// The client's view of the parameters: what servers report, with what it asked for at startup.
void ClientLogin::prepare(ServerSession* server) {
  const PoolEntry& pool = *client_.pool();
  if (pool.replication) {
    client_.set_parameters(pool.welcome, engine_.no_parameters());
    client_.keep_server(*server);
    return finish();
  }
  Parameters parameters = *pool.welcome;
  bool sure = true;
  Parameters settings;
  for (const auto& [name, value] : asked_for()) {
    const std::string* const reported = parameters.find(name);
    const auto canonical = pool.canonical.find({name, value});
    const bool known = canonical != pool.canonical.end();
    if (reported == nullptr) {
      settings.set(name, value);
      sure = sure && known;
      continue;
    }
    if (!is_settable(name)) continue;
    sure = sure && (known || *reported == value || is_plain_application_name(name, value));
    parameters.set(name, known ? canonical->second : value);
  }
  client_.set_parameters(engine_.parameters().intern(std::move(parameters)),
                         engine_.parameters().intern(std::move(settings)));
  if (sure) {
    finish();
    if (server != nullptr) engine_.give(*server);
    return;
  }
  // Only a server can tell whether it takes these values, and how it writes them.
  state_ = State::parameters;
  if (server == nullptr) server = engine_.acquire(client_);
  if (server != nullptr) client_.check_parameters(*server);
}

void ClientLogin::parameters_checked() { finish(); }

void ClientLogin::finish() {
  state_ = State::finished;
  const Parameters& parameters = *client_.parameters();
  Writer message;
  for (const auto& [name, value] : parameters.values()) write_parameter_status(message, name, value);
  const WorkerEngine::CancelKey key = tell_cancel_key(message);
  write_ready_for_query(message, TransactionStatus::idle);
  send(message.view());
  const std::string rest = std::move(buffer_);
  client_.logged_in(key, engine_.arena().copy(rest));
}

WorkerEngine::CancelKey ClientLogin::tell_cancel_key(Writer& message) {
  const WorkerEngine::CancelKey key = engine_.issue_cancel_key(client_.id());
  std::array<char, 4> secret{};
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<char>(key.secret >> (24 - 8 * i));
  write_backend_key_data(message, key.pid, {secret.data(), secret.size()});
  return key;
}

void ClientLogin::finish_console() {
  const ConsoleSettings& console = engine_.settings().console;
  if (!is_operator() && console_rights(console, startup_.user) == ConsolePrivilege::none) {
    return refuse(Refusal::console_denied, "user \"" + startup_.user + "\" may not use the console", {},
                  "Add the user to console.admin_users or console.stats_users.");
  }
  state_ = State::finished;
  Writer message;
  write_authentication_ok(message);
  for (const ConsoleParameter& parameter : console_parameters) {
    if (parameter.reported) write_parameter_status(message, parameter.name, parameter.value);
  }
  const WorkerEngine::CancelKey key = tell_cancel_key(message);
  write_ready_for_query(message, TransactionStatus::idle);
  send(message.view());
  const std::string rest = std::move(buffer_);
  client_.logged_in_to_console(is_operator(), key, engine_.arena().copy(rest));
}

void ClientLogin::cancel_handled() { client_.leave("cancel request handled"); }

void ClientLogin::refuse(Refusal refusal, std::string message, std::string detail, std::string hint) {
  state_ = State::finished;
  client_.refuse(refusal, refusal_text(refusal, std::move(message), std::move(detail), std::move(hint)));
}

void ClientLogin::give_way() {
  refuse(Refusal::descriptors_full, "pgweir can open no more connections",
         "Hardly any of the " + std::to_string(descriptors_) + " files that it may open are left.",
         "Raise the limit (LimitNOFILE= of the unit, ulimit -n), or lower max_client_conn.");
}

void ClientLogin::send(Bytes bytes) { engine_.send_copy(client_, bytes); }

}  // namespace pgweir
