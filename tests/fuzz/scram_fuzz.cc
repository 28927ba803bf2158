// Both SCRAM roles against a hostile peer. The input is lines: client-first-message, client-final-message,
// server-first-message, server-final-message, stored password.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "protocol/saslprep.h"
#include "protocol/scram.h"

using namespace pgweir;

namespace {

constexpr std::uint32_t cap = 5000;
// The example of RFC 7677, so that seeds can complete an exchange.
constexpr Bytes client_nonce = "rOprNGfwEbeRWgbNEkqO";
constexpr Bytes server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

void must(bool holds) {
  if (!holds) std::abort();
}

const std::string& salt() {
  static const std::string value = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
  return value;
}
const Digest& salted() {
  static const Digest value = pbkdf2("pencil", salt(), 4096);
  return value;
}

// Returns whether the client got in.
bool serve(const ScramVerifier& verifier, Bytes client_first, Bytes client_final) {
  ScramServer server(verifier, server_nonce);
  const auto first = server.server_first(client_first);
  const auto final = server.server_final(client_final);
  must(final.has_value() == server.finished());
  must(first.has_value() || final.error() == ScramError::out_of_step);
  if (first) must(first->find(server_nonce) != std::string::npos);
  if (final) must(final->client_key == scram_keys(salted()).client_key);
  must(!server.server_final(client_final).has_value());
  must(!server.finished());
  return final.has_value();
}

void log_in(Bytes server_first, Bytes server_final) {
  ScramClient client(client_nonce, "user");
  const auto challenge = client.challenge(server_first, cap);
  if (challenge) {
    must(!challenge->salt.empty() && challenge->iterations >= 1 && challenge->iterations <= cap);
    must(server_first.starts_with("r=" + std::string(client_nonce)));
  }
  const ScramKeys keys = scram_keys(salted());
  const auto message = client.final_message(keys);
  must(message.has_value() == challenge.has_value());
  const auto verified = client.verify(server_final);
  must(verified.has_value() == client.finished());
  if (!verified) return;

  // Only the signature over these very messages is accepted.
  std::string auth_message = client.client_first().substr(3) + "," + std::string(server_first) + ",";
  auth_message += message->substr(0, message->find(",p="));
  const Digest signature = hmac_sha256(view(keys.server_key), auth_message);
  must(server_final.starts_with("v=" + base64_encode(view(signature))));
}

// The peer changes what our own client says.
void tamper(Bytes client_final) {
  const ScramVerifier verifier = make_verifier(salted(), salt(), 4096);
  ScramServer server(verifier, server_nonce);
  ScramClient client(client_nonce);
  const auto first = server.server_first(client.client_first());
  must(first.has_value() && client.challenge(*first, cap).has_value());
  const auto right = client.final_message(scram_keys(salted()));
  must(right.has_value());
  must(server.server_final(client_final).has_value() == (client_final == *right));
}

void store(Bytes password) {
  const Secret secret = parse_secret(password);
  if (const auto* plain = std::get_if<PlainPassword>(&secret)) must(plain->text == password);
  if (const auto* md5 = std::get_if<Md5Verifier>(&secret)) must(format_verifier(*md5) == password);
  if (const auto* verifier = std::get_if<ScramVerifier>(&secret)) {
    const Secret again = parse_secret(format_verifier(*verifier));
    must(std::holds_alternative<ScramVerifier>(again));
    must(format_verifier(std::get<ScramVerifier>(again)) == format_verifier(*verifier));
  }
  if (const auto decoded = base64_decode(password)) must(base64_encode(*decoded) == password);
  saslprep(password);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes rest(reinterpret_cast<const char*>(data), size);
  std::array<Bytes, 5> lines;
  for (Bytes& line : lines) {
    const auto end = rest.find('\n');
    line = rest.substr(0, end);
    rest.remove_prefix(end == Bytes::npos ? rest.size() : end + 1);
  }
  serve(make_verifier(salted(), salt(), 4096), lines[0], lines[1]);
  must(!serve(mock_verifier("user", "0123456789abcdef", 4096), lines[0], lines[1]));
  log_in(lines[2], lines[3]);
  tamper(lines[1]);
  store(lines[4]);
  return 0;
}
