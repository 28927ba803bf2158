// A type letter and a body from a server: what can be read is written again the same.

#include <cstdint>
#include <cstdlib>

#include "protocol/backend.h"
#include "protocol/message.h"
#include "protocol/trace.h"

using namespace pgweir;

namespace {

template <typename Message, typename Write>
void check_same(Bytes input, const Message& message, Write write) {
  if (!message) return;
  Writer out;
  write(out, *message);
  if (out.view()[0] != input[0] || out.view().substr(5) != input.substr(1)) std::abort();
}

void write_again(Writer& out, const AuthenticationRequest& request) {
  switch (request.kind) {
    case AuthenticationKind::ok:
      return write_authentication_ok(out);
    case AuthenticationKind::cleartext_password:
      return write_authentication_cleartext_password(out);
    case AuthenticationKind::md5_password:
      return write_authentication_md5_password(out, request.salt);
    case AuthenticationKind::sasl:
      return write_authentication_sasl(out, request.mechanisms);
    case AuthenticationKind::sasl_continue:
      return write_authentication_sasl_continue(out, request.data);
    case AuthenticationKind::sasl_final:
      return write_authentication_sasl_final(out, request.data);
    case AuthenticationKind::other:
      out.begin(backend_type::authentication).u32(request.code).bytes(request.data).end();
  }
}

void check_error(Bytes body) {
  const ErrorFields fields = read_error_fields(body);
  Writer out;
  write_error_response(out, fields);
  const ErrorFields again = read_error_fields(out.view().substr(5));
  if (again.message != fields.message || again.detail != fields.detail || again.routine != fields.routine)
    std::abort();
  if (again.severity.empty() || again.sqlstate.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes input(reinterpret_cast<const char*>(data), size);
  const Bytes body = input.substr(1);
  for (char c : trace_backend(input[0], body)) {
    if (c != '\t' && (c < 0x20 || c > 0x7e)) std::abort();
  }
  switch (input[0]) {
    case backend_type::error_response:
    case backend_type::notice_response:
      check_error(body);
      break;
    case backend_type::authentication:
      check_same(input, read_authentication(body), write_again);
      break;
    case backend_type::parameter_status:
      check_same(input, read_parameter_status(body), [](Writer& out, const ParameterStatus& status) {
        write_parameter_status(out, status.name, status.value);
      });
      break;
    case backend_type::backend_key_data:
      check_same(input, read_backend_key_data(body), [](Writer& out, const BackendKeyData& key) {
        write_backend_key_data(out, key.pid, key.secret);
      });
      break;
    case backend_type::ready_for_query:
      check_same(input, read_ready_for_query(body), write_ready_for_query);
      break;
    case backend_type::command_complete:
      check_same(input, read_command_complete(body), write_command_complete);
      break;
    case backend_type::data_row:
      check_same(
          input, read_data_row(body),
          [](Writer& out, const std::vector<std::optional<Bytes>>& values) { write_data_row(out, values); });
      break;
    case backend_type::parameter_description:
      check_same(input, read_parameter_description(body),
                 [](Writer& out, const std::vector<std::uint32_t>& types) {
                   write_parameter_description(out, types);
                 });
      break;
    default:
      // The rest keep less than they read; tracing has read them.
      break;
  }
  return 0;
}
