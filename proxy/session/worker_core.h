#pragma once
// The engine of one worker: it owns the worker's clients, servers and shards, and decides everything. It
// knows no socket and no clock: what happens comes in through the inputs below, what is to be done goes out
// through Host. All calls come from the worker's thread.
//
// A turn is: begin_turn(now), any inputs, end_turn(). Sessions never die inside an input: what must end is
// noted and done in end_turn, which also writes every outbox that got bytes in the turn.

#include <memory>
#include <string>

#include "proxy/session/host.h"

namespace pgweir {

class WorkerEngine;

class WorkerCore {
 public:
  // `workers` is how many there are; `process_secret` is the same random text for all of them, never shown.
  WorkerCore(WorkerId id, int workers, Host& host, std::shared_ptr<const Settings> settings,
             std::string process_secret, Instant now);
  ~WorkerCore();
  WorkerCore(const WorkerCore&) = delete;
  WorkerCore& operator=(const WorkerCore&) = delete;

  // Where the host reads into and keeps what peers do not take.
  TurnArena& arena();
  ChunkPool& chunks();

  void begin_turn(Instant now);
  // A new client; the id under which the host reports it from now on.
  // `descriptors`: not 0 when the process has hardly any left; then how many it may have.
  ConnId on_accept(PeerAddress peer, long descriptors = 0);
  // `bytes` are in the arena.
  void on_bytes(ConnId conn, Bytes bytes);
  // All bytes of the outbox that a `write` left over have been written.
  void on_drained(ConnId conn);
  void on_dialed(ConnId conn, const DialResult& result);
  void on_tls(ConnId conn, TlsResult result);
  // The peer closed (`error` is empty) or the connection broke. The host has closed it.
  void on_closed(ConnId conn, const std::string& error);
  void on_key(std::uint64_t ticket, const Digest& salted_password);
  void on_mail(WorkerMail mail);
  // Writes all that is in outboxes and empties the arena; may also be called in the middle of a turn, between
  // two inputs, when the arena has grown.
  void flush();
  void end_turn();

  // When begin_turn is to be called at the latest; `never` when nothing is pending.
  Instant next_deadline() const;
  // A drain was asked for and all clients are gone.
  bool drained() const;
  WorkerSnapshot snapshot(const SnapshotParts& parts) const;

 private:
  std::unique_ptr<WorkerEngine> engine_;
};

}  // namespace pgweir
