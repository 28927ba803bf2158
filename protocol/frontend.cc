#include "protocol/frontend.h"

#include "protocol/body.h"
#include "protocol/message.h"
#include "protocol/reader.h"

namespace pgweir {

namespace {

std::optional<Bytes> read_text(Bytes body) {
  Reader in(body);
  const Bytes text = in.cstring();
  return when(in.done(), text);
}

std::optional<Target> read_target(Bytes body) {
  Reader in(body);
  Target target;
  target.kind = static_cast<char>(in.u8());
  target.name = in.cstring();
  return when(in.done() && (target.kind == 'S' || target.kind == 'P'), target);
}

void write_target(Writer& out, char type, Target target) {
  out.begin(type).u8(static_cast<std::uint8_t>(target.kind)).cstring(target.name).end();
}

std::uint16_t read_format(Reader& in) { return in.u16(); }
void write_format(Writer& out, std::uint16_t format) { out.u16(format); }

}  // namespace

std::optional<Bytes> read_query(Bytes body) { return read_text(body); }
std::optional<Bytes> read_password(Bytes body) { return read_text(body); }
std::optional<Bytes> read_copy_fail(Bytes body) { return read_text(body); }
std::optional<Target> read_describe(Bytes body) { return read_target(body); }
std::optional<Target> read_close(Bytes body) { return read_target(body); }

std::optional<ParseMessage> read_parse(Bytes body) {
  Reader in(body);
  ParseMessage message;
  message.statement = in.cstring();
  message.query = in.cstring();
  message.parameter_types = read_list(in, [](Reader& type) { return type.u32(); });
  return when(in.done(), std::move(message));
}

std::optional<ParseHead> read_parse_head(Bytes body) {
  Reader in(body);
  ParseHead head;
  head.statement = in.cstring();
  head.rest = body.substr(body.size() - in.left());
  in.cstring();
  in.bytes(std::size_t{in.u16()} * sizeof(std::uint32_t));
  return when(in.done(), head);
}

std::optional<BindMessage> read_bind(Bytes body) {
  Reader in(body);
  BindMessage message;
  message.portal = in.cstring();
  message.statement = in.cstring();
  message.parameter_formats = read_list(in, read_format);
  message.parameters = read_list(in, read_nullable);
  message.result_formats = read_list(in, read_format);
  return when(in.done(), std::move(message));
}

std::optional<BindHead> read_bind_head(Bytes body) {
  Reader in(body);
  BindHead head;
  head.portal = in.cstring();
  head.statement = in.cstring();
  head.rest = in.rest();
  return when(in.ok(), head);
}

std::optional<ExecuteMessage> read_execute(Bytes body) {
  Reader in(body);
  ExecuteMessage message;
  message.portal = in.cstring();
  message.max_rows = in.i32();
  return when(in.done(), message);
}

std::optional<SaslInitialResponse> read_sasl_initial_response(Bytes body) {
  Reader in(body);
  SaslInitialResponse response;
  response.mechanism = in.cstring();
  response.data = read_nullable(in);
  return when(in.done(), response);
}

void write_query(Writer& out, Bytes sql) { out.begin(frontend_type::query).cstring(sql).end(); }

void write_parse(Writer& out, Bytes statement, Bytes query, std::span<const std::uint32_t> parameter_types) {
  out.begin(frontend_type::parse).cstring(statement).cstring(query);
  write_list(out, parameter_types, [](Writer& to, std::uint32_t type) { to.u32(type); });
  out.end();
}

void write_parse(Writer& out, const ParseHead& head) {
  out.begin(frontend_type::parse).cstring(head.statement).bytes(head.rest).end();
}

void write_bind(Writer& out, const BindMessage& message) {
  out.begin(frontend_type::bind).cstring(message.portal).cstring(message.statement);
  write_list(out, std::span(message.parameter_formats), write_format);
  write_list(out, std::span(message.parameters), write_nullable);
  write_list(out, std::span(message.result_formats), write_format);
  out.end();
}

void write_bind(Writer& out, const BindHead& head) {
  out.begin(frontend_type::bind).cstring(head.portal).cstring(head.statement).bytes(head.rest).end();
}

void write_describe(Writer& out, Target target) { write_target(out, frontend_type::describe, target); }
void write_close(Writer& out, Target target) { write_target(out, frontend_type::close, target); }

void write_execute(Writer& out, Bytes portal, std::int32_t max_rows) {
  out.begin(frontend_type::execute).cstring(portal).u32(static_cast<std::uint32_t>(max_rows)).end();
}

void write_sync(Writer& out) { out.begin(frontend_type::sync).end(); }
void write_flush(Writer& out) { out.begin(frontend_type::flush).end(); }
void write_terminate(Writer& out) { out.begin(frontend_type::terminate).end(); }
void write_password(Writer& out, Bytes password) {
  out.begin(frontend_type::password).cstring(password).end();
}

void write_sasl_initial_response(Writer& out, Bytes mechanism, std::optional<Bytes> data) {
  out.begin(frontend_type::password).cstring(mechanism);
  write_nullable(out, data);
  out.end();
}

void write_sasl_response(Writer& out, Bytes data) { out.begin(frontend_type::password).bytes(data).end(); }
void write_copy_data(Writer& out, Bytes data) { out.begin(frontend_type::copy_data).bytes(data).end(); }
void write_copy_done(Writer& out) { out.begin(frontend_type::copy_done).end(); }
void write_copy_fail(Writer& out, Bytes reason) { out.begin(frontend_type::copy_fail).cstring(reason).end(); }

void write_function_call(Writer& out, std::uint32_t function,
                         std::span<const std::optional<Bytes>> arguments) {
  out.begin(frontend_type::function_call).u32(function).u16(0);
  write_list(out, arguments, write_nullable);
  out.u16(0).end();
}

}  // namespace pgweir
