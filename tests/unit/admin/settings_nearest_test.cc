#include <doctest/doctest.h>

#include <array>
#include <string>

#include "admin/nearest.h"

using namespace pgweir;

TEST_CASE("a word with a slip finds what was meant") {
  constexpr std::array<Bytes, 5> words{"port", "backlog", "default_pool_size", "min_pool_size",
                                       "reserve_pool_size"};
  CHECK(nearest("default_pool_sise", words) == "default_pool_size");
  CHECK(nearest("defaultpoolsize", words) == "default_pool_size");
  CHECK(nearest("poort", words) == "port");
  CHECK(nearest("prot", words) == "port");  // a swap is one slip
  CHECK(nearest("por", words) == "port");
  CHECK(nearest("PORT", words) == "port");
  CHECK(nearest("backlogs", words) == "backlog");
}

TEST_CASE("a word that is far from all finds nothing") {
  constexpr std::array<Bytes, 2> words{"port", "backlog"};
  CHECK_FALSE(nearest("", words).has_value());
  CHECK_FALSE(nearest("xy", words).has_value());
  CHECK_FALSE(nearest("prxy", words).has_value());
  CHECK_FALSE(nearest("server_lifetime", words).has_value());
  CHECK_FALSE(nearest(std::string(100'000, 'p'), words).has_value());
  CHECK_FALSE(nearest("port", {}).has_value());
}
