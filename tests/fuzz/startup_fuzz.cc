// The body of a first packet: whatever it is, it is parsed, and what was parsed survives being written.

#include <cstdint>
#include <cstdlib>

#include "protocol/message.h"
#include "protocol/startup.h"
#include "protocol/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pgweir;
  const Bytes body(reinterpret_cast<const char*>(data), size);
  trace_startup(body);
  const StartupPacket packet = parse_startup(body);
  Writer out;
  if (const auto* message = std::get_if<StartupMessage>(&packet)) {
    if (message->user.empty() || message->database.empty() || message->major != 3) std::abort();
    write_startup(out, *message);
    // The database's name may have been added.
    if (out.view().size() - 4 > max_startup_packet) return 0;
    const StartupPacket again = parse_startup(out.view().substr(4));
    const auto* same = std::get_if<StartupMessage>(&again);
    if (same == nullptr || *same != *message) std::abort();
  } else if (const auto* cancel = std::get_if<CancelRequest>(&packet)) {
    write_cancel_request(out, cancel->pid, cancel->secret);
    if (out.view().substr(4) != body) std::abort();
  } else if (const auto* error = std::get_if<StartupError>(&packet)) {
    if (error->sqlstate.size() != 5 || error->message.empty()) std::abort();
  }
  return 0;
}
