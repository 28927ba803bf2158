#pragma once
// The question of pgweir to a server whether it encrypts, which comes before anything else on the connection.

#include <cstdint>
#include <string>

#include "proxy/session/connection.h"
#include "proxy/session/endpoint.h"

namespace pgweir {

class WorkerEngine;

class TlsRequest {
 public:
  // Whether a connection to `endpoint` may be encrypted at all; Unix sockets are not.
  static bool wanted(TlsMode mode, const Endpoint& endpoint) {
    return mode != TlsMode::disable && !endpoint.host.starts_with('/');
  }

  // `endpoint` names whose certificate is wanted.
  TlsRequest(WorkerEngine& engine, Connection& server, const Endpoint& endpoint, TlsMode mode)
      : engine_(engine), server_(server), name_(endpoint.host), mode_(mode) {}

  void send();
  // The server's answer, of one byte. encrypting: on_tls follows; in_clear: nothing is encrypted; error: the
  // bytes are the beginning of an error message of the server's.
  enum class Answer : std::uint8_t { encrypting, in_clear, error, failed };
  Answer on_bytes(Bytes bytes);
  // Of `failed`.
  const std::string& why() const { return why_; }

 private:
  WorkerEngine& engine_;
  Connection& server_;
  const std::string name_;
  const TlsMode mode_;
  std::string why_;
};

}  // namespace pgweir
