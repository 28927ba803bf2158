#pragma once
// As much of HTTP/1.1 as /metrics needs: the head of a request is read, a body is not, and each connection
// serves one request. Pure.

#include <cstddef>
#include <cstdint>
#include <string>

#include "admin/metrics/exposition.h"
#include "protocol/bytes.h"

namespace pgweir {

// A request line and headers longer than this are refused.
inline constexpr std::size_t most_request_bytes = 8192;

struct HttpRequest {
  std::string method;
  std::string path;    // without a query
  std::string accept;  // all Accept headers
};

struct HttpParse {
  enum class State : std::uint8_t { partial, complete, refused };
  State state = State::partial;
  int status = 0;  // of the answer, when refused
  HttpRequest request{};
};
// `received`: all that has come so far.
HttpParse parse_http(Bytes received);

// What the reader of /metrics prefers; text when it says nothing.
MetricsFormat preferred_format(Bytes accept);

// The head of an answer, up to the empty line and with it.
std::string http_head(int status, Bytes content_type, std::size_t length);
Bytes http_reason(int status);

}  // namespace pgweir
