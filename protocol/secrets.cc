#include "protocol/secrets.h"

#include <charconv>
#include <climits>

namespace pgweir {
namespace {

constexpr Bytes scram_prefix = "SCRAM-SHA-256$";
constexpr Bytes md5_prefix = "md5";
constexpr std::size_t md5_digits = 32;

// The text up to `end`, which is taken off the front of `rest` together with it.
std::optional<Bytes> take_until(Bytes& rest, char end) {
  const auto at = rest.find(end);
  if (at == Bytes::npos) return std::nullopt;
  const Bytes taken = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return taken;
}

// 1 to 2^31 - 1, digits only; PostgreSQL keeps it in an int.
std::optional<std::uint32_t> stored_iterations(Bytes text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0 || value > INT_MAX) {
    return std::nullopt;
  }
  return value;
}

std::optional<ScramVerifier> parse_verifier(Bytes stored) {
  if (!stored.starts_with(scram_prefix)) return std::nullopt;
  stored.remove_prefix(scram_prefix.size());
  const auto iterations_text = take_until(stored, ':');
  const auto salt_text = take_until(stored, '$');
  const auto stored_key_text = take_until(stored, ':');
  if (!iterations_text || !salt_text || !stored_key_text) return std::nullopt;
  const auto iterations = stored_iterations(*iterations_text);
  const auto salt = base64_decode(*salt_text);
  const auto stored_key = base64_decode_digest(*stored_key_text);
  const auto server_key = base64_decode_digest(stored);
  if (!iterations || !salt || salt->empty() || !stored_key || !server_key) return std::nullopt;
  return ScramVerifier{
      .salt = *salt, .iterations = *iterations, .stored_key = *stored_key, .server_key = *server_key};
}

bool is_md5_verifier(Bytes stored) {
  return stored.starts_with(md5_prefix) && stored.size() == md5_prefix.size() + md5_digits &&
         stored.find_first_not_of("0123456789abcdef", md5_prefix.size()) == Bytes::npos;
}

}  // namespace

ScramKeys scram_keys(const Digest& salted_password) {
  return {.client_key = hmac_sha256(view(salted_password), "Client Key"),
          .server_key = hmac_sha256(view(salted_password), "Server Key")};
}

Secret parse_secret(Bytes stored) {
  if (is_md5_verifier(stored)) return Md5Verifier{std::string(stored.substr(md5_prefix.size()))};
  if (auto verifier = parse_verifier(stored)) return *std::move(verifier);
  return PlainPassword{std::string(stored)};
}

ScramVerifier make_verifier(const Digest& salted_password, Bytes salt, std::uint32_t iterations) {
  ScramKeys keys = scram_keys(salted_password);
  ScramVerifier verifier{.salt = std::string(salt),
                         .iterations = iterations,
                         .stored_key = sha256(view(keys.client_key)),
                         .server_key = keys.server_key};
  wipe(keys.client_key);
  return verifier;
}

std::string format_verifier(const ScramVerifier& verifier) {
  std::string out(scram_prefix);
  out += std::to_string(verifier.iterations);
  out += ':';
  out += base64_encode(verifier.salt);
  out += '$';
  out += base64_encode(view(verifier.stored_key));
  out += ':';
  out += base64_encode(view(verifier.server_key));
  return out;
}

bool verifier_matches(const ScramVerifier& verifier, const Digest& salted_password) {
  const Digest server_key = hmac_sha256(view(salted_password), "Server Key");
  const bool equal = equal_in_constant_time(view(server_key), view(verifier.server_key));
  return equal && !verifier.mock;
}

std::optional<Md5Verifier> md5_verifier(Bytes password, Bytes user) {
  std::string both;
  both.reserve(password.size() + user.size());
  both += password;
  both += user;
  auto hex = md5_hex(both);
  wipe(both);
  if (!hex) return std::nullopt;
  return Md5Verifier{*std::move(hex)};
}

std::string format_verifier(const Md5Verifier& verifier) { return std::string(md5_prefix) + verifier.hex; }

std::optional<std::string> md5_response(const Md5Verifier& verifier, Bytes salt) {
  const auto hex = md5_hex(verifier.hex + std::string(salt));
  if (!hex) return std::nullopt;
  return std::string(md5_prefix) + *hex;
}

}  // namespace pgweir
