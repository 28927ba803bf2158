#pragma once
// The seam: what the core may ask of the world. There are two implementations, proxy/net/ with libuv and
// tests/sim with a simulated network. The core's inputs stand in worker_core.h.
//
// Calls return at once and never call back into the core: results arrive later as inputs.

#include <cstdint>
#include <span>
#include <string>

#include "proxy/session/endpoint.h"
#include "proxy/session/mail.h"
#include "proxy/session/outbox.h"
#include "proxy/session/tls.h"

namespace pgweir {

struct LogLine {
  LogLevel level = LogLevel::info;
  char side = '-';               // 'C' client, 'S' server, '-' neither
  std::uint64_t connection = 0;  // the id that SHOW CLIENTS and SHOW SERVERS print
  std::string database, user, peer;
  std::uint64_t link = 0;  // the id of the server that serves this client, or of the client of this server
  std::int32_t backend_pid = 0;  // of that server; 0: none
  std::string text;              // may hold a peer's words: the sink escapes it
};

// A salted password is wanted: slow by design, so it is made outside the loop.
struct KeyWanted {
  std::uint64_t ticket = 0;
  std::string password;
  std::string salt;
  int iterations = 0;
};

struct DialResult {
  bool connected = false;
  std::string error;  // when not connected, in words
  PeerAddress peer;   // when connected: the server's address, and ours
};

class Host {
 public:
  virtual ~Host() = default;

  // Starts to connect; answered by on_dialed (or on_closed is never called for it when the core closes
  // first).
  virtual void dial(ConnId conn, const Endpoint& endpoint) = 0;
  // Makes a connection that came by mail one of this worker's.
  virtual void adopt(ConnId conn, Transport transport) = 0;
  // Takes a connection away from this worker, to be mailed. Its outbox is empty; no input follows.
  virtual Transport detach(ConnId conn) = 0;
  // Writes what the peer takes now, keeps the rest in the outbox, writes on when the peer takes more, and
  // says on_drained when all is written. A broken connection is reported by on_closed, later.
  virtual void write(ConnId conn, Outbox& outbox) = 0;
  // Encrypts an open connection from the next byte on; what is to go out in clear has been written. Answered
  // by on_tls.
  virtual void start_tls(ConnId conn, TlsStart start) = 0;
  virtual void set_reading(ConnId conn, bool reading) = 0;
  // Writes what is left, within a short time, then closes. No input follows for this connection.
  virtual void close(ConnId conn, Outbox& outbox) = 0;
  // Closes now; what is left is not written. No input follows for this connection.
  virtual void abort(ConnId conn, Outbox& outbox) = 0;

  virtual void post(WorkerId worker, WorkerMail mail) = 0;
  virtual void post_control(ControlMail mail) = 0;
  // Answered by on_key.
  virtual void derive_key(KeyWanted wanted) = 0;
  // Unpredictable bytes.
  virtual void random(std::span<char> bytes) = 0;
  virtual void log(LogLine line) = 0;
};

}  // namespace pgweir
