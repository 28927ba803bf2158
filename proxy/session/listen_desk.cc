#include "proxy/session/listen_desk.h"

#include <algorithm>
#include <utility>

#include "proxy/session/listen_hub.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

// The encoding is none of it: a client that changes its own does not move a connection to another worker.
WorkerId ListenDesk::home_of(const ListenerName& listener) const {
  const auto workers = static_cast<std::uint64_t>(engine_.workers());
  return {static_cast<std::uint32_t>(engine_.hash(listener.database) % workers)};
}

// ---- from hubs ----

HubName ListenDesk::enter(ListenHub& hub) {
  hubs_[++numbers_] = &hub;
  return {engine_.id(), numbers_};
}

void ListenDesk::post(ListenWish wish) {
  const WorkerId home = home_of(wish.listener);
  engine_.host().post(home, std::move(wish));
}

// ---- from listeners ----

void ListenDesk::post(const HubName& hub, ListenTold told) {
  told.hub = hub.number;
  engine_.host().post(hub.worker, std::move(told));
}

void ListenDesk::post_pace(const SharedListener& listener, WorkerId worker) {
  engine_.host().post(worker, ListenPace{listener.name(), listener.number()});
}

// ---- mail ----

void ListenDesk::on_mail(ListenWish& mail) {
  auto found = listeners_.find(mail.listener);
  if (found == listeners_.end()) {
    if (mail.leaves) return;
    auto made = std::make_unique<SharedListener>(engine_, *this, mail.listener, ++numbers_);
    found = listeners_.emplace(mail.listener, std::move(made)).first;
  }
  found->second->wish(mail);
  touch();
}

void ListenDesk::on_mail(ListenTold& mail) {
  const auto found = hubs_.find(mail.hub);
  if (found == hubs_.end()) return;
  ListenHub& hub = *found->second;
  switch (mail.what) {
    case ListenTold::What::confirmed:
      return hub.confirmed(mail.wish);
    case ListenTold::What::notified:
      return hub.notification(*mail.message);
    case ListenTold::What::lost:
      return hub.lost();
  }
}

void ListenDesk::on_mail(ListenPace& mail) {
  if (!std::exchange(mail.kept, true)) {
    const WorkerId home = home_of(mail.listener);
    return engine_.host().post(home, std::move(mail));
  }
  const auto found = listeners_.find(mail.listener);
  if (found != listeners_.end() && found->second->number() == mail.number) found->second->pace_kept();
}

// ---- from the engine ----

void ListenDesk::service(Instant now) {
  if (!touched_ && now < deadline_) return;
  touched_ = false;
  deadline_ = never;
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    SharedListener& listener = *it->second;
    listener.service(now);
    deadline_ = std::min(deadline_, listener.deadline());
    it = listener.wanted() ? std::next(it) : listeners_.erase(it);
  }
}

void ListenDesk::gates_changed(const Gates& before) {
  for (const auto& [name, listener] : listeners_) {
    if (engine_.gates().age(name.database) != before.age(name.database)) listener->reconnect();
  }
  touch();
}

bool ListenDesk::connected(const std::string& database) const {
  return std::any_of(listeners_.begin(), listeners_.end(), [&](const auto& entry) {
    return (database.empty() || entry.first.database == database) && entry.second->connected();
  });
}

}  // namespace pgweir
