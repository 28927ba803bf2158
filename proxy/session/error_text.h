#pragma once
// Errors on their way to a client: in a server's words, or in pgweir's own.

#include <optional>
#include <string>

#include "protocol/bytes.h"
#include "proxy/session/refusal.h"

namespace pgweir {

// An error as a server gave it, or as pgweir words it, to be passed to clients.
struct ErrorText {
  std::string sqlstate;
  std::string message;
  std::string detail;
  std::string hint;
  std::string routine{};             // PostgreSQL's function, which some drivers go by
  std::optional<Refusal> refusal{};  // pgweir's reason, when the words are its own
};

// The error of a server as text to pass on, read from the body of an ErrorResponse.
ErrorText error_text(Bytes error_body);
// pgweir's own words: the row's SQLSTATE, the message, and optionally more.
ErrorText refusal_text(Refusal refusal, std::string message, std::string detail = {}, std::string hint = {});
// PostgreSQL's words to whoever goes on after an error.
ErrorText aborted();
// As an ErrorResponse message.
std::string error_response(Bytes severity, const ErrorText& error);

}  // namespace pgweir
