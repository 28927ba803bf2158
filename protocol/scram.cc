#include "protocol/scram.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace pgweir {
namespace {

constexpr Bytes client_header = "n,,";  // we do not know channel binding

// Reads the attributes of a message, `x=value` between commas, from front to back.
class Attributes {
 public:
  explicit Attributes(Bytes message) : rest_(message) {}

  bool done() const { return done_; }
  // The name of the next attribute, 0 when there is none or it is not one.
  char peek() const {
    const bool letter =
        !rest_.empty() && ((rest_[0] >= 'a' && rest_[0] <= 'z') || (rest_[0] >= 'A' && rest_[0] <= 'Z'));
    return !done_ && letter && rest_.size() >= 2 && rest_[1] == '=' ? rest_[0] : '\0';
  }
  // The value of the next attribute, when it has this name.
  std::optional<Bytes> take(char name) {
    if (peek() != name) return std::nullopt;
    const auto comma = rest_.find(',');
    const Bytes value = rest_.substr(2, comma == Bytes::npos ? Bytes::npos : comma - 2);
    done_ = comma == Bytes::npos;
    rest_.remove_prefix(done_ ? rest_.size() : comma + 1);
    return value;
  }
  // Passes over extensions up to an attribute named `end`, or to the end of the message. Extensions are
  // ignored as RFC 5802 wants it, but its own attributes are none.
  bool skip_extensions(char end = '\0') {
    static constexpr Bytes known = "anmrcsipve";
    while (!done_ && (end == '\0' || peek() != end)) {
      const char name = peek();
      if (name == '\0' || known.find(name) != Bytes::npos) return false;
      take(name);
    }
    return done_ == (end == '\0');
  }
  // How much of the message is left.
  std::size_t left() const { return rest_.size(); }

 private:
  Bytes rest_;
  bool done_ = false;
};

std::optional<ScramError> unfit(Bytes message) {
  if (message.size() > scram_max_message) return ScramError::too_long;
  if (message.empty() || message.find('\0') != Bytes::npos) return ScramError::malformed;
  return std::nullopt;
}

// RFC 5802: printable characters except the comma, which the attribute cannot hold anyway.
bool is_nonce(Bytes text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// RFC 5802: a positive number without leading zeros. A number beyond all bounds is the largest one.
std::optional<std::uint32_t> offered_iterations(Bytes text) {
  if (text.empty() || text[0] == '0' || !all_digits(text)) return std::nullopt;
  std::uint32_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc{} ? value : UINT32_MAX;
}

Digest exclusive_or(const Digest& a, const Digest& b) {
  Digest out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = a[i] ^ b[i];
  return out;
}

// In a user name, comma and equals sign have a spelling of their own.
std::string escape(Bytes user) {
  std::string out;
  for (char c : user) {
    if (c == ',') {
      out += "=2C";
    } else if (c == '=') {
      out += "=3D";
    } else {
      out += c;
    }
  }
  return out;
}

Digest derive(Bytes process_secret, Bytes purpose, Bytes user) {
  std::string message(purpose);
  message += '\0';
  message += user;
  return hmac_sha256(process_secret, message);
}

}  // namespace

Bytes describe(ScramError error) {
  switch (error) {
    case ScramError::out_of_step:
      return "unexpected SCRAM message";
    case ScramError::too_long:
      return "SCRAM message too long";
    case ScramError::malformed:
      return "malformed SCRAM message";
    case ScramError::channel_binding:
      return "SCRAM channel binding requested but not offered";
    case ScramError::authorization_id:
      return "SCRAM authorization identity not supported";
    case ScramError::extension:
      return "unsupported SCRAM extension required";
    case ScramError::header_mismatch:
      return "SCRAM channel binding check failed";
    case ScramError::nonce_mismatch:
      return "SCRAM nonce mismatch";
    case ScramError::wrong_proof:
      return "SCRAM proof does not match";
    case ScramError::too_many_iterations:
      return "server asks for too many SCRAM iterations";
    case ScramError::refused:
      return "server refused the SCRAM exchange";
    case ScramError::wrong_signature:
      return "incorrect SCRAM server signature";
  }
  return "";
}

std::string derived_salt(Bytes user, Bytes process_secret) {
  return std::string(view(derive(process_secret, "scram salt", user)).substr(0, scram_salt_size));
}

ScramVerifier mock_verifier(Bytes user, Bytes process_secret, std::uint32_t iterations) {
  return {.salt = derived_salt(user, process_secret),
          .iterations = iterations,
          .stored_key = derive(process_secret, "scram stored key", user),
          .server_key = derive(process_secret, "scram server key", user),
          .mock = true};
}

tl::unexpected<ScramError> ScramServer::fail(ScramError error) {
  step_ = Step::failed;
  return tl::unexpected(error);
}

tl::expected<std::string, ScramError> ScramServer::server_first(Bytes client_first) {
  if (step_ != Step::first) return fail(ScramError::out_of_step);
  if (const auto error = unfit(client_first)) return fail(*error);

  // gs2-header: channel binding flag, comma, authorization identity, comma. The flag 'y' says that the
  // client would bind but believes that we do not offer it, which is true.
  if (client_first.starts_with("p=")) return fail(ScramError::channel_binding);
  if (!client_first.starts_with("n,") && !client_first.starts_with("y,")) return fail(ScramError::malformed);
  if (client_first.substr(2).starts_with("a=")) return fail(ScramError::authorization_id);
  if (!client_first.substr(2).starts_with(',')) return fail(ScramError::malformed);
  header_ = client_first.substr(0, 3);
  const Bytes bare = client_first.substr(3);

  Attributes attributes(bare);
  if (attributes.peek() == 'm') return fail(ScramError::extension);
  const auto user = attributes.take('n');
  const auto client_nonce = attributes.take('r');
  if (!user || !client_nonce || !is_nonce(*client_nonce) || !attributes.skip_extensions()) {
    return fail(ScramError::malformed);
  }

  nonce_.insert(0, *client_nonce);
  std::string message = "r=" + nonce_;
  message += ",s=" + base64_encode(verifier_.salt);
  message += ",i=" + std::to_string(verifier_.iterations);
  auth_message_.append(bare).append(",").append(message).append(",");
  step_ = Step::final;
  return message;
}

tl::expected<ScramServer::Verified, ScramError> ScramServer::server_final(Bytes client_final) {
  if (step_ != Step::final) return fail(ScramError::out_of_step);
  if (const auto error = unfit(client_final)) return fail(*error);

  Attributes attributes(client_final);
  const auto binding = attributes.take('c');
  const auto nonce = attributes.take('r');
  if (!binding || !nonce || !attributes.skip_extensions('p')) return fail(ScramError::malformed);
  const Bytes without_proof = client_final.substr(0, client_final.size() - attributes.left() - 1);
  const auto proof_text = attributes.take('p');
  const auto proof = base64_decode_digest(proof_text.value_or(Bytes{}));
  if (!proof || !attributes.done()) return fail(ScramError::malformed);

  if (*binding != base64_encode(header_)) return fail(ScramError::header_mismatch);
  if (!equal_in_constant_time(*nonce, nonce_)) return fail(ScramError::nonce_mismatch);

  auth_message_ += without_proof;
  Digest client_key = exclusive_or(*proof, hmac_sha256(view(verifier_.stored_key), auth_message_));
  const bool proved = equal_in_constant_time(view(sha256(view(client_key))), view(verifier_.stored_key));
  // A mock verifier takes the same path, and fails only here.
  if (!proved || verifier_.mock) {
    wipe(client_key);
    return fail(ScramError::wrong_proof);
  }
  step_ = Step::finished;
  const Digest signature = hmac_sha256(view(verifier_.server_key), auth_message_);
  return Verified{.server_final = "v=" + base64_encode(view(signature)), .client_key = client_key};
}

ScramClient::ScramClient(Bytes nonce, Bytes user) : nonce_(nonce) {
  client_first_.append(client_header).append("n=").append(escape(user)).append(",r=").append(nonce);
}

tl::unexpected<ScramError> ScramClient::fail(ScramError error) {
  step_ = Step::failed;
  return tl::unexpected(error);
}

tl::expected<ScramClient::Challenge, ScramError> ScramClient::challenge(Bytes server_first,
                                                                        std::uint32_t max_iterations) {
  if (step_ != Step::first) return fail(ScramError::out_of_step);
  if (const auto error = unfit(server_first)) return fail(*error);

  Attributes attributes(server_first);
  if (attributes.peek() == 'm') return fail(ScramError::extension);
  const auto nonce = attributes.take('r');
  const auto salt_text = attributes.take('s');
  const auto iterations_text = attributes.take('i');
  if (!nonce || !salt_text || !iterations_text || !is_nonce(*nonce) || !attributes.skip_extensions()) {
    return fail(ScramError::malformed);
  }
  auto salt = base64_decode(*salt_text);
  const auto iterations = offered_iterations(*iterations_text);
  if (!salt || salt->empty() || !iterations) return fail(ScramError::malformed);

  // The server must have added to our nonce.
  if (nonce->size() <= nonce_.size() || !equal_in_constant_time(nonce->substr(0, nonce_.size()), nonce_)) {
    return fail(ScramError::nonce_mismatch);
  }
  if (*iterations > max_iterations) return fail(ScramError::too_many_iterations);

  nonce_ = *nonce;
  auth_message_ = client_first_.substr(client_header.size());
  auth_message_.append(",").append(server_first).append(",");
  step_ = Step::keys;
  return Challenge{.salt = *std::move(salt), .iterations = *iterations};
}

tl::expected<std::string, ScramError> ScramClient::final_message(const ScramKeys& keys) {
  if (step_ != Step::keys) return fail(ScramError::out_of_step);
  std::string message = "c=" + base64_encode(client_header) + ",r=" + nonce_;
  auth_message_ += message;
  const Digest stored_key = sha256(view(keys.client_key));
  const Digest proof = exclusive_or(keys.client_key, hmac_sha256(view(stored_key), auth_message_));
  server_signature_ = hmac_sha256(view(keys.server_key), auth_message_);
  message += ",p=" + base64_encode(view(proof));
  step_ = Step::final;
  return message;
}

tl::expected<void, ScramError> ScramClient::verify(Bytes server_final) {
  if (step_ != Step::final) return fail(ScramError::out_of_step);
  if (const auto error = unfit(server_final)) return fail(*error);

  Attributes attributes(server_final);
  if (const auto error = attributes.take('e')) {
    server_error_ = printable(*error);
    return fail(ScramError::refused);
  }
  const auto text = attributes.take('v');
  const auto signature = base64_decode_digest(text.value_or(Bytes{}));
  if (!signature || !attributes.skip_extensions()) return fail(ScramError::malformed);
  if (!equal_in_constant_time(view(*signature), view(server_signature_))) {
    return fail(ScramError::wrong_signature);
  }
  step_ = Step::finished;
  return {};
}

}  // namespace pgweir
