#include "proxy/session/listen_hub.h"

#include <algorithm>
#include <array>
#include <utility>

#include "proxy/session/client_session.h"
#include "proxy/session/listener_session.h"
#include "proxy/session/plant.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

constexpr Duration first_pause = std::chrono::milliseconds(100);
// So many channels are changed by one query.
constexpr std::size_t channels_at_once = 500;

std::string random_name(Host& host) {
  std::array<char, 8> bytes{};
  host.random(bytes);
  std::string name = "pgweir_";
  for (const char c : bytes) {
    constexpr Bytes digits = "0123456789abcdef";
    name += digits[static_cast<unsigned char>(c) >> 4];
    name += digits[static_cast<unsigned char>(c) & 15];
  }
  return name;
}

std::string quoted_channel(Bytes name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"') text += c;
    text += c;
  }
  return text + "\"";
}

}  // namespace

ListenHub::ListenHub(WorkerEngine& engine, PoolEntry& pool)
    : engine_(engine), pool_(pool), own_channel_(random_name(engine.host())) {}

// ---- from servers ----

bool ListenHub::want(ClientSession& client, const std::set<std::string>& channels, const Endpoint& host) {
  ClientListening& listening = client.listening();
  // What the server has left in the meantime.
  std::vector<std::string> left;
  for (const auto& [name, channel] : listening.channels) {
    if (!channel.active && channel.move == 0 && !channels.contains(name)) left.push_back(name);
  }
  for (const std::string& name : left) unsubscribe(client, name);

  const PoolSettings& limits = engine_.settings().pool;
  const std::string* const set = client.parameters()->find("client_encoding");
  const std::string encoding = set == nullptr ? std::string() : *set;
  std::size_t more = 0, more_here = 0;
  for (const std::string& name : channels) {
    if (listening.channels.contains(name)) continue;
    ++more;
    if (!channels_.contains(name)) ++more_here;
  }
  const bool fits =
      listening.channels.size() + more <= static_cast<std::size_t>(limits.max_client_channels) &&
      channels_.size() + more_here <= static_cast<std::size_t>(limits.max_pool_channels);
  if (!fits || (in_use() && encoding != encoding_)) return false;
  encoding_ = encoding;
  host_ = host;
  // After a failover, most likely.
  if (connection_ != nullptr && connection_->endpoint() != host) reconnect();
  for (const std::string& name : channels) {
    if (!listening.channels.contains(name)) subscribe(client, name);
  }
  std::erase(waiting_, &client);
  if (!ready(client)) waiting_.push_back(&client);
  ask();
  engine_.touch(pool_);
  return true;
}

bool ListenHub::ready(const ClientSession& client) const {
  if (!usable_ || !own_confirmed_) return false;
  const auto& channels = client.listening().channels;
  return std::all_of(channels.begin(), channels.end(), [this](const auto& entry) {
    return entry.second.active || entry.second.move != 0 || channels_.at(entry.first).confirmed;
  });
}

bool ListenHub::up() const { return usable_; }

std::uint64_t ListenHub::begin_move(ClientSession& client) {
  bool any = false;
  for (auto& [name, channel] : client.listening().channels) {
    if (channel.active || channel.move != 0) continue;
    channel.move = last_move_ + 1;
    any = true;
  }
  if (!any) return 0;
  moves_[++last_move_] = {.client = &client};
  return last_move_;
}

void ListenHub::passed(std::uint64_t move) {
  const auto found = moves_.find(move);
  if (found == moves_.end()) return;
  found->second.passed = true;
  for (auto& [name, channel] : found->second.client->listening().channels) {
    if (channel.move == move) channel.left_server = true;
  }
  settle(move);
  ask();
}

// From here on what the shared connection gets is the client's. Its server may be behind.
void ListenHub::token_seen(std::uint64_t move) {
  const auto found = moves_.find(move);
  if (found == moves_.end()) return;
  found->second.token = true;
  lost_tokens_.erase(move);
  for (auto& [name, channel] : found->second.client->listening().channels) {
    if (channel.move == move) channel.active = true;
  }
  settle(move);
}

void ListenHub::settle(std::uint64_t number) {
  const auto found = moves_.find(number);
  if (!found->second.passed || !found->second.token) return;
  for (auto& [name, channel] : found->second.client->listening().channels) {
    if (channel.move == number) channel.move = 0;
  }
  moves_.erase(found);
}

// ---- from clients ----

void ListenHub::subscribe(ClientSession& client, const std::string& name) {
  client.listening().channels[name] = {};
  Channel& channel = channels_[name];
  if (channel.clients.empty()) ++wanted_;
  channel.clients.push_back(&client);
  if (!channel.confirmed) due_.insert(name);
}

void ListenHub::unsubscribe(ClientSession& client, const std::string& name) {
  client.listening().channels.erase(name);
  client.listening().drop_held(name);
  Channel& channel = channels_.at(name);
  std::erase(channel.clients, &client);
  if (!channel.clients.empty()) return;
  --wanted_;
  due_.insert(name);
  engine_.touch(pool_);
}

void ListenHub::unlisten(ClientSession& client, const std::vector<ListenStatement>& statements,
                         const std::set<std::string>& kept) {
  std::vector<std::string> left;
  for (const auto& entry : client.listening().channels) {
    // No structured binding: clang 14 cannot use one in a lambda.
    const std::string& name = entry.first;
    const ClientListening::Channel& channel = entry.second;
    if (kept.contains(name) || (!channel.active && channel.move == 0)) continue;
    const bool over = std::any_of(statements.begin(), statements.end(), [&](const ListenStatement& it) {
      return it.kind == ListenStatement::Kind::unlisten_all || it.channel == name;
    });
    if (over) left.push_back(name);
  }
  for (const std::string& name : left) unsubscribe(client, name);
  ask();
}

void ListenHub::forget(ClientSession& client) {
  std::erase(waiting_, &client);
  std::erase_if(moves_, [&](const auto& entry) { return entry.second.client == &client; });
  while (!client.listening().channels.empty()) {
    const std::string name = client.listening().channels.begin()->first;
    unsubscribe(client, name);
  }
  ask();
}

// ---- from the shared connection ----

void ListenHub::logged_in() {
  usable_ = true;
  failures_ = 0;
  ask();
}

// Tells the server what has changed, in one query at a time.
void ListenHub::ask() {
  if (!usable_ || asking_) return;
  std::string sql;
  if (!own_confirmed_) sql = "LISTEN " + quoted_channel(own_channel_) + ";";
  while (!due_.empty() && listening_.size() + unlistening_.size() < channels_at_once) {
    const std::string name = std::move(due_.extract(due_.begin()).value());
    const auto found = channels_.find(name);
    if (found == channels_.end()) continue;
    Channel& channel = found->second;
    if (channel.clients.empty()) {
      if (channel.confirmed) {
        sql += "UNLISTEN " + quoted_channel(name) + ";";
        unlistening_.push_back(name);
      }
      channels_.erase(found);
    } else if (!channel.confirmed) {
      sql += "LISTEN " + quoted_channel(name) + ";";
      listening_.push_back(name);
    }
  }
  // What was sent meanwhile is lost, as for all who listen; nothing comes twice.
  std::erase_if(lost_tokens_, [&](std::uint64_t number) {
    const auto move = moves_.find(number);
    if (move == moves_.end()) return true;
    if (!move->second.passed) return false;
    sql += "NOTIFY " + quoted_channel(own_channel_) + ",'" + std::to_string(number) + "';";
    return true;
  });
  if (sql.empty()) return;
  asking_ = true;
  connection_->query(sql);
}

void ListenHub::query_done() {
  asking_ = false;
  own_confirmed_ = true;
  for (const std::string& name : std::exchange(listening_, {})) {
    const auto found = channels_.find(name);
    if (found != channels_.end()) found->second.confirmed = true;
  }
  unlistening_.clear();
  wake_waiting();
  ask();
  engine_.touch(pool_);
}

void ListenHub::wake_waiting() {
  std::vector<ClientSession*> ready_now;
  std::erase_if(waiting_, [&](ClientSession* client) {
    if (!ready(*client)) return false;
    ready_now.push_back(client);
    return true;
  });
  for (ClientSession* const client : ready_now) client->listening_ready();
}

void ListenHub::notification(Bytes channel, Bytes payload, Bytes message) {
  if (channel == own_channel_) {
    std::uint64_t move = 0;
    for (const char c : payload) {
      if (c < '0' || c > '9') return;
      move = move * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return token_seen(move);
  }
  const auto found = channels_.find(channel);
  if (found == channels_.end()) return;
  const Bytes shared = engine_.arena().copy(message);
  std::vector<ClientSession*> overflown;
  for (ClientSession* const client : found->second.clients) {
    const bool its_own = client->listening().active(channel) || planted(Bug::notify_twice);
    if (its_own && !client->notify(channel, shared)) overflown.push_back(client);
  }
  for (ClientSession* const client : overflown) client->refuse_notifications();
}

void ListenHub::lost() {
  connection_ = nullptr;
  usable_ = asking_ = own_confirmed_ = false;
  listening_.clear();
  unlistening_.clear();
  due_.clear();
  std::erase_if(channels_, [](const auto& entry) { return entry.second.clients.empty(); });
  for (auto& [name, channel] : channels_) {
    channel.confirmed = false;
    due_.insert(name);
  }
  // Tokens on their way may not come any more.
  for (const auto& [number, move] : moves_) {
    if (!move.token) lost_tokens_.insert(number);
  }
  Duration pause = first_pause;
  for (int i = 0; i < failures_ && pause < pool_.shard.limits().login_retry; ++i) pause *= 2;
  ++failures_;
  again_ = engine_.now() + std::min(pause, pool_.shard.limits().login_retry);
  engine_.touch(pool_);
}

// ---- from the engine ----

void ListenHub::service(Instant now) {
  if (wanted_ == 0) {
    if (connection_ == nullptr) return;
    std::exchange(connection_, nullptr)->retire(CloseReason::listener_idle);
    lost();
    failures_ = 0;
    again_ = now;
  } else if (engine_.gates().is_paused(pool_.route.database)) {
    reconnect();
  } else if (connection_ == nullptr && now >= again_ && !engine_.draining() && !pool_.shard.is_shut()) {
    dial();
  }
}

Instant ListenHub::deadline() const {
  const bool stays_away = engine_.draining() || pool_.shard.is_shut();
  return wanted_ > 0 && connection_ == nullptr && !stays_away ? again_ : never;
}

// The host of the clients' LISTENs first: the others may be other servers altogether, or standbys, where
// nobody can LISTEN.
void ListenHub::dial() {
  std::vector<Endpoint> hosts = pool_.target.hosts;
  const auto known = std::find(hosts.begin(), hosts.end(), host_);
  if (known != hosts.end()) std::rotate(hosts.begin(), known, known + 1);
  std::rotate(hosts.begin(), hosts.begin() + failures_ % static_cast<int>(hosts.size()), hosts.end());
  const Instant end = deadline_after(engine_.now(), engine_.settings().pool.server_connect_timeout);
  auto session = std::make_unique<ListenerSession>(
      engine_, pool_, DialRound({hosts.front()}, SessionAttrs::primary, end), encoding_);
  connection_ = session.get();
  const ConnId id = engine_.add(std::move(session));
  engine_.set_timer(*connection_, end);
  engine_.host().dial(id, connection_->endpoint());
}

void ListenHub::reconnect() {
  if (connection_ == nullptr) return;
  std::exchange(connection_, nullptr)->retire(CloseReason::listener_lost);
  lost();
  failures_ = 0;
  again_ = engine_.now();
}

bool ListenHub::connected_to(const Endpoint& host) const {
  return connection_ != nullptr && connection_->endpoint() == host;
}

}  // namespace pgweir
