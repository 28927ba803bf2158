#pragma once
// What LISTEN needs on a worker beside the hubs of its pools: the shared listening connections that live
// here, and the mail between these and the hubs of all workers.
//
// Which worker has the connection of a database follows from the name, so nobody has to agree on it. Owned by
// the WorkerEngine; belongs to the worker's thread.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "pool/time.h"
#include "proxy/session/mail.h"
#include "proxy/session/shared_listener.h"

namespace pgweir {

class ListenHub;
class WorkerEngine;
struct Gates;

class ListenDesk {
 public:
  explicit ListenDesk(WorkerEngine& engine) : engine_(engine) {}

  // ---- from hubs of this worker, while they exist ----
  HubName enter(ListenHub& hub);
  void leave(const HubName& hub) { hubs_.erase(hub.number); }
  void post(ListenWish wish);

  // ---- from listeners of this worker ----
  void post(const HubName& hub, ListenTold told);
  // Asks a worker to say when it has come so far with its mail.
  void post_pace(const SharedListener& listener, WorkerId worker);
  // To be looked at when the turn ends.
  void touch() { touched_ = true; }

  // ---- from the engine ----
  void on_mail(ListenWish& mail);
  void on_mail(ListenTold& mail);
  void on_mail(ListenPace& mail);
  void service(Instant now);
  Instant deadline() const { return deadline_; }
  void gates_changed(const Gates& before);
  // Of this database, or of any if it is empty.
  bool connected(const std::string& database) const;

 private:
  WorkerId home_of(const ListenerName& listener) const;

  WorkerEngine& engine_;
  std::map<std::uint64_t, ListenHub*> hubs_;
  std::map<ListenerName, std::unique_ptr<SharedListener>> listeners_;
  std::uint64_t numbers_ = 0;
  bool touched_ = false;
  Instant deadline_ = never;
};

}  // namespace pgweir
