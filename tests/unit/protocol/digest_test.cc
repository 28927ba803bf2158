#include "protocol/digest.h"

#include <doctest/doctest.h>

#include <string>

using namespace pgweir;

namespace {

std::string hex(Bytes data) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (char c : data) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

}  // namespace

TEST_CASE("digest: SHA-256 of published examples") {
  CHECK(hex(view(sha256(""))) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(view(sha256("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256(Bytes{}) == sha256(""));
}

TEST_CASE("digest: HMAC-SHA-256 of RFC 4231 case 2, and with an empty key") {
  CHECK(hex(view(hmac_sha256("Jefe", "what do ya want for nothing?"))) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(view(hmac_sha256(Bytes{}, Bytes{}))) ==
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("digest: PBKDF2 of RFC 7914 section 11") {
  CHECK(hex(view(pbkdf2("passwd", "salt", 1))) ==
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  CHECK(hex(view(pbkdf2("Password", "NaCl", 80000))) ==
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

TEST_CASE("digest: PBKDF2 takes an empty password") {
  CHECK(pbkdf2(Bytes{}, "salt", 2) == pbkdf2("", "salt", 2));
  CHECK(pbkdf2("", "salt", 2) != pbkdf2("x", "salt", 2));
}

TEST_CASE("digest: MD5 as lower-case hexadecimal digits") {
  CHECK(md5_hex("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_hex("message digest") == "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST_CASE("digest: comparison in constant time knows equal, different and different lengths") {
  CHECK(equal_in_constant_time("", ""));
  CHECK(equal_in_constant_time(Bytes{}, ""));
  CHECK(equal_in_constant_time("abc", "abc"));
  CHECK_FALSE(equal_in_constant_time("abc", "abd"));
  CHECK_FALSE(equal_in_constant_time("abc", "ab"));
  CHECK_FALSE(equal_in_constant_time("", "a"));
  CHECK_FALSE(equal_in_constant_time(Bytes("a\0b", 3), Bytes("a\0c", 3)));
}

TEST_CASE("digest: base64 of RFC 4648 section 10 in both directions") {
  const std::pair<Bytes, Bytes> examples[] = {{"", ""},
                                              {"f", "Zg=="},
                                              {"fo", "Zm8="},
                                              {"foo", "Zm9v"},
                                              {"foob", "Zm9vYg=="},
                                              {"fooba", "Zm9vYmE="},
                                              {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : examples) {
    CHECK(base64_encode(plain) == encoded);
    CHECK(base64_decode(encoded) == std::string(plain));
  }
}

TEST_CASE("digest: base64 carries every byte") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (std::size_t size = 0; size <= all.size(); ++size) {
    const Bytes part = Bytes(all).substr(0, size);
    CHECK(base64_decode(base64_encode(part)) == std::string(part));
  }
}

TEST_CASE("digest: base64 that we would not have written is refused") {
  for (Bytes odd : {"Zg", "Zg=", "Zg===", "=", "==", "====", "Z===", "Zm9vYg==Zg==", "Z=g=", "Zg= ", " Zg=",
                    "Zm9v\n", "Zm-v", "Zm_v", "Zm9\xc3", "Zh==", "Zm9=", "Zm9vZ"}) {
    CAPTURE(odd);
    CHECK_FALSE(base64_decode(odd).has_value());
  }
  CHECK_FALSE(base64_decode(Bytes("Zm9\0", 4)).has_value());
}

TEST_CASE("digest: a digest in base64 has exactly 32 bytes") {
  const Digest digest = sha256("x");
  CHECK(base64_decode_digest(base64_encode(view(digest))) == digest);
  CHECK_FALSE(base64_decode_digest(base64_encode(std::string(31, 'x'))).has_value());
  CHECK_FALSE(base64_decode_digest(base64_encode(std::string(33, 'x'))).has_value());
  CHECK_FALSE(base64_decode_digest("").has_value());
}

TEST_CASE("digest: wiping leaves nothing behind") {
  Digest digest = sha256("x");
  wipe(digest);
  CHECK(digest == Digest{});
  char secret[] = "secret";
  wipe(secret, sizeof secret);
  CHECK(Bytes(secret, sizeof secret) == Bytes("\0\0\0\0\0\0\0", 7));
  std::string text = "secret";
  wipe(text);
  CHECK(text.empty());
  wipe(text);
  CHECK(text.empty());
}
