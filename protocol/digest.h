#pragma once
// Hashes and encodings for authentication, over libcrypto: the only file of this folder that knows OpenSSL.
// All functions are pure and may be called from any thread. A hash that libcrypto refuses (in practice: no
// memory left) ends the process, since a made-up key would be worse; MD5 is the exception, because a system
// policy may forbid it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "protocol/bytes.h"

namespace pgweir {

inline constexpr std::size_t digest_size = 32;
using Digest = std::array<unsigned char, digest_size>;

inline Bytes view(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Digest sha256(Bytes data);
Digest hmac_sha256(Bytes key, Bytes data);
// One block of PBKDF2 with HMAC-SHA-256, which is SCRAM's SaltedPassword. `iterations` is 1 to 2^31 - 1;
// 4096 of them take about a millisecond, so this never runs on an event loop.
Digest pbkdf2(Bytes password, Bytes salt, std::uint32_t iterations);
// 32 lower-case hexadecimal digits; nothing where a system policy forbids MD5.
std::optional<std::string> md5_hex(Bytes data);

// Takes the same time wherever the contents differ. A difference in length is not hidden.
bool equal_in_constant_time(Bytes a, Bytes b);

std::string base64_encode(Bytes data);
// Only what base64_encode() makes: padded, no white space, no bits set that are not used.
std::optional<std::string> base64_decode(Bytes text);
// The same for text that must hold exactly one digest.
std::optional<Digest> base64_decode_digest(Bytes text);

// Overwrites a secret in a way that the compiler does not optimise away.
void wipe(void* data, std::size_t size);
void wipe(std::string& text);
inline void wipe(Digest& digest) { wipe(digest.data(), digest.size()); }

}  // namespace pgweir
