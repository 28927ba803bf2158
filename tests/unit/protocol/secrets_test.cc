#include "protocol/secrets.h"

#include <doctest/doctest.h>

#include <string>

#include "protocol/saslprep.h"

using namespace pgweir;

namespace {

// The verifier of the example in RFC 7677.
const std::string rfc_verifier =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

bool is_plain(Bytes stored) {
  const Secret secret = parse_secret(stored);
  const auto* plain = std::get_if<PlainPassword>(&secret);
  return plain != nullptr && plain->text == stored;
}

bool fits(const std::string& stored, Bytes password) {
  const Secret secret = parse_secret(stored);
  const auto* verifier = std::get_if<ScramVerifier>(&secret);
  if (verifier == nullptr || format_verifier(*verifier) != stored) return false;
  const Digest salted = pbkdf2(saslprep(password), verifier->salt, verifier->iterations);
  return verifier_matches(*verifier, salted) &&
         format_verifier(make_verifier(salted, verifier->salt, verifier->iterations)) == stored;
}

}  // namespace

TEST_CASE("secrets: a plain password is what looks like nothing else") {
  CHECK(is_plain("secret"));
  CHECK(is_plain(""));
  CHECK(is_plain("md5"));
  CHECK(is_plain("SCRAM-SHA-256"));
  CHECK(is_plain(std::string(65536, 'p')));
}

TEST_CASE("secrets: verifiers made by PostgreSQL fit their passwords") {
  CHECK(fits(rfc_verifier, "pencil"));
  CHECK_FALSE(fits(rfc_verifier, "pencil2"));
  CHECK(
      fits("SCRAM-SHA-256$4096:OuvKMEzzCaYm6G+85qULhg==$tjaX02aa156J2ui61UasrR6wRli7BjIYNYdQSo5P+Mo=:"
           "AT+hyXF+q4nONe49wCDsokHueM3ljDzF1neXPLZgXX8=",
           "secret"));
  CHECK(
      fits("SCRAM-SHA-256$4096:dqCINcFSNNXZCjxxT1QhBA==$IoLwIAUtB0iSG7goQHGnD2oEnHkrJ33x64kfQVKTn2g=:"
           "wJrh9te3/OiRGh4bjWLkLEr/XS/uzVwfJt2CizX2RKs=",
           "I\u00adX"));
  CHECK(
      fits("SCRAM-SHA-256$4096:/DvsUR0cm41OpoaB59JoHw==$TtTzHtczvipveMdW649+yWR7qxtpJF09BT1XE5IYHnE=:"
           "DVZ2fT1rCmuSCHVIF2XB53QLZyb1TdbRw/Fq8+pa45o=",
           "\u00aa"));
  CHECK(
      fits("SCRAM-SHA-256$4096:r6k6zEPlHOJe/qtLd535wA==$iioJTSyNuPZpwc27EsD834uYiY8gsuZ255eqhc8H6ow=:"
           "pT9U9/UOdHvPTOSj5husOT8eWNYe2Jby+d7HRL4BgkE=",
           "a\u2135"));
  CHECK(
      fits("SCRAM-SHA-256$4096:JCPjMYTIIiHaVrBcoc8FYQ==$kMOV4+Z07lvNv5r/nVBAr3kEN7hRc+QFFPZ3bY3tCoY=:"
           "L22mLFAVyDJe8pnpdsADU8fq3Vrf8N1doHVopceVI4I=",
           "p\xe4ss"));
  CHECK(
      fits("SCRAM-SHA-256$4096:iISEvQ6qHIRfrSenBvNkww==$LWeo+vlv37MW5onMlaO4IeH7M5qd9iCKzBxVDcttFuY=:"
           "A3XapMfOLDyyrifbN1ZLzONH/VhiA+zcWIkzvCXvssI=",
           "tab\there"));
}

TEST_CASE(
    "secrets: verifiers made by PostgreSQL fit passwords of 0, 1, 1023, 1024, 4096 and 65536 characters") {
  CHECK(
      fits("SCRAM-SHA-256$4096:NS9hMeuOtk56qjAH5EZzeg==$2G8/1HwofshFk8f1LeTD9E5z34psZr3rYhWO2QS0Z+s=:"
           "WzKq42GAcprJsoDvCqmoiqptfIdE7tL3+q3JcQQRSOs=",
           ""));
  CHECK(
      fits("SCRAM-SHA-256$4096:xuRCiz0rQCJDd/YmJmJCgQ==$4r/H1ejG5FvMFQMGF65mkEUXPe6+f/KlS3D8Wdsfctk=:"
           "frxvGshaRrgaYgxyfoNUjlCDrfMqvyqGYfn8Re84FiQ=",
           "p"));
  CHECK(
      fits("SCRAM-SHA-256$4096:cwH33h4vcZ5r3emlNrBM1Q==$HHIt18Tjj2XLmvpG4ufze4wEn496/GRa9P8YsMUlIbE=:"
           "hXwOC0DA8hF1O/k9WsTISQ3LJaxgjkA4WthytPZ13sU=",
           std::string(1023, 'p')));
  CHECK(
      fits("SCRAM-SHA-256$4096:BdDK6sMvX3De0jEfxE4NSw==$KJ4pxrgxzIsfkYkgrDDEN7U37SbWzD3FcwgWORrYsD4=:"
           "UBCU1T6H8CiWnfbjQw9dlv/89JTL5UE08WwjQMoD3MU=",
           std::string(1024, 'p')));
  CHECK(
      fits("SCRAM-SHA-256$4096:MqPdWCBkY+xgdFWi6b2NeA==$wfzR67Yv/2XCPn8enBXsq/pMGDMmcyrdh6eS18+FWYI=:"
           "IQQHlqSHoObMfi8mYpUc7RhlwdEdfPdeGXszDUhMUiI=",
           std::string(4096, 'p')));
  CHECK(
      fits("SCRAM-SHA-256$4096:FLbbRfmKWviEXsQjIxxmeA==$D33OST8UkkZLnm6LsE8v7603RwfEi2M5j3xg1bPz+wM=:"
           "Kv3ImwpiWIFkBvnVaFnPAeIxGF4uFK5BfGSqmOYggY8=",
           std::string(65536, 'p')));
}

TEST_CASE("secrets: a malformed SCRAM verifier is a plain password") {
  const std::string salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
  const std::string key = base64_encode(view(sha256("key")));
  const auto verifier = [](const std::string& iterations, const std::string& s, const std::string& stored_key,
                           const std::string& server_key) {
    return "SCRAM-SHA-256$" + iterations + ":" + s + "$" + stored_key + ":" + server_key;
  };
  REQUIRE_FALSE(is_plain(verifier("4096", salt, key, key)));
  CHECK_FALSE(is_plain(verifier("1", salt, key, key)));
  CHECK_FALSE(is_plain(verifier("2147483647", salt, key, key)));
  for (const char* iterations :
       {"", "0", "-1", "+1", " 1", "1 ", "1e3", "0x10", "2147483648", "99999999999", "4096:", "\xc2\xb2"}) {
    CAPTURE(iterations);
    CHECK(is_plain(verifier(iterations, salt, key, key)));
  }
  for (const char* odd_salt :
       {"", "=", "W22ZaJ0SNY7soEsUEjb6gQ", "W22ZaJ0SNY7soEsUEjb6gR==", "W22Z aJ0", "$"}) {
    CAPTURE(odd_salt);
    CHECK(is_plain(verifier("4096", odd_salt, key, key)));
  }
  for (const std::string& odd_key :
       {std::string(), key.substr(1), key + "=", key + ":" + key, key + "\n",
        base64_encode(std::string(31, 'k')), base64_encode(std::string(33, 'k'))}) {
    CAPTURE(odd_key);
    CHECK(is_plain(verifier("4096", salt, odd_key, key)));
    CHECK(is_plain(verifier("4096", salt, key, odd_key)));
  }
  CHECK(is_plain("SCRAM-SHA-256$"));
  CHECK(is_plain("SCRAM-SHA-256$4096"));
  CHECK(is_plain("SCRAM-SHA-256$4096:" + salt));
  CHECK(is_plain("SCRAM-SHA-256$4096:" + salt + "$" + key));
  CHECK(is_plain("scram-sha-256$4096:" + salt + "$" + key + ":" + key));
  CHECK(is_plain("SCRAM-SHA-512$4096:" + salt + "$" + key + ":" + key));
  CHECK(is_plain(std::string("SCRAM-SHA-256$4096:") + '\0' + salt + "$" + key + ":" + key));
}

TEST_CASE("secrets: an md5 verifier is md5 and 32 lower-case digits, all else is a plain password") {
  const Secret secret = parse_secret("md520eb1b22a92b5c573dc1eb4331fc49ee");
  REQUIRE(std::holds_alternative<Md5Verifier>(secret));
  CHECK(format_verifier(std::get<Md5Verifier>(secret)) == "md520eb1b22a92b5c573dc1eb4331fc49ee");
  CHECK(is_plain("md520EB1B22A92B5C573DC1EB4331FC49EE"));
  CHECK(is_plain("md520eb1b22a92b5c573dc1eb4331fc49e"));
  CHECK(is_plain("md520eb1b22a92b5c573dc1eb4331fc49ee0"));
  CHECK(is_plain("md520eb1b22a92b5c573dc1eb4331fc49eg"));
  CHECK(is_plain("MD520eb1b22a92b5c573dc1eb4331fc49ee"));
}

TEST_CASE("secrets: md5 verifier and response as PostgreSQL makes them") {
  const auto verifier = md5_verifier("secret", "user");
  REQUIRE(verifier.has_value());
  CHECK(format_verifier(*verifier) == "md520eb1b22a92b5c573dc1eb4331fc49ee");
  CHECK(md5_response(*verifier, Bytes("\x01\x00\xff\x02", 4)) == "md53f5b326f00d7615199264efce46784c8");
  CHECK(md5_response(*verifier, "abcd") != md5_response(*verifier, "abce"));
  for (std::size_t size : {0u, 1u, 1023u, 1024u, 4096u, 65536u}) {
    const auto long_one = md5_verifier(std::string(size, 'p'), "user");
    REQUIRE(long_one.has_value());
    CHECK(std::holds_alternative<Md5Verifier>(parse_secret(format_verifier(*long_one))));
  }
}

TEST_CASE("secrets: a mock verifier matches no password") {
  const Digest salted = pbkdf2("pencil", "salt", 1);
  ScramVerifier verifier = make_verifier(salted, "salt", 1);
  CHECK(verifier_matches(verifier, salted));
  verifier.mock = true;
  CHECK_FALSE(verifier_matches(verifier, salted));
}
