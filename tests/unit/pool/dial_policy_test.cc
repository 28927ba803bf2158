#include "pool/dial_policy.h"

#include <doctest/doctest.h>

#include <vector>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

const Instant start(1000s);

}  // namespace

TEST_CASE("dial policy: a server nobody has met yet may be dialed at once") {
  const DialPolicy policy;
  CHECK(policy.allowed(start) == DialPolicy::first_parallel);
  CHECK(policy.again() <= start);
  CHECK(policy.failing_since() == never);
}

TEST_CASE("dial policy: attempts in parallel double with each success, up to a limit") {
  DialPolicy policy;
  std::vector<int> allowed;
  for (int i = 0; i < 5; ++i) {
    policy.succeeded();
    allowed.push_back(policy.allowed(start));
  }
  CHECK(allowed == std::vector<int>{8, 16, 32, 32, 32});
}

TEST_CASE("dial policy: after a failure one attempt at a time, at growing distances") {
  DialPolicy policy;
  for (int i = 0; i < 3; ++i) policy.succeeded();
  Instant now = start;
  for (const Duration pause : std::vector<Duration>{50ms, 100ms, 200ms, 400ms, 800ms, 1s, 1s}) {
    policy.failed(now, 1s);
    CHECK(policy.again() == now + pause);
    CHECK(policy.allowed(now) == 0);
    CHECK(policy.allowed(now + pause - 1ns) == 0);
    CHECK(policy.allowed(now + pause) == 1);
    now += pause;
  }
  CHECK(policy.failing_since() == start);
}

TEST_CASE("dial policy: attempts that fail together are one failure") {
  DialPolicy policy;
  for (int i = 0; i < 32; ++i) policy.failed(start + i * 1ms, 15s);
  CHECK(policy.again() == start + DialPolicy::first_pause);
  policy.failed(start + 60ms, 15s);
  CHECK(policy.again() == start + 60ms + 2 * DialPolicy::first_pause);
}

TEST_CASE("dial policy: a success ends the trouble") {
  DialPolicy policy;
  policy.failed(start, 15s);
  policy.failed(start + 1s, 15s);
  policy.succeeded();
  CHECK(policy.allowed(start + 1s) == DialPolicy::first_parallel);
  CHECK(policy.failing_since() == never);
  policy.failed(start + 2s, 15s);
  CHECK(policy.again() == start + 2s + DialPolicy::first_pause);
  CHECK(policy.failing_since() == start + 2s);
}

TEST_CASE("dial policy: the distance is never below the first one") {
  DialPolicy policy;
  Instant now = start;
  for (int i = 0; i < 4; ++i) {
    policy.failed(now, 0s);
    CHECK(policy.again() == now + DialPolicy::first_pause);
    now += 1s;
  }
}
