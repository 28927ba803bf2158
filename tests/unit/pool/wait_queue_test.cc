#include "pool/wait_queue.h"

#include <doctest/doctest.h>

#include <list>
#include <vector>

#include "tests/sim/seeded_random.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

Waiter waiter(std::uint32_t number) { return {.client = {number, 1}, .since = Instant(1s * number)}; }

// Takes all out from the front; the numbers in that order.
std::vector<std::uint32_t> drain(WaitQueue& queue) {
  std::vector<std::uint32_t> numbers;
  while (const Waiter* const first = queue.front()) {
    numbers.push_back(first->client.slot);
    queue.remove(queue.front_place());
  }
  return numbers;
}

}  // namespace

TEST_CASE("wait queue: empty at first") {
  WaitQueue queue;
  CHECK(queue.empty());
  CHECK(queue.size() == 0);
  CHECK(queue.front() == nullptr);
  CHECK(queue.front_place() == WaitQueue::nowhere);
}

TEST_CASE("wait queue: first in, first out, with what belongs to each") {
  WaitQueue queue;
  const auto place = queue.push(waiter(1));
  queue.push(waiter(2));
  queue.push(waiter(3));
  CHECK(queue.size() == 3);
  CHECK(queue.front_place() == place);
  CHECK(queue.front()->client == ConnId{1, 1});
  CHECK(queue.front()->since == Instant(1s));
  CHECK(drain(queue) == std::vector<std::uint32_t>{1, 2, 3});
  CHECK(queue.empty());
}

TEST_CASE("wait queue: anyone may leave, the others keep their order") {
  struct Case {
    std::vector<std::size_t> leave;
    std::vector<std::uint32_t> stay;
  };
  for (const auto& [leave, stay] :
       {Case{{0}, {1, 2, 3}}, Case{{3}, {0, 1, 2}}, Case{{1}, {0, 2, 3}}, Case{{1, 2}, {0, 3}},
        Case{{2, 1}, {0, 3}}, Case{{0, 3}, {1, 2}}, Case{{3, 2, 1, 0}, {}}, Case{{0, 1, 2, 3}, {}}}) {
    WaitQueue queue;
    std::vector<WaitQueue::Place> places;
    for (std::uint32_t i = 0; i < 4; ++i) places.push_back(queue.push(waiter(i)));
    for (const std::size_t i : leave) queue.remove(places[i]);
    CHECK(queue.size() == stay.size());
    CHECK(drain(queue) == stay);
    queue.push(waiter(9));
    CHECK(drain(queue) == std::vector<std::uint32_t>{9});
  }
}

TEST_CASE("wait queue: behaves as a list through a long random walk") {
  sim::SeededRandom random(11);
  WaitQueue queue;
  std::list<std::pair<std::uint32_t, WaitQueue::Place>> model;
  WaitQueue::Place highest = 0;
  for (std::uint32_t step = 0; step < 20'000; ++step) {
    if (model.size() < 50 && random.chance(510)) {
      model.emplace_back(step, queue.push(waiter(step)));
      highest = std::max(highest, model.back().second);
    } else if (!model.empty()) {
      const auto chosen = std::next(
          model.begin(), random.chance(500) ? 0 : static_cast<std::ptrdiff_t>(random.below(model.size())));
      queue.remove(chosen->second);
      model.erase(chosen);
    }
    REQUIRE(queue.size() == model.size());
    REQUIRE(queue.empty() == model.empty());
    if (!model.empty()) {
      REQUIRE(queue.front()->client.slot == model.front().first);
      REQUIRE(queue.front_place() == model.front().second);
    }
  }
  CHECK(highest < 50);  // places are used again
}
