#pragma once
// Messages from a client to a server. Readers take the body, without type and length, and return nothing
// when it is not what the message must be. All views point into the body.
//
// Writers append one whole message. Text stops at its first zero byte; lists have at most 65535 entries,
// more are left out.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/writer.h"

namespace pgweir {

struct ParseMessage {
  Bytes statement, query;
  std::vector<std::uint32_t> parameter_types;
};

struct BindMessage {
  Bytes portal{}, statement{};
  std::vector<std::uint16_t> parameter_formats{};  // 0 text, 1 binary
  std::vector<std::optional<Bytes>> parameters{};  // nothing is NULL
  std::vector<std::uint16_t> result_formats{};
};

// A Parse for who changes names only: all that is behind the name, checked.
struct ParseHead {
  Bytes statement, rest;
};

// The front of a Bind, for who changes names only; `rest` is checked by the server.
struct BindHead {
  Bytes portal, statement, rest;
};

// What a Describe or Close is about.
struct Target {
  char kind = 'S';  // 'S' a prepared statement, 'P' a portal
  Bytes name;
};

struct ExecuteMessage {
  Bytes portal;
  std::int32_t max_rows = 0;  // 0 or less: all
};

struct SaslInitialResponse {
  Bytes mechanism;
  std::optional<Bytes> data;
};

std::optional<Bytes> read_query(Bytes body);
std::optional<ParseMessage> read_parse(Bytes body);
std::optional<ParseHead> read_parse_head(Bytes body);
std::optional<BindMessage> read_bind(Bytes body);
std::optional<BindHead> read_bind_head(Bytes body);
std::optional<Target> read_describe(Bytes body);
std::optional<Target> read_close(Bytes body);
std::optional<ExecuteMessage> read_execute(Bytes body);
std::optional<Bytes> read_password(Bytes body);
std::optional<SaslInitialResponse> read_sasl_initial_response(Bytes body);
std::optional<Bytes> read_copy_fail(Bytes body);
// SASLResponse and CopyData are their bodies; Sync, Flush, Terminate and CopyDone have none.

void write_query(Writer& out, Bytes sql);
void write_parse(Writer& out, Bytes statement, Bytes query,
                 std::span<const std::uint32_t> parameter_types = {});
void write_parse(Writer& out, const ParseHead& head);
void write_bind(Writer& out, const BindMessage& message);
void write_bind(Writer& out, const BindHead& head);
void write_describe(Writer& out, Target target);
void write_close(Writer& out, Target target);
void write_execute(Writer& out, Bytes portal, std::int32_t max_rows = 0);
void write_sync(Writer& out);
void write_flush(Writer& out);
void write_terminate(Writer& out);
void write_password(Writer& out, Bytes password);
void write_sasl_initial_response(Writer& out, Bytes mechanism, std::optional<Bytes> data);
void write_sasl_response(Writer& out, Bytes data);
void write_copy_data(Writer& out, Bytes data);  // the same in both directions
void write_copy_done(Writer& out);              // the same in both directions
void write_copy_fail(Writer& out, Bytes reason);
// Arguments and result as text.
void write_function_call(Writer& out, std::uint32_t function,
                         std::span<const std::optional<Bytes>> arguments);

}  // namespace pgweir
