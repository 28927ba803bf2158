// /metrics, /healthz and /readyz of the real process, for readers of all kinds.

#include <doctest/doctest.h>

#include <cmath>
#include <csignal>

#include "tests/integration/servers.h"
#include "tests/support/eventually.h"
#include "tests/support/free_port.h"
#include "tests/support/metrics_text.h"

using namespace pgweir;

namespace {

struct MetricsProcess {
  int port = free_port();
  PgweirProcess pgweir;

  explicit MetricsProcess(const std::string& pool = {}) : pgweir(setup(pool)) {}

  PgweirSetup setup(const std::string& pool) const {
    PgweirSetup it(shared_postgres());
    it.pool = pool;
    it.more = "[metrics]\nport = " + std::to_string(port) + "\n";
    return it;
  }
};

struct HttpReply {
  std::string status, head, body;
};

// All that comes until the server closes; a reply without a head is an empty one.
HttpReply reply_of(WireClient& client) {
  std::string all;
  while (const auto byte = client.read_byte()) {
    all += *byte;
    // The server closes once the client has: half of it is done when the whole body is there.
    const auto end = all.find("\r\n\r\n");
    const auto length = all.find("Content-Length: ");
    if (end == std::string::npos || length == std::string::npos) continue;
    if (all.size() >= end + 4 + std::stoul(all.substr(length + 16))) break;
  }
  const auto end = all.find("\r\n\r\n");
  if (end == std::string::npos) return {};
  return {all.substr(9, 3), all.substr(0, end + 2), all.substr(end + 4)};
}

HttpReply get(int port, const std::string& path, const std::string& headers = {}) {
  WireClient client(port);
  client.send_raw("GET " + path + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n");
  return reply_of(client);
}

MetricsText metrics(int port, bool open = true) {
  const HttpReply reply =
      get(port, "/metrics", open ? "Accept: application/openmetrics-text; version=1.0.0\r\n" : "");
  CHECK(reply.status == "200");
  CHECK(reply.head.find(open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                             : "text/plain; version=0.0.4; charset=utf-8") != std::string::npos);
  MetricsText text = read_metrics(reply.body, open);
  for (const std::string& mistake : text.mistakes) FAIL_CHECK(mistake);
  return text;
}

}  // namespace

TEST_CASE("metrics of a real process count what clients did, in both formats") {
  MetricsProcess process;
  PgConnection client = process.pgweir.connect();
  for (int i = 0; i < 3; ++i) client.must("select 1");
  PgConnection odd = process.pgweir.connect("application_name=x user=trust_user");
  odd.must("select 1");
  for (const bool open : {true, false}) {
    CAPTURE(open);
    REQUIRE(eventually([&] {
      return metrics(process.port, open)
                 .value("pgbouncer_stats_queries_pooled_total{database=\"postgres\"}") == 4;
    }));
    const MetricsText text = metrics(process.port, open);
    const std::string pool = "{database=\"postgres\",user=\"postgres\"}";
    CHECK(text.value("pgweir_query_seconds_count" + pool) == 3);
    CHECK(text.value("pgweir_transaction_seconds_count" + pool) == 3);
    CHECK(text.value("pgweir_query_seconds_sum" + pool) > 0);
    CHECK(text.value("pgbouncer_pools_client_active_connections" + pool) == 1);
    CHECK(text.sum("pgbouncer_pools_client_active_connections", "database=\"postgres\"") == 2);
    CHECK(text.value("pgweir_draining") == 0);
  }
}

TEST_CASE("alerts are metrics while they are active") {
  const MetricsProcess process("default_pool_size = 1\nquery_wait_timeout = \"60s\"\n");
  PgConnection holder = process.pgweir.connect();
  holder.must("begin; select 1");
  PgConnection waiter = process.pgweir.connect();
  waiter.send("select 1");
  const auto waiting = [&] {
    return metrics(process.port).sum("pgbouncer_pools_client_waiting_connections");
  };
  CHECK(eventually([&] { return waiting() == 1; }));
  CHECK(eventually([&] { return metrics(process.port).sum("pgweir_alerts", "alert=\"exhaustion\"") == 1; }));
  holder.must("commit");
  CHECK(waiter.finish().ok());
  CHECK(eventually([&] { return waiting() == 0; }));
}

TEST_CASE("a process is healthy, ready until it drains, and says no more then") {
  MetricsProcess process;
  CHECK(get(process.port, "/healthz").status == "200");
  CHECK(get(process.port, "/readyz").body == "ready\n");
  PgConnection client = process.pgweir.connect();
  client.must("begin; select 1");
  process.pgweir.process().signal(SIGTERM);
  CHECK(eventually([&] { return get(process.port, "/readyz").status == "503"; }));
  CHECK(get(process.port, "/readyz").body == "draining\n");
  CHECK(get(process.port, "/healthz").status == "200");
  CHECK(metrics(process.port).value("pgweir_draining") == 1);
  client.must("commit");
}

TEST_CASE("what is no request for metrics is answered and ends") {
  MetricsProcess process;
  CHECK(get(process.port, "/").status == "404");
  CHECK(get(process.port, "/metrics/..").status == "404");
  const auto raw = [&](const std::string& bytes) {
    WireClient client(process.port);
    client.send_raw(bytes);
    return reply_of(client);
  };
  CHECK(raw("POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").status == "405");
  CHECK(raw("GET /metrics HTTP/3\r\n\r\n").status == "505");
  CHECK(raw(std::string("\0\0\0\x08\x04\xd2\x16\x2f\r\n", 10)).status == "400");
  CHECK(raw("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n\r\n").status == "431");
  WireClient head(process.port);
  head.send_raw("HEAD /healthz HTTP/1.1\r\n\r\n");
  std::string got;
  while (got.find("\r\n\r\n") == std::string::npos) {
    const auto byte = head.read_byte();
    REQUIRE(byte);
    got += *byte;
  }
  CHECK(got.find("Content-Length: 3\r\n") != std::string::npos);
  CHECK_FALSE(head.read_byte());  // the end, and no body before it
  // In single bytes.
  WireClient slow(process.port);
  slow.split(1);
  slow.send_raw("GET /healthz HTTP/1.1\r\n\r\n");
  CHECK(reply_of(slow).body == "ok\n");
}

TEST_CASE("readers that hold connections, ask all the time or do not read shut nobody out") {
  MetricsProcess process;
  std::vector<WireClient> idle, greedy;
  for (int i = 0; i < 100; ++i) {
    idle.emplace_back(process.port).send_raw("GET /metrics HTTP/1.1\r\n");
    greedy.emplace_back(process.port).send_raw("GET /metrics HTTP/1.1\r\n\r\n");
  }
  CHECK(metrics(process.port).value("pgbouncer_up") == 1);
  CHECK(get(process.port, "/readyz").status == "200");
  CHECK(process.pgweir.connect().value("select 'served'") == "served");
  // The oldest had to go.
  CHECK_FALSE(idle.front().read_byte());
}

TEST_CASE("without a port nothing is served, and a port that is taken ends the start") {
  PgweirSetup setup(shared_postgres());
  const PgweirProcess plain(setup);
  CHECK_FALSE(plain.log_contains("/metrics"));
  setup.more = "[metrics]\nport = " + std::to_string(plain.port()) + "\n";
  std::string error;
  try {
    const PgweirProcess other(setup);
  } catch (const std::exception& failed) {
    error = failed.what();
  }
  CHECK(error.find("metrics: cannot listen on 127.0.0.1:") != std::string::npos);
}
