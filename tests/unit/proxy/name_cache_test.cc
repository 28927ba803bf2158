#include "proxy/net/name_cache.h"

#include <doctest/doctest.h>

using namespace pgweir;

namespace {

constexpr Instant start{std::chrono::seconds(1000)};

Addresses addresses(std::size_t count) { return Addresses(count); }

}  // namespace

TEST_CASE("an answer is used for a while, then looked up again, and kept for bad times") {
  NameCache cache;
  CHECK(cache.fresh("db", start) == nullptr);
  CHECK(cache.last_good("db") == nullptr);
  cache.answered("db", addresses(2), start);
  REQUIRE(cache.fresh("db", start + NameCache::fresh_for - Duration(1)) != nullptr);
  CHECK(cache.fresh("db", start)->size() == 2);
  CHECK(cache.fresh("db", start + NameCache::fresh_for) == nullptr);
  REQUIRE(cache.last_good("db") != nullptr);
  CHECK(cache.last_good("db")->size() == 2);
  cache.answered("db", addresses(1), start + NameCache::fresh_for);
  REQUIRE(cache.fresh("db", start + NameCache::fresh_for) != nullptr);
  CHECK(cache.last_good("db")->size() == 1);
  CHECK(cache.last_good("other") == nullptr);
}

TEST_CASE("names that are not asked for any more go when there are too many") {
  NameCache cache;
  for (std::size_t i = 0; i < NameCache::most_names; ++i)
    cache.answered(std::to_string(i), addresses(1), start);
  CHECK(cache.last_good("0") != nullptr);
  cache.answered("new", addresses(1), start + NameCache::fresh_for);
  CHECK(cache.last_good("0") == nullptr);
  CHECK(cache.last_good("new") != nullptr);
}
