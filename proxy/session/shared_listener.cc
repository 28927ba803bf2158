#include "proxy/session/shared_listener.h"

#include <algorithm>
#include <utility>

#include "proxy/session/listen_desk.h"
#include "proxy/session/listener_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

constexpr Duration first_pause = std::chrono::milliseconds(100);
// So many channels are changed by one query.
constexpr std::size_t channels_at_once = 500;

// A worker is asked how far it is each time that it has been sent so much; the connection is not read while
// so many have not answered. What waits in mailboxes is bounded by that.
constexpr std::size_t pace_bytes = 256 * 1024;
constexpr int most_paces = 4;
// What a notification takes beside its text.
constexpr std::size_t mail_bytes = 128;

std::string quoted_channel(Bytes name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"') text += c;
    text += c;
  }
  return text + "\"";
}

}  // namespace

SharedListener::SharedListener(WorkerEngine& engine, ListenDesk& desk, ListenerName name,
                               std::uint64_t number)
    : engine_(engine),
      desk_(desk),
      name_(std::move(name)),
      number_(number),
      ahead_(static_cast<std::size_t>(engine.workers())) {}

// ---- from hubs ----

void SharedListener::wish(ListenWish& wish) {
  if (wish.leaves) {
    hubs_.erase(wish.from);
    for (auto& [name, channel] : channels_) {
      if (std::erase(channel.hubs, wish.from) > 0 && channel.hubs.empty()) due_.insert(name);
    }
    return ask();
  }
  Hub& hub = hubs_[wish.from];
  hub.heard = wish.number;
  if (wish.access) take_access(wish.from, std::move(wish.access));
  for (const std::string& name : wish.unlisten) unsubscribe(wish.from, name);
  for (const std::string& name : wish.listen) subscribe(wish.from, name);
  if (wish.host) {
    host_ = *wish.host;
    // After a failover, most likely.
    if (connection_ != nullptr && connection_->endpoint() != host_) reconnect();
  }
  if (wish.changed && connection_ != nullptr && connection_->endpoint() == *wish.changed) reconnect();
  // Those for a connection that is gone are told anew when there is another one.
  if (usable_) {
    for (const std::uint64_t token : wish.tokens) tokens_.emplace_back(wish.own_channel, token);
  }
  ask();
}

// The pool leads somewhere else now, if there is a connection already.
void SharedListener::take_access(const HubName& hub, std::shared_ptr<const ServerAccess> access) {
  std::shared_ptr<const ServerAccess>& known = hubs_.at(hub).access;
  known = std::move(access);
  if (connection_ == nullptr) return;
  const bool elsewhere = !known->target.leads_where(access_->target);
  const bool another_login = hub == login_ && known->target != access_->target;
  if (!elsewhere && !another_login) return;
  login_ = hub;
  reconnect();
}

void SharedListener::subscribe(const HubName& hub, const std::string& name) {
  Channel& channel = channels_[name];
  channel.hubs.push_back(hub);
  if (!channel.confirmed) due_.insert(name);
}

void SharedListener::unsubscribe(const HubName& hub, const std::string& name) {
  const auto found = channels_.find(name);
  if (found == channels_.end()) return;
  std::erase(found->second.hubs, hub);
  if (found->second.hubs.empty()) due_.insert(name);
}

void SharedListener::pace_kept() {
  if (--paces_ < most_paces && connection_ != nullptr) engine_.set_reading(*connection_, true);
}

// ---- from the connection ----

void SharedListener::logged_in() {
  usable_ = true;
  failures_ = host_turn_ = 0;
  ask();
}

// Tells the server what has changed, in one query at a time.
void SharedListener::ask() {
  if (!usable_ || asking_) return;
  std::string sql;
  for (std::size_t changes = 0; !due_.empty() && changes < channels_at_once;) {
    const std::string name = std::move(due_.extract(due_.begin()).value());
    const auto found = channels_.find(name);
    if (found == channels_.end()) continue;
    Channel& channel = found->second;
    if (channel.hubs.empty()) {
      if (channel.confirmed) {
        sql += "UNLISTEN " + quoted_channel(name) + ";";
        ++changes;
      }
      channels_.erase(found);
    } else if (!channel.confirmed) {
      sql += "LISTEN " + quoted_channel(name) + ";";
      listening_.push_back(name);
      ++changes;
    }
  }
  if (due_.empty()) {
    for (auto& [name, hub] : hubs_) hub.asked = hub.heard;
    // A token says that all its hub wants is listened to.
    for (const auto& [channel, token] : std::exchange(tokens_, {}))
      sql += "NOTIFY " + quoted_channel(channel) + ",'" + std::to_string(token) + "';";
  }
  if (sql.empty()) return confirm();
  asking_ = true;
  connection_->query(sql);
}

void SharedListener::query_done() {
  asking_ = false;
  for (const std::string& name : std::exchange(listening_, {})) channels_.at(name).confirmed = true;
  confirm();
  ask();
}

void SharedListener::confirm() {
  for (auto& [name, hub] : hubs_) {
    if (hub.told == hub.asked) continue;
    hub.told = hub.asked;
    desk_.post(name, {.what = ListenTold::What::confirmed, .wish = hub.asked});
  }
}

void SharedListener::notification(Bytes name, Bytes message) {
  const auto found = channels_.find(name);
  if (found == channels_.end()) return;
  const auto shared = std::make_shared<const std::string>(message);
  for (const HubName& hub : found->second.hubs) {
    desk_.post(hub, {.what = ListenTold::What::notified, .message = shared});
    ahead_[hub.worker.value] += shared->size() + mail_bytes;
  }
  keep_pace();
}

void SharedListener::keep_pace() {
  for (std::size_t worker = 0; worker < ahead_.size(); ++worker) {
    if (ahead_[worker] < pace_bytes) continue;
    ahead_[worker] = 0;
    ++paces_;
    desk_.post_pace(*this, WorkerId{static_cast<std::uint32_t>(worker)});
  }
  if (paces_ >= most_paces) engine_.set_reading(*connection_, false);
}

void SharedListener::lost(bool login_refused) {
  connection_ = nullptr;
  const bool was_usable = std::exchange(usable_, false);
  asking_ = false;
  listening_.clear();
  tokens_.clear();
  due_.clear();
  std::erase_if(channels_, [](const auto& entry) { return entry.second.hubs.empty(); });
  for (auto& [name, channel] : channels_) {
    channel.confirmed = false;
    due_.insert(name);
  }
  for (auto& [name, hub] : hubs_) {
    hub.asked = hub.told = 0;
    if (was_usable) desk_.post(name, {.what = ListenTold::What::lost});
  }
  const bool another = login_refused && next_login();
  if (!was_usable && !another) ++host_turn_;
  const Duration longest = engine_.settings().pool.server_login_retry;
  Duration pause = first_pause;
  for (int i = 0; i < failures_ && pause < longest; ++i) pause *= 2;
  if (!another) ++failures_;
  again_ = engine_.now() + std::min(pause, longest);
  desk_.touch();
}

// Whom a host does not let in is followed by the next one; false when it has refused all.
bool SharedListener::next_login() {
  auto next = hubs_.upper_bound(login_);
  // On other workers there are hubs of the same user.
  while (next != hubs_.end() && next->second.access->login_user() == access_->login_user()) ++next;
  const bool another = next != hubs_.end();
  login_ = another ? next->first : HubName{};
  return another;
}

// ---- from the desk ----

void SharedListener::service(Instant now) {
  if (hubs_.empty()) {
    if (connection_ != nullptr) std::exchange(connection_, nullptr)->retire(CloseReason::listener_idle);
  } else if (engine_.gates().is_paused(name_.database)) {
    reconnect();
  } else if (now >= deadline()) {
    dial();
  }
}

Instant SharedListener::deadline() const {
  const bool stays_away = hubs_.empty() || engine_.gates().is_shut(name_.database);
  return connection_ == nullptr && !stays_away ? again_ : never;
}

// The host of the clients' LISTENs first: the others may be other servers altogether, or standbys, where
// nobody can LISTEN.
void SharedListener::dial() {
  auto hub = hubs_.lower_bound(login_);
  if (hub == hubs_.end()) hub = hubs_.begin();
  login_ = hub->first;
  access_ = hub->second.access;
  const std::vector<Endpoint>& hosts = access_->target.hosts;
  const auto known = std::find(hosts.begin(), hosts.end(), host_);
  const auto start = known == hosts.end() ? 0 : static_cast<std::size_t>(known - hosts.begin());
  const Endpoint& host = hosts[(start + static_cast<std::size_t>(host_turn_)) % hosts.size()];
  const Instant end = deadline_after(engine_.now(), engine_.settings().pool.server_connect_timeout);
  auto session = std::make_unique<ListenerSession>(engine_, *this, access_,
                                                   DialRound({host}, SessionAttrs::primary, end));
  connection_ = session.get();
  const ConnId id = engine_.add(std::move(session));
  engine_.set_timer(*connection_, end);
  engine_.host().dial(id, connection_->endpoint());
}

void SharedListener::reconnect() {
  if (connection_ == nullptr) return;
  std::exchange(connection_, nullptr)->retire(CloseReason::listener_lost);
  lost();
  failures_ = host_turn_ = 0;
  again_ = engine_.now();
}

}  // namespace pgweir
