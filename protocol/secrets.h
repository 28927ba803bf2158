#pragma once
// What is stored of a user's password, in the three forms of PostgreSQL's pg_authid.rolpassword, and what
// can be derived from each. Values only: whoever holds one keeps it out of logs.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "protocol/bytes.h"
#include "protocol/digest.h"

namespace pgweir {

// PostgreSQL's SCRAM_SHA_256_DEFAULT_ITERATIONS and SCRAM_DEFAULT_SALT_LEN.
inline constexpr std::uint32_t scram_default_iterations = 4096;
inline constexpr std::size_t scram_salt_size = 16;

// What proves a SCRAM identity. The ClientKey is as good as the password for this salt and iteration count.
struct ScramKeys {
  Digest client_key{};
  Digest server_key{};
};
ScramKeys scram_keys(const Digest& salted_password);

// What a server stores: enough to check a proof, not enough to make one.
struct ScramVerifier {
  std::string salt;  // raw, not empty
  std::uint32_t iterations = 0;
  Digest stored_key{};
  Digest server_key{};
  // Stands in for a user who does not exist or has no usable password; no proof is ever accepted.
  bool mock = false;
};

struct PlainPassword {
  std::string text;
};
struct Md5Verifier {
  std::string hex;  // 32 digits: MD5 of password and user name, without the prefix "md5"
};
using Secret = std::variant<PlainPassword, Md5Verifier, ScramVerifier>;

// Classifies a stored password as PostgreSQL's get_password_type() does:
// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, `md5` and 32 lower-case hexadecimal digits,
// or a plain password. Text that begins like a verifier but is malformed is a plain password, there as here.
Secret parse_secret(Bytes stored);

// `salted_password` is pbkdf2(saslprep(password), salt, iterations).
ScramVerifier make_verifier(const Digest& salted_password, Bytes salt, std::uint32_t iterations);
std::string format_verifier(const ScramVerifier& verifier);
// Whether a password with this salted form belongs to the verifier; the check for a password in clear.
bool verifier_matches(const ScramVerifier& verifier, const Digest& salted_password);

// The md5 functions give nothing where a system policy forbids MD5.
std::optional<Md5Verifier> md5_verifier(Bytes password, Bytes user);
std::string format_verifier(const Md5Verifier& verifier);
// The PasswordMessage text that answers an AuthenticationMD5Password with this salt (4 raw bytes): what
// we send to a server, and what we expect from a client (compare with equal_in_constant_time).
std::optional<std::string> md5_response(const Md5Verifier& verifier, Bytes salt);

}  // namespace pgweir
