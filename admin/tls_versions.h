#pragma once
// The words for versions of TLS, as PgBouncer's settings have them. Pure; any thread.

#include <cstdint>
#include <string>
#include <tl/expected.hpp>

#include "protocol/bytes.h"

namespace pgweir {

enum class TlsVersion : std::uint8_t { tls_1_0, tls_1_1, tls_1_2, tls_1_3 };

struct TlsVersions {
  TlsVersion least = TlsVersion::tls_1_2;
  TlsVersion most = TlsVersion::tls_1_3;
};

// "secure", "default", "all", "legacy", or versions with commas or colons between them. The error says what
// is allowed.
tl::expected<TlsVersions, std::string> tls_versions(Bytes words);

}  // namespace pgweir
