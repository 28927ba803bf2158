#pragma once
// The first packet of a connection, the one without a type byte, as values that own their text.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/writer.h"

namespace pgweir {

struct StartupMessage {
  using Value = std::pair<std::string, std::string>;

  // The major version is always 3. With a minor above 0, or any protocol_options, the client is to be
  // answered NegotiateProtocolVersion, once.
  std::uint16_t major = 3;
  std::uint16_t minor = 0;
  std::string user;      // never empty after parse_startup
  std::string database;  // the user's name when the packet has none
  std::string options;   // the server's command line switches, empty when the packet has none
  std::string replication;
  // The settings, in the order of the packet, repetitions included; not those that have a place of their own.
  std::vector<Value> parameters;
  std::vector<Value> protocol_options;  // the names begin with "_pq_."

  friend bool operator==(const StartupMessage&, const StartupMessage&) = default;
};

struct SslRequest {
  friend bool operator==(const SslRequest&, const SslRequest&) = default;
};

struct GssEncRequest {
  friend bool operator==(const GssEncRequest&, const GssEncRequest&) = default;
};

struct CancelRequest {
  std::uint32_t pid = 0;
  std::string secret;  // 4 bytes in 3.0; never printed

  friend bool operator==(const CancelRequest&, const CancelRequest&) = default;
};

// What the client is to be told, in PostgreSQL's words. `message` may quote the client.
struct StartupError {
  Bytes sqlstate;  // static
  std::string message;
  Bytes hint{};  // static
};

using StartupPacket = std::variant<StartupMessage, SslRequest, GssEncRequest, CancelRequest, StartupError>;

// Secrets of a cancel key: 4 bytes in protocol 3.0, up to 256 from 3.2 on.
inline constexpr std::size_t min_cancel_secret = 4;
inline constexpr std::size_t max_cancel_secret = 256;

inline constexpr std::uint32_t protocol_3_0 = 3u << 16;
inline constexpr std::uint32_t ssl_request_code = 1234u << 16 | 5679;
inline constexpr std::uint32_t gss_enc_request_code = 1234u << 16 | 5680;
inline constexpr std::uint32_t cancel_request_code = 1234u << 16 | 5678;

// The size of the packet behind its length field, nothing when there is no such packet. To be asked as soon
// as four bytes are there and before any more are kept.
std::optional<std::uint32_t> startup_body_size(Bytes length_field);
inline StartupError invalid_startup_length() { return {"08P01", "invalid length of startup packet"}; }

// `body` is the packet without its length field.
StartupPacket parse_startup(Bytes body);

// What `options` sets: -c name=value, -cname=value and --name=value, split at blanks, a backslash taking the
// next byte as it is (pg_split_opts, process_postgres_switches). Nothing when there is anything else.
std::optional<std::vector<StartupMessage::Value>> parse_options(Bytes options);

// The replication parameter asks for a walsender: it is not empty and not a word for "false".
bool wants_replication(const StartupMessage& message);

// A database that is the user's name is written all the same; empty options and replication are not.
void write_startup(Writer& out, const StartupMessage& message);
void write_ssl_request(Writer& out);
void write_gss_enc_request(Writer& out);
void write_cancel_request(Writer& out, std::uint32_t pid, Bytes secret);

}  // namespace pgweir
