#include "admin/tls_versions.h"

#include <algorithm>
#include <array>
#include <optional>

#include "admin/settings_text.h"

namespace pgweir {

namespace {

// In the order of TlsVersion.
constexpr std::array<Bytes, 4> names{"tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3"};

}  // namespace

tl::expected<TlsVersions, std::string> tls_versions(Bytes words) {
  if (words == "secure" || words == "default") return TlsVersions{};
  if (words == "all" || words == "legacy") return TlsVersions{.least = TlsVersion::tls_1_0};
  std::optional<TlsVersions> result;
  Bytes rest = words;
  while (!rest.empty()) {
    const auto end = rest.find_first_of(",: ");
    const Bytes word = rest.substr(0, end);
    rest.remove_prefix(end == Bytes::npos ? rest.size() : end + 1);
    if (word.empty()) continue;
    const auto found = std::find(names.begin(), names.end(), word);
    if (found == names.end()) {
      result.reset();
      break;
    }
    const auto version = static_cast<TlsVersion>(found - names.begin());
    if (!result) result = TlsVersions{.least = version, .most = version};
    result->least = std::min(result->least, version);
    result->most = std::max(result->most, version);
  }
  if (result) return *result;
  return tl::unexpected("found \"" + printable(words) +
                        "\", allowed are secure, all, or a list of tlsv1.0, tlsv1.1, tlsv1.2 and tlsv1.3");
}

}  // namespace pgweir
