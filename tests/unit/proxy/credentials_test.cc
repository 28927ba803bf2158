#include "proxy/session/credentials.h"

#include <doctest/doctest.h>

using namespace pgweir;

namespace {

Digest digest(unsigned char fill) {
  Digest result;
  result.fill(fill);
  return result;
}

ScramVerifier verifier(std::string salt, std::uint32_t iterations) {
  return {.salt = std::move(salt),
          .iterations = iterations,
          .stored_key = digest(1),
          .server_key = digest(2),
          .mock = false};
}

}  // namespace

TEST_CASE("credentials: nothing is known at first but the process's secret") {
  const Credentials credentials("0123456789abcdef");
  CHECK(credentials.process_secret() == "0123456789abcdef");
  CHECK(credentials.verifier_of("web") == nullptr);
  CHECK(credentials.salted("password", {"salt", 4096}) == nullptr);
  CHECK_FALSE(credentials.learnt("web", {"salt", 4096}));
}

TEST_CASE("credentials: verifiers are kept by user") {
  Credentials credentials("secret");
  credentials.keep_verifier("web", verifier("one", 4096));
  credentials.keep_verifier("batch", verifier("two", 4096));
  REQUIRE(credentials.verifier_of("web") != nullptr);
  CHECK(credentials.verifier_of("web")->salt == "one");
  CHECK(credentials.verifier_of("batch")->salt == "two");
  CHECK(credentials.verifier_of("Web") == nullptr);
  credentials.keep_verifier("web", verifier("three", 4096));
  CHECK(credentials.verifier_of("web")->salt == "three");
}

TEST_CASE("credentials: a salted password is for its password, salt and iterations only") {
  Credentials credentials("secret");
  credentials.keep_salted("password", {"salt", 4096}, digest(7));
  REQUIRE(credentials.salted("password", {"salt", 4096}) != nullptr);
  CHECK(*credentials.salted("password", {"salt", 4096}) == digest(7));
  CHECK(credentials.salted("passwor", {"dsalt", 4096}) == nullptr);
  CHECK(credentials.salted("password", {"salT", 4096}) == nullptr);
  CHECK(credentials.salted("password", {"salt", 4097}) == nullptr);
  CHECK(credentials.salted("Password", {"salt", 4096}) == nullptr);
}

TEST_CASE("credentials: a server that changes its salt for ever does not fill the memory") {
  Credentials credentials("secret");
  std::size_t known = 0;
  for (int i = 0; i < 30'000; ++i) credentials.keep_salted("p", {std::to_string(i), 1}, digest(1));
  for (int i = 0; i < 30'000; ++i) known += credentials.salted("p", {std::to_string(i), 1}) != nullptr;
  CHECK(known > 0);
  CHECK(known <= 10'000);
  CHECK(credentials.salted("p", {"29999", 1}) != nullptr);
}

TEST_CASE("credentials: learnt keys fit the same verifier on the server only") {
  Credentials credentials("secret");
  CHECK(credentials.learn("web", verifier("salt", 4096), digest(9)));
  const auto keys = credentials.learnt("web", {"salt", 4096});
  REQUIRE(keys);
  CHECK(keys->client_key == digest(9));
  CHECK(keys->server_key == digest(2));
  CHECK_FALSE(credentials.learnt("web", {"other", 4096}));
  CHECK_FALSE(credentials.learnt("web", {"salt", 4095}));
  CHECK_FALSE(credentials.learnt("batch", {"salt", 4096}));
}

TEST_CASE("credentials: learning tells whether it was new") {
  Credentials credentials("secret");
  CHECK(credentials.learn("web", verifier("salt", 4096), digest(9)));
  CHECK_FALSE(credentials.learn("web", verifier("salt", 4096), digest(9)));
  CHECK(credentials.learn("web", verifier("new salt", 4096), digest(10)));  // a new password
  CHECK_FALSE(credentials.learnt("web", {"salt", 4096}));
  CHECK(credentials.learnt("web", {"new salt", 4096})->client_key == digest(10));
  CHECK(credentials.learn("batch", verifier("salt", 4096), digest(9)));
}

TEST_CASE("credentials: with new settings all is forgotten but the process's secret") {
  Credentials credentials("secret");
  credentials.keep_verifier("web", verifier("one", 4096));
  credentials.keep_salted("password", {"salt", 4096}, digest(7));
  credentials.learn("web", verifier("salt", 4096), digest(9));
  credentials.forget();
  CHECK(credentials.verifier_of("web") == nullptr);
  CHECK(credentials.salted("password", {"salt", 4096}) == nullptr);
  CHECK_FALSE(credentials.learnt("web", {"salt", 4096}));
  CHECK(credentials.process_secret() == "secret");
  CHECK(credentials.learn("web", verifier("salt", 4096), digest(9)));
}
