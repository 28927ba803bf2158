#pragma once
// How a log line looks. Pure: the time is an argument.

#include <chrono>
#include <string>

#include "admin/settings.h"
#include "proxy/session/host.h"

namespace pgweir {

using WallTime = std::chrono::system_clock::time_point;

// Words of a peer for a terminal or a file: control characters, marks that change the direction of writing,
// and bytes that are not UTF-8 become \xNN; what is longer than `limit` bytes ends in "...".
std::string readable(Bytes text, std::size_t limit);

// "2026-11-23 12:00:00.123 UTC INFO C#42 shop/alice@10.0.0.7:51234 login", without a line's end.
std::string text_line(const LogLine& line, WallTime time);
// {"ts":"2026-11-23T12:00:00.123Z","level":"info","side":"C","conn":42,...,"msg":"login"}
std::string json_line(const LogLine& line, WallTime time);

}  // namespace pgweir
