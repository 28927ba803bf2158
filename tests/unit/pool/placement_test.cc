#include "pool/placement.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

using namespace pgweir;

TEST_CASE("placement: how many workers a pool gets") {
  struct Case {
    int size, workers;
    std::size_t hosts;
  };
  for (const Case& row :
       {Case{1, 4, 1}, Case{15, 4, 1}, Case{16, 4, 2}, Case{23, 4, 2}, Case{24, 4, 3}, Case{32, 4, 4},
        Case{1000, 4, 4}, Case{1000, 1, 1}, Case{0, 4, 1}, Case{100, 64, 12}}) {
    CAPTURE(row.size);
    CAPTURE(row.workers);
    const auto& [size, workers, hosts] = row;
    const auto placed = placement({"db", "user"}, size, workers);
    CHECK(placed.size() == hosts);
    CHECK(std::set<WorkerId>(placed.begin(), placed.end()).size() == hosts);  // all different
    for (const WorkerId worker : placed) CHECK(worker.value < static_cast<std::uint32_t>(workers));
  }
}

TEST_CASE("placement: the same everywhere, and the same workers stay when a pool grows") {
  for (int i = 0; i < 100; ++i) {
    const Route route{"db" + std::to_string(i), "user"};
    const auto small = placement(route, 10, 8), large = placement(route, 40, 8);
    CHECK(small == placement(route, 10, 8));
    CHECK(small[0] == large[0]);
  }
  // The simulation must run the same with every build and standard library.
  CHECK(placement({"postgres", "postgres"}, 10, 1024)[0].value == 1005);
  CHECK(placement({"shop", "web"}, 10, 1024)[0].value == 775);
}

TEST_CASE("placement: pools spread over the workers") {
  std::map<WorkerId, int> pools;
  for (int i = 0; i < 1000; ++i) {
    ++pools[placement({"db" + std::to_string(i / 10), "user" + std::to_string(i % 10)}, 10, 4)[0]];
  }
  REQUIRE(pools.size() == 4);
  for (const auto& [worker, count] : pools) CHECK(count > 150);
}

TEST_CASE("placement: the border between database and user counts") {
  int different = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string text = "name" + std::to_string(i);
    const Route one{text, "x"}, two{text + "x", ""};
    different += placement(one, 1, 1024) != placement(two, 1, 1024);
  }
  CHECK(different > 90);
}

TEST_CASE("placement: the parts of the hosts are even and add up to the whole") {
  for (const int workers : {1, 2, 3, 4, 7}) {
    for (const int size : {1, 16, 30, 100}) {
      const Route route{"db", "user"};
      const auto hosts = placement(route, size, workers);
      for (int whole = 0; whole <= 20; ++whole) {
        CAPTURE(workers);
        CAPTURE(size);
        CAPTURE(whole);
        int sum = 0, least = whole, most = 0;
        for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(workers); ++i) {
          const int part = part_of(whole, hosts, {i});
          const bool is_host = std::find(hosts.begin(), hosts.end(), WorkerId{i}) != hosts.end();
          sum += part;
          if (!is_host) CHECK(part == 0);
          if (is_host) least = std::min(least, part), most = std::max(most, part);
        }
        CHECK(sum == whole);
        CHECK(most - least <= 1);
      }
    }
  }
  CHECK(part_of(7, {{3}, {0}, {1}}, {3}) == 3);
  CHECK(part_of(7, {{3}, {0}, {1}}, {1}) == 2);
  CHECK(part_of(7, {{3}, {0}, {1}}, {2}) == 0);
}
