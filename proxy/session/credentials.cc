#include "proxy/session/credentials.h"

namespace pgweir {

namespace {

// Servers choose the salts: a hostile one must not fill the memory.
constexpr std::size_t most_salted = 10'000;

}  // namespace

const ScramVerifier* Credentials::verifier_of(const std::string& user) const {
  const auto found = verifiers_.find(user);
  return found == verifiers_.end() ? nullptr : &found->second;
}

const Digest* Credentials::salted(const std::string& password,
                                  const ScramClient::Challenge& challenge) const {
  const auto found = salted_.find({password, challenge.salt, challenge.iterations});
  return found == salted_.end() ? nullptr : &found->second;
}

void Credentials::keep_salted(const std::string& password, const ScramClient::Challenge& challenge,
                              const Digest& salted) {
  if (salted_.size() >= most_salted) salted_.clear();
  salted_[{password, challenge.salt, challenge.iterations}] = salted;
}

std::optional<ScramKeys> Credentials::learnt(const std::string& user,
                                             const ScramClient::Challenge& challenge) const {
  const auto found = learnt_.find(user);
  if (found == learnt_.end()) return std::nullopt;
  const auto& [verifier, client_key] = found->second;
  if (verifier.salt != challenge.salt || verifier.iterations != challenge.iterations) return std::nullopt;
  return ScramKeys{client_key, verifier.server_key};
}

bool Credentials::learn(const std::string& user, const ScramVerifier& verifier, const Digest& client_key) {
  const auto found = learnt_.find(user);
  if (found != learnt_.end() && found->second.client_key == client_key) return false;
  learnt_[user] = {verifier, client_key};
  return true;
}

void Credentials::forget() {
  verifiers_.clear();
  salted_.clear();
  learnt_.clear();
}

}  // namespace pgweir
