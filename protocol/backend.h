#pragma once
// Messages from a server to a client. Readers take the body, without type and length, and return nothing
// when it is not what the message must be. All views point into the body.
//
// Writers append one whole message. Text stops at its first zero byte; lists have at most 65535 entries,
// more are left out.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/writer.h"

namespace pgweir {

// The fields of an ErrorResponse or NoticeResponse; a field that is missing is empty. Written: severity, or
// ERROR (NOTICE in a notice), sqlstate, or XX000 (00000 in a notice), message, and whatever else is not
// empty.
struct ErrorFields {
  Bytes severity{}, sqlstate{}, message{}, detail{}, hint{};
  Bytes position{}, internal_position{}, internal_query{}, where{};
  Bytes schema{}, table{}, column{}, data_type{}, constraint{};
  Bytes file{}, line{}, routine{};
};

// From pg_type.dat.
namespace type_oid {
inline constexpr std::uint32_t bytea = 17;
inline constexpr std::uint32_t int8 = 20;
inline constexpr std::uint32_t int4 = 23;
inline constexpr std::uint32_t text = 25;
inline constexpr std::uint32_t float8 = 701;
inline constexpr std::uint32_t numeric = 1700;
}  // namespace type_oid

struct Column {
  Bytes name;
  std::uint32_t oid = type_oid::text;

  friend bool operator==(const Column&, const Column&) = default;
};

enum class AuthenticationKind : std::uint8_t {
  ok,
  cleartext_password,
  md5_password,
  sasl,
  sasl_continue,
  sasl_final,
  other,  // Kerberos, GSS, SSPI and whatever comes: `code` says which
};

struct AuthenticationRequest {
  AuthenticationKind kind = AuthenticationKind::other;
  std::uint32_t code = 0;
  Bytes salt{};                     // md5_password: 4 bytes
  Bytes data{};                     // sasl_continue, sasl_final, other
  std::vector<Bytes> mechanisms{};  // sasl
};

struct ParameterStatus {
  Bytes name, value;
};

struct Notification {
  std::uint32_t pid = 0;  // of the backend that sent it
  Bytes channel, payload;
};

struct BackendKeyData {
  std::uint32_t pid = 0;
  Bytes secret;  // 4 to 256 bytes; never printed
};

enum class TransactionStatus : char { idle = 'I', in_transaction = 'T', failed = 'E' };

struct NegotiateProtocolVersion {
  std::uint32_t newest_minor = 0;
  std::vector<Bytes> options;
};

// An error is an error even if its body is broken: what can be read is read. Of repeated fields the last one
// counts, unknown ones are passed over.
ErrorFields read_error_fields(Bytes body);
std::optional<AuthenticationRequest> read_authentication(Bytes body);
std::optional<ParameterStatus> read_parameter_status(Bytes body);
std::optional<Notification> read_notification_response(Bytes body);
std::optional<BackendKeyData> read_backend_key_data(Bytes body);
std::optional<TransactionStatus> read_ready_for_query(Bytes body);
std::optional<NegotiateProtocolVersion> read_negotiate_protocol_version(Bytes body);
std::optional<Bytes> read_command_complete(Bytes body);  // the tag, as in "SELECT 3"
std::optional<std::vector<Column>> read_row_description(Bytes body);
std::optional<std::vector<std::optional<Bytes>>> read_data_row(Bytes body);  // nothing is NULL
std::optional<std::vector<std::uint32_t>> read_parameter_description(Bytes body);

void write_authentication_ok(Writer& out);
void write_authentication_cleartext_password(Writer& out);
void write_authentication_md5_password(Writer& out, Bytes salt);  // `salt` has 4 bytes
void write_authentication_sasl(Writer& out, std::span<const Bytes> mechanisms);
void write_authentication_sasl_continue(Writer& out, Bytes data);
void write_authentication_sasl_final(Writer& out, Bytes data);
void write_negotiate_protocol_version(Writer& out, std::uint16_t newest_minor,
                                      std::span<const std::pair<std::string, std::string>> options);
void write_parameter_status(Writer& out, Bytes name, Bytes value);
void write_backend_key_data(Writer& out, std::uint32_t pid, Bytes secret);
void write_ready_for_query(Writer& out, TransactionStatus status);

void write_error_response(Writer& out, const ErrorFields& fields);
void write_notice_response(Writer& out, const ErrorFields& fields);
void write_notification_response(Writer& out, std::uint32_t pid, Bytes channel, Bytes payload);

// Results in text format.
void write_row_description(Writer& out, std::span<const Column> columns);
void write_data_row(Writer& out, std::span<const std::optional<Bytes>> values);
void write_data_row(Writer& out, std::span<const std::string> values);
void write_command_complete(Writer& out, Bytes tag);
void write_empty_query_response(Writer& out);

void write_parse_complete(Writer& out);
void write_bind_complete(Writer& out);
void write_close_complete(Writer& out);
void write_no_data(Writer& out);
void write_parameter_description(Writer& out, std::span<const std::uint32_t> types);
void write_portal_suspended(Writer& out);
void write_function_call_response(Writer& out, std::optional<Bytes> value);
// CopyInResponse, CopyOutResponse and CopyBothResponse, in text format.
void write_copy_in_response(Writer& out, std::uint16_t columns);
void write_copy_out_response(Writer& out, std::uint16_t columns);
void write_copy_both_response(Writer& out, std::uint16_t columns);

}  // namespace pgweir
