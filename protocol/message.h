#pragma once
// The message types of protocol 3.0, by direction, with their names and the largest bodies they may have.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "protocol/bytes.h"

namespace pgweir {

inline constexpr std::size_t header_length = 5;  // type and length, before the body

// From a client to a server.
namespace frontend_type {
inline constexpr char bind = 'B';
inline constexpr char close = 'C';
inline constexpr char copy_data = 'd';
inline constexpr char copy_done = 'c';
inline constexpr char copy_fail = 'f';
inline constexpr char describe = 'D';
inline constexpr char execute = 'E';
inline constexpr char flush = 'H';
inline constexpr char function_call = 'F';
inline constexpr char parse = 'P';
// PasswordMessage, SASLInitialResponse or SASLResponse: only the state of the login tells which.
inline constexpr char password = 'p';
inline constexpr char query = 'Q';
inline constexpr char sync = 'S';
inline constexpr char terminate = 'X';
}  // namespace frontend_type

// From a server to a client.
namespace backend_type {
inline constexpr char authentication = 'R';
inline constexpr char backend_key_data = 'K';
inline constexpr char bind_complete = '2';
inline constexpr char close_complete = '3';
inline constexpr char command_complete = 'C';
inline constexpr char copy_both_response = 'W';
inline constexpr char copy_data = 'd';
inline constexpr char copy_done = 'c';
inline constexpr char copy_in_response = 'G';
inline constexpr char copy_out_response = 'H';
inline constexpr char data_row = 'D';
inline constexpr char empty_query_response = 'I';
inline constexpr char error_response = 'E';
inline constexpr char function_call_response = 'V';
inline constexpr char negotiate_protocol_version = 'v';
inline constexpr char no_data = 'n';
inline constexpr char notice_response = 'N';
inline constexpr char notification_response = 'A';
inline constexpr char parameter_description = 't';
inline constexpr char parameter_status = 'S';
inline constexpr char parse_complete = '1';
inline constexpr char portal_suspended = 's';
inline constexpr char ready_for_query = 'Z';
inline constexpr char row_description = 'T';
}  // namespace backend_type

// The name in the PostgreSQL manual, "Unknown" for a type that does not exist.
Bytes frontend_name(char type);
Bytes backend_name(char type);

// PostgreSQL limits the declared length, which counts its own four bytes, but for the startup packet the
// body. MAX_STARTUP_PACKET_LENGTH in pqcomm.h; PQ_SMALL_MESSAGE_LIMIT and PQ_LARGE_MESSAGE_LIMIT
// (MaxAllocSize - 1) in libpq/libpq.h; PG_MAX_AUTH_TOKEN_LENGTH in libpq/auth.h; 30000 in fe-protocol3.c.
inline constexpr std::uint32_t max_startup_packet = 10000;
inline constexpr std::uint32_t small_message_limit = 10000;
inline constexpr std::uint32_t large_message_limit = 0x3fffffff - 1;
inline constexpr std::uint32_t password_message_limit = 65535;
inline constexpr std::uint32_t short_reply_limit = 30000;

// The largest body of a type, in bytes, without the length's own four; nothing for an unknown type. As
// SocketBackend in postgres.c and pqParseInput3 in fe-protocol3.c have it. Both fit Framer::Limit.
std::optional<std::uint32_t> frontend_body_limit(char type);
std::optional<std::uint32_t> backend_body_limit(char type);

}  // namespace pgweir
