#include "proxy/session/host_choice.h"

#include <doctest/doctest.h>

#include "proxy/session/server_role.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

using R = ServerRole;
using W = SessionAttrs;

constexpr Instant start{1000s};
const Endpoint a{"a", 1}, b{"b", 2}, c{"c", 3};

HostChoice choice(W wanted = W::any, LoadBalanceHosts balance = LoadBalanceHosts::disable) {
  HostChoice hosts;
  hosts.configure({a, b, c}, wanted, balance);
  return hosts;
}

// The hosts of a round in which none can be used: "abc".
std::string order(DialRound round, Instant now) {
  std::string names;
  do names += round.host().host;
  while (round.next(now));
  return names;
}
std::string order(HostChoice& hosts, Instant now) { return order(hosts.round(now, never), now); }

}  // namespace

TEST_CASE("target_session_attrs means what libpq means") {
  const auto fitting = [](W wanted) {
    std::string roles;
    if (fits(wanted, R::primary)) roles += 'p';
    if (fits(wanted, R::read_only)) roles += 'r';
    if (fits(wanted, R::standby)) roles += 's';
    CHECK(fits(wanted, R::unknown));
    return roles;
  };
  CHECK(fitting(W::any) == "prs");
  CHECK(fitting(W::read_write) == "p");
  CHECK(fitting(W::read_only) == "rs");
  CHECK(fitting(W::primary) == "pr");
  CHECK(fitting(W::standby) == "s");
  CHECK(fitting(W::prefer_standby) == "prs");
}

TEST_CASE("servers say what they are") {
  const auto reported = [](std::vector<Parameters::Value> values) {
    return reported_role(Parameters(values));
  };
  CHECK(reported({{"in_hot_standby", "off"}, {"default_transaction_read_only", "off"}}) == R::primary);
  CHECK(reported({{"in_hot_standby", "off"}, {"default_transaction_read_only", "on"}}) == R::read_only);
  CHECK(reported({{"in_hot_standby", "on"}, {"default_transaction_read_only", "off"}}) == R::standby);
  CHECK(reported({{"default_transaction_read_only", "on"}}) == R::unknown);
  CHECK(reported({}) == R::unknown);

  using namespace std::string_literals;
  CHECK(read_role("\0\2\0\0\0\1f\0\0\0\3off"s) == R::primary);
  CHECK(read_role("\0\2\0\0\0\1f\0\0\0\2on"s) == R::read_only);
  CHECK(read_role("\0\2\0\0\0\1t\0\0\0\3off"s) == R::standby);
  CHECK(read_role("\0\1\0\0\0\1t"s) == std::nullopt);
  CHECK(read_role("\0\2\0\0\0\1t\xff\xff\xff\xff"s) == std::nullopt);
  CHECK(read_role("\0\2\0\0\0\1t\0\0\0\3o"s) == std::nullopt);
}

TEST_CASE("disable tries hosts in the order of the list, round-robin begins with the next one each time") {
  HostChoice in_order = choice();
  CHECK(order(in_order, start) == "abc");
  CHECK(order(in_order, start) == "abc");
  HostChoice turns = choice(W::any, LoadBalanceHosts::round_robin);
  CHECK(order(turns, start) == "abc");
  CHECK(order(turns, start) == "bca");
  CHECK(order(turns, start) == "cab");
  CHECK(order(turns, start) == "abc");
}

TEST_CASE("a host that failed comes last, for longer each time, until somebody has logged in there") {
  HostChoice hosts = choice();
  hosts.failed(a, start, 1s);
  CHECK(order(hosts, start) == "bca");
  CHECK(order(hosts, start + 999ms) == "bca");
  CHECK(order(hosts, start + 1s) == "abc");
  // Attempts that fail together are one failure.
  hosts.failed(a, start + 1s, 1s);
  hosts.failed(a, start + 1s, 1s);
  CHECK(order(hosts, start + 2999ms) == "bca");
  CHECK(order(hosts, start + 3s) == "abc");
  hosts.failed(a, start + 3s, 1s);
  hosts.failed(a, start + 7s, 1s);
  hosts.failed(a, start + 15s, 1s);
  CHECK(order(hosts, start + 22s) == "bca");
  CHECK(order(hosts, start + 23s) == "abc");
  hosts.failed(a, start + 23s, 1s);
  CHECK(hosts.seen(a, R::primary, start + 24s));
  CHECK(order(hosts, start + 24s) == "abc");
  hosts.failed(a, start + 24s, 1s);
  CHECK(order(hosts, start + 25s) == "abc");
  // When all have failed, all are tried.
  for (const Endpoint& host : {a, b, c}) hosts.failed(host, start + 30s, 1s);
  CHECK(order(hosts, start + 30s) == "abc");
}

TEST_CASE("hosts that were lately not what is wanted come behind, and before those that failed") {
  HostChoice hosts = choice(W::primary);
  CHECK_FALSE(hosts.seen(a, R::standby, start));
  hosts.failed(b, start, 1s);
  CHECK(order(hosts, start) == "cab");
  CHECK(order(hosts, start + 1s) == "bca");
  CHECK(order(hosts, start + HostChoice::role_memory) == "abc");
  CHECK(hosts.seen(a, R::read_only, start));
  CHECK(order(hosts, start + 1s) == "abc");

  HostChoice standbys = choice(W::prefer_standby);
  CHECK(standbys.seen(a, R::primary, start));
  CHECK(order(standbys, start) == "bca");
}

TEST_CASE("open connections fit until their host was seen to be something else") {
  HostChoice hosts = choice(W::primary);
  CHECK(hosts.fits(a));
  CHECK(hosts.seen(a, R::primary, start));
  CHECK(hosts.fits(a));
  CHECK_FALSE(hosts.seen(a, R::standby, start));
  CHECK_FALSE(hosts.fits(a));
  CHECK(hosts.fits(b));
  CHECK(hosts.fits({"elsewhere", 1}));
  CHECK(hosts.seen({"elsewhere", 1}, R::standby, start));
  // What is known stays known when other hosts come and go.
  hosts.configure({c, a}, W::primary, LoadBalanceHosts::disable);
  CHECK_FALSE(hosts.fits(a));
  hosts.configure({c, a}, W::standby, LoadBalanceHosts::disable);
  CHECK(hosts.fits(a));
}

TEST_CASE("a round ends with the time, which the hosts share") {
  HostChoice hosts = choice();
  DialRound round = hosts.round(start, start + 9s);
  CHECK(round.host_deadline(start) == start + 3s);
  CHECK(round.next(start + 1s));
  CHECK(round.host_deadline(start + 1s) == start + 5s);
  CHECK(round.next(start + 5s));
  CHECK(round.host_deadline(start + 5s) == start + 9s);
  CHECK_FALSE(DialRound(round).next(start + 6s));
  DialRound late = hosts.round(start, start + 9s);
  CHECK_FALSE(late.next(start + 9s));
  CHECK(hosts.round(start, never).host_deadline(start) == never);
}

TEST_CASE("a round says of every host why it was not used") {
  DialRound round = choice(W::primary).round(start, never);
  CHECK_FALSE(round.takes(R::standby));
  round.misfit(R::standby);
  CHECK(round.next(start));
  round.failed("connection refused");
  CHECK(round.next(start));
  CHECK(round.takes(R::primary));
  round.failed(std::string(1000, 'x'));
  CHECK_FALSE(round.next(start));
  CHECK(round.tried() == 3);
  CHECK(round.found_misfit());
  CHECK(round.failures() == "a:1: is a standby; b:2: connection refused; c:3: " + std::string(300, 'x'));
  CHECK(Endpoint{"::1", 5432}.name() == "[::1]:5432");
  CHECK(Endpoint{"/run/postgresql", 5432}.name() == "/run/postgresql:5432");
}

TEST_CASE("prefer-standby takes another host only when no standby can be had") {
  DialRound round = choice(W::prefer_standby).round(start, never);
  CHECK(round.takes(R::standby));
  CHECK_FALSE(round.takes(R::primary));
  round.misfit(R::primary);
  CHECK(round.next(start));
  CHECK_FALSE(round.takes(R::read_only));
  round.failed("refused");
  CHECK(round.next(start));
  round.failed("refused");
  // The second pass: the host that answered.
  REQUIRE(round.next(start));
  CHECK(round.host() == a);
  CHECK(round.takes(R::primary));
  CHECK_FALSE(round.next(start));

  // The last host of the first pass needs no second one.
  DialRound last = choice(W::prefer_standby).round(start, never);
  last.failed("refused");
  CHECK(last.next(start));
  last.failed("refused");
  CHECK(last.next(start));
  CHECK(last.takes(R::primary));
}
