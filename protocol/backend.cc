#include "protocol/backend.h"

#include "protocol/body.h"
#include "protocol/message.h"
#include "protocol/reader.h"
#include "protocol/sqlstate.h"
#include "protocol/startup.h"

namespace pgweir {

namespace {

enum AuthenticationCode : std::uint32_t {
  code_ok = 0,
  code_cleartext_password = 3,
  code_md5_password = 5,
  code_sasl = 10,
  code_sasl_continue = 11,
  code_sasl_final = 12,
};

struct FieldRow {
  char code;
  Bytes ErrorFields::*field;
};

// The order of PostgreSQL's send_message_to_frontend.
constexpr FieldRow error_field_rows[] = {
    {'C', &ErrorFields::sqlstate},       {'M', &ErrorFields::message},
    {'D', &ErrorFields::detail},         {'H', &ErrorFields::hint},
    {'W', &ErrorFields::where},          {'s', &ErrorFields::schema},
    {'t', &ErrorFields::table},          {'c', &ErrorFields::column},
    {'d', &ErrorFields::data_type},      {'n', &ErrorFields::constraint},
    {'P', &ErrorFields::position},       {'p', &ErrorFields::internal_position},
    {'q', &ErrorFields::internal_query}, {'F', &ErrorFields::file},
    {'L', &ErrorFields::line},           {'R', &ErrorFields::routine},
};

void write_fields(Writer& out, char type, ErrorFields fields) {
  const bool is_error = type == backend_type::error_response;
  if (fields.severity.empty()) fields.severity = is_error ? "ERROR" : "NOTICE";
  if (fields.sqlstate.empty())
    fields.sqlstate = is_error ? sqlstate::internal_error : sqlstate::successful_completion;
  out.begin(type).u8('S').cstring(fields.severity).u8('V').cstring(fields.severity);
  for (const auto& [code, field] : error_field_rows) {
    if (!(fields.*field).empty() || code == 'M')
      out.u8(static_cast<std::uint8_t>(code)).cstring(fields.*field);
  }
  out.u8(0).end();
}

Writer& begin_authentication(Writer& out, AuthenticationCode code) {
  return out.begin(backend_type::authentication).u32(code);
}

void write_empty(Writer& out, char type) { out.begin(type).end(); }

void write_copy_response(Writer& out, char type, std::uint16_t columns) {
  out.begin(type).u8(0).u16(columns);
  for (int i = 0; i < columns; ++i) out.u16(0);
  out.end();
}

std::uint16_t size_of(std::uint32_t type) {
  switch (type) {
    case type_oid::int4:
      return 4;
    case type_oid::int8:
    case type_oid::float8:
      return 8;
    default:
      return 0xffff;  // -1: varies
  }
}

Column read_column(Reader& in) {
  Column column;
  column.name = in.cstring();
  in.bytes(6);  // the table and the number of the column in it
  column.oid = in.u32();
  in.bytes(8);  // size, modifier and format
  return column;
}

void write_column(Writer& out, const Column& column) {
  out.cstring(column.name).u32(0).u16(0).u32(column.oid).u16(size_of(column.oid)).u32(0xffffffff).u16(0);
}

}  // namespace

ErrorFields read_error_fields(Bytes body) {
  ErrorFields fields;
  Reader in(body);
  bool plain_severity = false;
  while (true) {
    const char code = static_cast<char>(in.u8());
    if (!in.ok() || code == 0) return fields;
    const Bytes value = in.cstring();
    if (!in.ok()) return fields;
    // V is S untranslated, and preferred.
    if (code == 'V' || (code == 'S' && !plain_severity)) {
      fields.severity = value;
      plain_severity |= code == 'V';
    }
    for (const FieldRow& row : error_field_rows) {
      if (row.code == code) fields.*row.field = value;
    }
  }
}

std::optional<AuthenticationRequest> read_authentication(Bytes body) {
  Reader in(body);
  AuthenticationRequest request;
  request.code = in.u32();
  switch (request.code) {
    case code_ok:
      request.kind = AuthenticationKind::ok;
      break;
    case code_cleartext_password:
      request.kind = AuthenticationKind::cleartext_password;
      break;
    case code_md5_password:
      request.kind = AuthenticationKind::md5_password;
      request.salt = in.bytes(4);
      break;
    case code_sasl:
      request.kind = AuthenticationKind::sasl;
      for (Bytes name = in.cstring(); !name.empty(); name = in.cstring()) request.mechanisms.push_back(name);
      break;
    case code_sasl_continue:
      request.kind = AuthenticationKind::sasl_continue;
      request.data = in.rest();
      break;
    case code_sasl_final:
      request.kind = AuthenticationKind::sasl_final;
      request.data = in.rest();
      break;
    default:
      request.data = in.rest();
  }
  return when(in.done(), std::move(request));
}

std::optional<ParameterStatus> read_parameter_status(Bytes body) {
  Reader in(body);
  ParameterStatus status;
  status.name = in.cstring();
  status.value = in.cstring();
  return when(in.done(), status);
}

std::optional<Notification> read_notification_response(Bytes body) {
  Reader in(body);
  Notification notification;
  notification.pid = in.u32();
  notification.channel = in.cstring();
  notification.payload = in.cstring();
  return when(in.done(), notification);
}

std::optional<BackendKeyData> read_backend_key_data(Bytes body) {
  Reader in(body);
  BackendKeyData key;
  key.pid = in.u32();
  key.secret = in.rest();
  return when(in.done() && key.secret.size() >= min_cancel_secret && key.secret.size() <= max_cancel_secret,
              key);
}

std::optional<TransactionStatus> read_ready_for_query(Bytes body) {
  Reader in(body);
  const char status = static_cast<char>(in.u8());
  return when(in.done() && (status == 'I' || status == 'T' || status == 'E'), TransactionStatus{status});
}

std::optional<NegotiateProtocolVersion> read_negotiate_protocol_version(Bytes body) {
  Reader in(body);
  NegotiateProtocolVersion version;
  // Servers send the whole version, whatever the manual says.
  version.newest_minor = in.u32() & 0xffff;
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) version.options.push_back(in.cstring());
  return when(in.done(), std::move(version));
}

std::optional<Bytes> read_command_complete(Bytes body) {
  Reader in(body);
  const Bytes tag = in.cstring();
  return when(in.done(), tag);
}

std::optional<std::vector<Column>> read_row_description(Bytes body) {
  Reader in(body);
  auto columns = read_list(in, read_column);
  return when(in.done(), std::move(columns));
}

std::optional<std::vector<std::optional<Bytes>>> read_data_row(Bytes body) {
  Reader in(body);
  auto values = read_list(in, read_nullable);
  return when(in.done(), std::move(values));
}

std::optional<std::vector<std::uint32_t>> read_parameter_description(Bytes body) {
  Reader in(body);
  auto types = read_list(in, [](Reader& type) { return type.u32(); });
  return when(in.done(), std::move(types));
}

void write_authentication_ok(Writer& out) { begin_authentication(out, code_ok).end(); }

void write_authentication_cleartext_password(Writer& out) {
  begin_authentication(out, code_cleartext_password).end();
}

void write_authentication_md5_password(Writer& out, Bytes salt) {
  begin_authentication(out, code_md5_password).bytes(salt).end();
}

void write_authentication_sasl(Writer& out, std::span<const Bytes> mechanisms) {
  begin_authentication(out, code_sasl);
  for (Bytes name : mechanisms) out.cstring(name);
  out.u8(0).end();
}

void write_authentication_sasl_continue(Writer& out, Bytes data) {
  begin_authentication(out, code_sasl_continue).bytes(data).end();
}

void write_authentication_sasl_final(Writer& out, Bytes data) {
  begin_authentication(out, code_sasl_final).bytes(data).end();
}

void write_negotiate_protocol_version(Writer& out, std::uint16_t newest_minor,
                                      std::span<const std::pair<std::string, std::string>> options) {
  out.begin(backend_type::negotiate_protocol_version).u32(protocol_3_0 | newest_minor);
  out.u32(static_cast<std::uint32_t>(options.size()));
  for (const auto& option : options) out.cstring(option.first);
  out.end();
}

void write_parameter_status(Writer& out, Bytes name, Bytes value) {
  out.begin(backend_type::parameter_status).cstring(name).cstring(value).end();
}

void write_backend_key_data(Writer& out, std::uint32_t pid, Bytes secret) {
  out.begin(backend_type::backend_key_data).u32(pid).bytes(secret).end();
}

void write_ready_for_query(Writer& out, TransactionStatus status) {
  out.begin(backend_type::ready_for_query).u8(static_cast<std::uint8_t>(status)).end();
}

void write_error_response(Writer& out, const ErrorFields& fields) {
  write_fields(out, backend_type::error_response, fields);
}

void write_notice_response(Writer& out, const ErrorFields& fields) {
  write_fields(out, backend_type::notice_response, fields);
}

void write_notification_response(Writer& out, std::uint32_t pid, Bytes channel, Bytes payload) {
  out.begin(backend_type::notification_response).u32(pid).cstring(channel).cstring(payload).end();
}

void write_row_description(Writer& out, std::span<const Column> columns) {
  out.begin(backend_type::row_description);
  write_list(out, columns, write_column);
  out.end();
}

void write_data_row(Writer& out, std::span<const std::optional<Bytes>> values) {
  out.begin(backend_type::data_row);
  write_list(out, values, write_nullable);
  out.end();
}

void write_data_row(Writer& out, std::span<const std::string> values) {
  out.begin(backend_type::data_row);
  write_list(out, values, [](Writer& to, const std::string& value) { write_nullable(to, value); });
  out.end();
}

void write_command_complete(Writer& out, Bytes tag) {
  out.begin(backend_type::command_complete).cstring(tag).end();
}

void write_empty_query_response(Writer& out) { write_empty(out, backend_type::empty_query_response); }
void write_parse_complete(Writer& out) { write_empty(out, backend_type::parse_complete); }
void write_bind_complete(Writer& out) { write_empty(out, backend_type::bind_complete); }
void write_close_complete(Writer& out) { write_empty(out, backend_type::close_complete); }
void write_no_data(Writer& out) { write_empty(out, backend_type::no_data); }
void write_portal_suspended(Writer& out) { write_empty(out, backend_type::portal_suspended); }

void write_parameter_description(Writer& out, std::span<const std::uint32_t> types) {
  out.begin(backend_type::parameter_description);
  write_list(out, types, [](Writer& to, std::uint32_t type) { to.u32(type); });
  out.end();
}

void write_function_call_response(Writer& out, std::optional<Bytes> value) {
  out.begin(backend_type::function_call_response);
  write_nullable(out, value);
  out.end();
}

void write_copy_in_response(Writer& out, std::uint16_t columns) {
  write_copy_response(out, backend_type::copy_in_response, columns);
}

void write_copy_out_response(Writer& out, std::uint16_t columns) {
  write_copy_response(out, backend_type::copy_out_response, columns);
}

void write_copy_both_response(Writer& out, std::uint16_t columns) {
  write_copy_response(out, backend_type::copy_both_response, columns);
}

}  // namespace pgweir
