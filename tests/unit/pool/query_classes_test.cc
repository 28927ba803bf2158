#include "pool/query_classes.h"

#include <doctest/doctest.h>

#include <string>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

Duration total(const std::vector<QueryClass>& classes) {
  Duration sum{};
  for (const QueryClass& it : classes) sum += it.use.time;
  return sum;
}

}  // namespace

TEST_CASE("query classes: calls, times and waits") {
  QueryClasses classes;
  classes.add(7, "SELECT $");
  classes.record(7, 3ms, 0ns);
  classes.record(7, 5ms, 2ms);
  classes.record(9, 1ms, 0ns);  // was never added
  classes.add(8, "never called");

  const auto top = classes.top(10);
  REQUIRE(top.size() == 2);
  CHECK(top[0].id == 7);
  CHECK(top[0].text == "SELECT $");
  CHECK(top[0].use.calls == 2);
  CHECK(top[0].use.time == 8ms);
  CHECK(top[0].use.longest == 5ms);
  CHECK(top[0].use.waited == 1);
  CHECK(top[0].use.wait == 2ms);
  CHECK(top[1].id == 0);
  CHECK(top[1].use.time == 1ms);
}

TEST_CASE("query classes: however many there are, no time is lost and the large ones stay") {
  QueryClasses classes;
  classes.add(1, "large");
  Duration sum{};
  for (std::uint64_t id = 2; id < 10 * QueryClasses::most_classes; ++id) {
    classes.add(id, std::to_string(id));
    classes.record(id, 1ms, 0ns);
    classes.record(1, 2ms, 0ns);
    sum += 3ms;
  }
  const auto top = classes.top(2 * QueryClasses::most_classes);
  CHECK(top.size() <= QueryClasses::most_classes + 1);
  CHECK(top.front().text == "large");
  CHECK(top.back().id == 0);
  CHECK(total(top) == sum);
  const auto three = classes.top(3);
  CHECK(three.size() == 4);
  CHECK(total(three) == sum);
}

TEST_CASE("query classes: those of two workers") {
  QueryClasses here, there;
  here.add(1, "a");
  there.add(1, "a");
  there.add(2, "b");
  here.record(1, 2ms, 0ns);
  there.record(1, 3ms, 1ms);
  there.record(2, 4ms, 0ns);
  here.record(0, 1ms, 0ns);
  const auto both = merge_classes(here.top(10), there.top(10), 10);
  REQUIRE(both.size() == 3);
  CHECK(both[0].id == 1);
  CHECK(both[0].use.time == 5ms);
  CHECK(both[1].text == "b");
  CHECK(both[2].id == 0);
  const auto one = merge_classes(here.top(10), there.top(10), 1);
  REQUIRE(one.size() == 2);
  CHECK(one[1].use.time == 5ms);
}
