#include "proxy/session/worker_core.h"

#include "proxy/session/worker_engine.h"

namespace pgweir {

WorkerCore::WorkerCore(WorkerId id, int workers, Host& host, std::shared_ptr<const Settings> settings,
                       std::string process_secret, Instant now)
    : engine_(std::make_unique<WorkerEngine>(id, workers, host, std::move(settings),
                                             std::move(process_secret), now)) {}

WorkerCore::~WorkerCore() = default;

TurnArena& WorkerCore::arena() { return engine_->arena(); }
ChunkPool& WorkerCore::chunks() { return engine_->chunks(); }
void WorkerCore::begin_turn(Instant now) { engine_->begin_turn(now); }
ConnId WorkerCore::on_accept(PeerAddress peer, long descriptors) {
  return engine_->on_accept(std::move(peer), descriptors);
}

void WorkerCore::on_bytes(ConnId conn, Bytes bytes) {
  if (Connection* const connection = engine_->find(conn)) connection->on_bytes(bytes);
}

void WorkerCore::on_drained(ConnId conn) {
  if (Connection* const connection = engine_->find(conn)) connection->on_drained();
}

void WorkerCore::on_dialed(ConnId conn, const DialResult& result) {
  Connection* const connection = engine_->find(conn);
  if (connection == nullptr) return;
  if (!result.connected) connection->host_closed();
  connection->on_dialed(result);
}

void WorkerCore::on_tls(ConnId conn, TlsResult result) { engine_->on_tls(conn, std::move(result)); }

void WorkerCore::on_closed(ConnId conn, const std::string& error) {
  Connection* const connection = engine_->find(conn);
  if (connection == nullptr) return;
  connection->host_closed();
  connection->on_closed(error);
}

void WorkerCore::on_key(std::uint64_t ticket, const Digest& salted_password) {
  engine_->on_key(ticket, salted_password);
}
void WorkerCore::on_mail(WorkerMail mail) { engine_->on_mail(std::move(mail)); }
void WorkerCore::flush() { engine_->flush(); }
void WorkerCore::end_turn() { engine_->end_turn(); }
Instant WorkerCore::next_deadline() const { return engine_->next_deadline(); }
bool WorkerCore::drained() const { return engine_->drained(); }
WorkerSnapshot WorkerCore::snapshot(const SnapshotParts& parts) const { return engine_->snapshot(parts); }

}  // namespace pgweir
