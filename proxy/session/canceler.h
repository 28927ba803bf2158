#pragma once
// A connection of its own that carries a CancelRequest to a server (cancels cannot go over the session's own
// connection). PostgreSQL closes it after it has signalled the backend: only then is the cancel settled, and
// only then can the server be used for somebody else.

#include <cstdint>
#include <string>

#include "proxy/session/connection.h"

namespace pgweir {

class ServerSession;
class WorkerEngine;

// Cancels what `server` runs as its request number `request`; nothing is sent when that has ended meanwhile.
// The server is told the outcome by cancel_carried.
void start_cancel(WorkerEngine& engine, ServerSession& server, std::uint64_t request,
                  std::int32_t backend_pid, const std::string& secret);

}  // namespace pgweir
