#pragma once
// What a worker knows of users beyond the settings: verifiers made from plain passwords, keys that were slow
// to make, and keys that clients have shown by logging in. One thread; forgotten when new settings come.

#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "protocol/scram.h"

namespace pgweir {

class Credentials {
 public:
  explicit Credentials(std::string process_secret) : process_secret_(std::move(process_secret)) {}

  const std::string& process_secret() const { return process_secret_; }

  // The verifier of a user whose password is plain, once it has been made.
  const ScramVerifier* verifier_of(const std::string& user) const;
  void keep_verifier(const std::string& user, ScramVerifier verifier) {
    verifiers_[user] = std::move(verifier);
  }

  // The salted form of a password, for the salt and iterations that a server asked for.
  const Digest* salted(const std::string& password, const ScramClient::Challenge& challenge) const;
  void keep_salted(const std::string& password, const ScramClient::Challenge& challenge,
                   const Digest& salted);

  // Keys that fit a server with the same verifier as ours, learnt from a client's login.
  std::optional<ScramKeys> learnt(const std::string& user, const ScramClient::Challenge& challenge) const;
  // True when it was new.
  bool learn(const std::string& user, const ScramVerifier& verifier, const Digest& client_key);

  void forget();

 private:
  struct Learnt {
    ScramVerifier verifier;
    Digest client_key;
  };
  using SaltedKey = std::tuple<std::string, std::string, std::uint32_t>;  // password, salt, iterations

  const std::string process_secret_;
  std::map<std::string, ScramVerifier> verifiers_;
  std::map<SaltedKey, Digest> salted_;
  std::map<std::string, Learnt> learnt_;
};

}  // namespace pgweir
