#include "proxy/session/error_text.h"

#include "protocol/backend.h"
#include "protocol/writer.h"

namespace pgweir {

ErrorText error_text(Bytes body) {
  const ErrorFields fields = read_error_fields(body);
  return {std::string(fields.sqlstate), std::string(fields.message), std::string(fields.detail),
          std::string(fields.hint)};
}

ErrorText refusal_text(Refusal refusal, std::string message, std::string detail, std::string hint) {
  return {std::string(row(refusal).sqlstate),
          std::move(message),
          std::move(detail),
          std::move(hint),
          {},
          refusal};
}

ErrorText aborted() {
  return {"25P02", "current transaction is aborted, commands ignored until end of transaction block", {}, {}};
}

std::string error_response(Bytes severity, const ErrorText& error) {
  Writer out;
  write_error_response(out, {.severity = severity,
                             .sqlstate = error.sqlstate.empty() ? Bytes("XX000") : Bytes(error.sqlstate),
                             .message = error.message,
                             .detail = error.detail,
                             .hint = error.hint,
                             .routine = error.routine});
  return out.take();
}

}  // namespace pgweir
