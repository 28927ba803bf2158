#pragma once
// SCRAM-SHA-256 (RFC 5802, RFC 7677) in both roles, without channel binding, as PostgreSQL speaks it: two
// machines that are fed the peer's message and return ours. They hold one login, belong to whoever runs it,
// and know neither sockets, time nor randomness: nonces are arguments. PBKDF2 never runs in here; both sides
// work on keys that were derived elsewhere, off the event loop.
//
// Every message is hostile. The first failure ends a machine: whatever it is fed afterwards is out_of_step.

#include <cstddef>
#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "protocol/bytes.h"
#include "protocol/digest.h"
#include "protocol/secrets.h"

namespace pgweir {

inline constexpr Bytes scram_mechanism = "SCRAM-SHA-256";
// The longest message of a peer that is looked at. Real ones stay below 200 bytes.
inline constexpr std::size_t scram_max_message = 2048;
// Random bytes for a nonce, before base64 (PostgreSQL's SCRAM_RAW_NONCE_LEN).
inline constexpr std::size_t scram_nonce_size = 18;

enum class ScramError : std::uint8_t {
  out_of_step,          // not the message that is due, or the exchange has failed already
  too_long,             // more than scram_max_message
  malformed,            // an attribute is missing, repeated, out of order or not of its form
  channel_binding,      // the client asks for channel binding, which was not offered
  authorization_id,     // the client wants to act as somebody else
  extension,            // the peer requires an extension that we do not know
  header_mismatch,      // the client's two statements about channel binding differ
  nonce_mismatch,       // the answer is not for this exchange
  wrong_proof,          // wrong password, or a user who does not exist
  too_many_iterations,  // the server asks for more work than the cap allows
  refused,              // the server ended the exchange with an error of its own
  wrong_signature,      // the server does not know our password either
};
// For the log: fixed text, no part of which came from the peer.
Bytes describe(ScramError error);

// A stable salt for users whose verifier does not bring one: unknown users, and users with a plain password.
// `process_secret`: at least 16 random bytes, the same for all users and as long as salts should last.
std::string derived_salt(Bytes user, Bytes process_secret);
// What an unknown user logs in against: looks like any other verifier, never accepts a proof.
ScramVerifier mock_verifier(Bytes user, Bytes process_secret, std::uint32_t iterations);

// Lets a client log in to us.
class ScramServer {
 public:
  // `nonce`: printable ASCII without comma, not empty, from a secure source, never used before.
  ScramServer(ScramVerifier verifier, Bytes nonce) : verifier_(std::move(verifier)), nonce_(nonce) {}

  // Takes the client-first-message, from SASLInitialResponse; returns the server-first-message, for
  // AuthenticationSASLContinue. The user name in it is ignored, as PostgreSQL does.
  tl::expected<std::string, ScramError> server_first(Bytes client_first);

  struct Verified {
    std::string server_final;  // for AuthenticationSASLFinal
    Digest client_key{};       // lets us log in to a server that has the same verifier
  };
  // Takes the client-final-message, from SASLResponse.
  tl::expected<Verified, ScramError> server_final(Bytes client_final);

  // The client has proved itself.
  bool finished() const { return step_ == Step::finished; }

 private:
  enum class Step : std::uint8_t { first, final, finished, failed };
  tl::unexpected<ScramError> fail(ScramError error);

  ScramVerifier verifier_;
  std::string nonce_;         // ours at first, then both sides'
  std::string header_;        // the client's gs2 header
  std::string auth_message_;  // the part of AuthMessage that has passed
  Step step_ = Step::first;
};

// Logs us in to a server.
class ScramClient {
 public:
  // `nonce` as for ScramServer. PostgreSQL takes the user name from the startup packet, so `user` may stay
  // empty.
  explicit ScramClient(Bytes nonce, Bytes user = {});

  // The client-first-message, for SASLInitialResponse.
  const std::string& client_first() const { return client_first_; }

  struct Challenge {
    std::string salt;  // raw, not empty
    std::uint32_t iterations = 0;
  };
  // Takes the server-first-message. Then scram_keys(pbkdf2(saslprep(password), salt, iterations)) are the
  // keys to go on with, or those known from elsewhere for this very challenge. More than `max_iterations`
  // are too_many_iterations.
  tl::expected<Challenge, ScramError> challenge(Bytes server_first, std::uint32_t max_iterations);

  // The client-final-message, for SASLResponse.
  tl::expected<std::string, ScramError> final_message(const ScramKeys& keys);

  // Takes the server-final-message: does the server know our keys?
  tl::expected<void, ScramError> verify(Bytes server_final);

  // The server has proved itself. An AuthenticationOk before that comes from an impostor.
  bool finished() const { return step_ == Step::finished; }
  // With ScramError::refused, what the server said; printable.
  const std::string& server_error() const { return server_error_; }

 private:
  enum class Step : std::uint8_t { first, keys, final, finished, failed };
  tl::unexpected<ScramError> fail(ScramError error);

  std::string nonce_;  // ours at first, then both sides'
  std::string client_first_;
  std::string auth_message_;  // the part of AuthMessage that has passed
  Digest server_signature_{};
  std::string server_error_;
  Step step_ = Step::first;
};

}  // namespace pgweir
