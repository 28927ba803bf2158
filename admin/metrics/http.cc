#include "admin/metrics/http.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "protocol/bytes.h"

namespace pgweir {
namespace {

HttpParse refused(int status) { return {HttpParse::State::refused, status, {}}; }

// Takes a line with its end from `text`; nothing when it is not complete.
std::optional<Bytes> take_line(Bytes& text) {
  const auto end = text.find('\n');
  if (end == Bytes::npos) return {};
  Bytes line = text.substr(0, end);
  text.remove_prefix(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool clean_line(Bytes line) {
  return std::all_of(line.begin(), line.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7F) || c == '\t';
  });
}

Bytes trimmed(Bytes text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == Bytes::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool same_word(Bytes a, Bytes b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower_ascii(x) == lower_ascii(y); });
}

bool is_token(Bytes text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           Bytes("!#$%&'*+-.^_`|~").find(c) != Bytes::npos;
  });
}

// The next part of a list; quoted separators do not occur in what is looked for.
Bytes next_part(Bytes& list, char separator) {
  const auto end = std::min(list.find(separator), list.size());
  const Bytes part = trimmed(list.substr(0, end));
  list.remove_prefix(std::min(end + 1, list.size()));
  return part;
}

}  // namespace

HttpParse parse_http(Bytes received) {
  const bool too_long = received.size() > most_request_bytes;
  Bytes rest = received.substr(0, most_request_bytes);
  const auto first = take_line(rest);
  if (!first) return too_long ? refused(431) : HttpParse{};
  if (!clean_line(*first)) return refused(400);
  const auto end_of_method = first->find(' '), begin_of_version = first->rfind(' ');
  if (end_of_method == Bytes::npos || begin_of_version == end_of_method) return refused(400);
  HttpParse parse{HttpParse::State::complete, 0, {}};
  parse.request.method = first->substr(0, end_of_method);
  const Bytes target = first->substr(end_of_method + 1, begin_of_version - end_of_method - 1);
  const Bytes version = first->substr(begin_of_version + 1);
  if (!is_token(parse.request.method) || !target.starts_with('/') || target.find(' ') != Bytes::npos)
    return refused(400);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return refused(505);
  parse.request.path = target.substr(0, target.find('?'));
  while (true) {
    const auto line = take_line(rest);
    if (!line) return too_long ? refused(431) : HttpParse{};
    if (line->empty()) return parse;
    const auto colon = line->find(':');
    if (!clean_line(*line) || colon == Bytes::npos || !is_token(line->substr(0, colon))) return refused(400);
    if (!same_word(line->substr(0, colon), "accept")) continue;
    if (!parse.request.accept.empty()) parse.request.accept += ',';
    parse.request.accept += trimmed(line->substr(colon + 1));
  }
}

MetricsFormat preferred_format(Bytes accept) {
  double open = 0, text = 0;
  while (!accept.empty()) {
    Bytes range = next_part(accept, ',');
    const Bytes type = next_part(range, ';');
    double quality = 1;
    bool known_version = true;
    while (!range.empty()) {
      Bytes value = next_part(range, ';');
      const Bytes name = next_part(value, '=');
      if (same_word(name, "q")) quality = std::strtod(std::string(value).c_str(), nullptr);
      if (same_word(name, "version")) known_version = value == "1.0.0" || value == "0.0.1";
    }
    if (same_word(type, "application/openmetrics-text") && known_version) {
      open = std::max(open, quality);
    } else if (same_word(type, "text/plain") || same_word(type, "text/*") || type == "*/*") {
      text = std::max(text, quality);
    }
  }
  return open > 0 && open >= text ? MetricsFormat::openmetrics : MetricsFormat::prometheus;
}

Bytes http_reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

std::string http_head(int status, Bytes content_type, std::size_t length) {
  std::string head =
      "HTTP/1.1 " + std::to_string(status) + ' ' + std::string(http_reason(status)) +
      "\r\nContent-Type: " + std::string(content_type) + "\r\nContent-Length: " + std::to_string(length) +
      "\r\nConnection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
  if (status == 405) head += "Allow: GET, HEAD\r\n";
  return head + "\r\n";
}

}  // namespace pgweir
