// A type letter and a body from a client: what can be read is written again byte by byte the same.

#include <cstdint>
#include <cstdlib>

#include "protocol/frontend.h"
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes input(reinterpret_cast<const char*>(data), size);
  const Bytes body = input.substr(1);
  for (char c : trace_frontend(input[0], body)) {
    if (c != '\t' && (c < 0x20 || c > 0x7e)) std::abort();
  }
  switch (input[0]) {
    case frontend_type::query:
      check_same(input, read_query(body), write_query);
      break;
    case frontend_type::parse:
      check_same(input, read_parse(body), [](Writer& out, const ParseMessage& message) {
        write_parse(out, message.statement, message.query, message.parameter_types);
      });
      break;
    case frontend_type::bind:
      check_same(input, read_bind(body),
                 [](Writer& out, const BindMessage& message) { write_bind(out, message); });
      check_same(input, read_bind_head(body),
                 [](Writer& out, const BindHead& head) { write_bind(out, head); });
      break;
    case frontend_type::describe:
      check_same(input, read_describe(body), write_describe);
      break;
    case frontend_type::close:
      check_same(input, read_close(body), write_close);
      break;
    case frontend_type::execute:
      check_same(input, read_execute(body), [](Writer& out, const ExecuteMessage& message) {
        write_execute(out, message.portal, message.max_rows);
      });
      break;
    case frontend_type::password:
      check_same(input, read_password(body), write_password);
      check_same(input, read_sasl_initial_response(body),
                 [](Writer& out, const SaslInitialResponse& response) {
                   write_sasl_initial_response(out, response.mechanism, response.data);
                 });
      break;
    case frontend_type::copy_fail:
      check_same(input, read_copy_fail(body), write_copy_fail);
      break;
    default:
      break;
  }
  return 0;
}
