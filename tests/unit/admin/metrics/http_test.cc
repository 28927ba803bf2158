#include "admin/metrics/http.h"

#include <doctest/doctest.h>

using namespace pgweir;
using State = HttpParse::State;

namespace {

int status_of(Bytes received) {
  const HttpParse parse = parse_http(received);
  return parse.state == State::refused ? parse.status : parse.state == State::complete ? 200 : 0;
}

}  // namespace

TEST_CASE("http: a request is its method, path and what it accepts") {
  const HttpParse parse = parse_http(
      "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\naccept: text/plain\r\nACCEPT:\t*/*;q=0.1 \r\n\r\nrest");
  REQUIRE(parse.state == State::complete);
  CHECK(parse.request.method == "GET");
  CHECK(parse.request.path == "/metrics");
  CHECK(parse.request.accept == "text/plain,*/*;q=0.1");
  CHECK(parse_http("HEAD / HTTP/1.0\n\n").request.method == "HEAD");
}

TEST_CASE("http: a request may come in any pieces") {
  const std::string whole = "GET /healthz HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(status_of(Bytes(whole).substr(0, i)) == 0);
  CHECK(status_of(whole) == 200);
}

TEST_CASE("http: what is no request is refused") {
  CHECK(status_of("\r\n") == 400);
  CHECK(status_of("GET\r\n\r\n") == 400);
  CHECK(status_of("GET /\r\n\r\n") == 400);
  CHECK(status_of("GET  HTTP/1.1\r\n\r\n") == 400);
  CHECK(status_of("GET http://a/ HTTP/1.1\r\n\r\n") == 400);
  CHECK(status_of("GET /a b HTTP/1.1\r\n\r\n") == 400);
  CHECK(status_of("G(T / HTTP/1.1\r\n\r\n") == 400);
  CHECK(status_of("GET / HTTP/2.0\r\n\r\n") == 505);
  CHECK(status_of("PRI * HTTP/2.0\r\n\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.1\r\nno colon\r\n\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.1\r\nA: \x01\r\n\r\n") == 400);
  CHECK(status_of(Bytes("GET /\0 HTTP/1.1\r\n\r\n", 19)) == 400);
  // A client of PostgreSQL, and one of TLS.
  CHECK(status_of(Bytes("\0\0\0\x08\x04\xd2\x16\x2f\n", 9)) == 400);
  CHECK(status_of(Bytes("\x16\x03\x01\x02\n", 5)) == 400);
}

TEST_CASE("http: a head that is too long is refused as soon as it is") {
  const std::string line = "GET /" + std::string(most_request_bytes, 'a');
  CHECK(status_of(line) == 431);
  CHECK(status_of(Bytes(line).substr(0, most_request_bytes)) == 0);
  std::string many = "GET / HTTP/1.1\r\n";
  while (many.size() <= most_request_bytes) many += "A: b\r\n";
  CHECK(status_of(many) == 431);
}

TEST_CASE("http: OpenMetrics is for readers that prefer it") {
  const auto open = [](Bytes accept) { return preferred_format(accept) == MetricsFormat::openmetrics; };
  // Prometheus 2.42, and 3.
  CHECK(
      open("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
           "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
  CHECK(open("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5, */*;q=0.2"));
  CHECK(open("Application/OpenMetrics-Text"));
  CHECK_FALSE(open(""));
  CHECK_FALSE(open("*/*"));
  CHECK_FALSE(open("text/html,*/*;q=0.8"));
  CHECK_FALSE(open("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.1"));
  CHECK_FALSE(open("application/openmetrics-text;version=9.0.0"));
  CHECK_FALSE(open("application/openmetrics-text;q=0"));
  CHECK_FALSE(open(";;,,q=;="));
}

TEST_CASE("http: an answer says how long it is and that the connection ends") {
  CHECK(http_head(200, "text/plain", 12) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: close\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n");
  CHECK(http_head(405, "text/plain", 0).find("\r\nAllow: GET, HEAD\r\n\r\n") != std::string::npos);
}
