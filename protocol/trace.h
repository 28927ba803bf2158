#pragma once
// One readable line per message, in the manner of libpq's PQtrace, for tests and debug logs: direction (F or
// B), declared length, name and main fields, separated by tabs, nothing in it but printable ASCII. Long
// values are cut, a body that cannot be read is called malformed.
//
// Passwords, SASL data and cancel keys are never shown. SQL text and values are.

#include <string>

#include "protocol/bytes.h"

namespace pgweir {

std::string trace_startup(Bytes body);
std::string trace_frontend(char type, Bytes body);
std::string trace_backend(char type, Bytes body);

}  // namespace pgweir
