#include "protocol/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <climits>
#include <exception>

namespace pgweir {
namespace {

constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto reverse_alphabet = [] {
  std::array<signed char, 256> table{};
  table.fill(-1);
  for (signed char i = 0; i < 64; ++i) {
    table[static_cast<unsigned char>(alphabet[static_cast<std::size_t>(i)])] = i;
  }
  return table;
}();

// libcrypto wants a pointer that is not null even for nothing, and lengths as int.
const char* start(Bytes bytes) { return bytes.empty() ? "" : bytes.data(); }
const unsigned char* ustart(Bytes bytes) { return reinterpret_cast<const unsigned char*>(start(bytes)); }
int length(Bytes bytes) {
  if (bytes.size() > INT_MAX) std::terminate();
  return static_cast<int>(bytes.size());
}

void must(bool worked) {
  if (!worked) std::terminate();
}

}  // namespace

Digest sha256(Bytes data) {
  Digest out{};
  must(EVP_Digest(start(data), data.size(), out.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return out;
}

Digest hmac_sha256(Bytes key, Bytes data) {
  Digest out{};
  unsigned size = 0;
  must(HMAC(EVP_sha256(), start(key), length(key), ustart(data), data.size(), out.data(), &size) != nullptr);
  must(size == out.size());
  return out;
}

Digest pbkdf2(Bytes password, Bytes salt, std::uint32_t iterations) {
  const int rounds = static_cast<int>(std::clamp<std::uint32_t>(iterations, 1, INT_MAX));
  Digest out{};
  must(PKCS5_PBKDF2_HMAC(start(password), length(password), ustart(salt), length(salt), rounds, EVP_sha256(),
                         static_cast<int>(out.size()), out.data()) == 1);
  return out;
}

std::optional<std::string> md5_hex(Bytes data) {
  static constexpr char hex[] = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  if (EVP_Digest(start(data), data.size(), hash.data(), &size, EVP_md5(), nullptr) != 1) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    out += hex[hash[i] >> 4];
    out += hex[hash[i] & 15];
  }
  return out;
}

bool equal_in_constant_time(Bytes a, Bytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(start(a), start(b), a.size()) == 0;
}

std::string base64_encode(Bytes data) {
  std::string out;
  out.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < data.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, data.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < have ? static_cast<unsigned char>(data[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) out += k <= have ? alphabet[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::optional<std::string> base64_decode(Bytes text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string out;
  out.reserve((text.size() + padding) / 4 * 3);
  std::uint32_t bits = 0;
  int count = 0;  // of the low bits in `bits` that are not in `out` yet
  for (char c : text) {
    const int value = reverse_alphabet[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  if ((bits & ((1u << count) - 1)) != 0) return std::nullopt;
  return out;
}

std::optional<Digest> base64_decode_digest(Bytes text) {
  auto decoded = base64_decode(text);
  if (!decoded || decoded->size() != digest_size) return std::nullopt;
  Digest out{};
  std::copy(decoded->begin(), decoded->end(), out.begin());
  wipe(*decoded);
  return out;
}

void wipe(void* data, std::size_t size) {
  if (size != 0) OPENSSL_cleanse(data, size);
}

void wipe(std::string& text) {
  wipe(text.data(), text.size());
  text.clear();
}

}  // namespace pgweir
