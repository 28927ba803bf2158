#include "proxy/session/listen_hub.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/backend.h"
#include "protocol/message.h"
#include "proxy/session/client_session.h"
#include "proxy/session/plant.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

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

}  // namespace

ListenHub::ListenHub(WorkerEngine& engine, PoolEntry& pool)
    : engine_(engine),
      pool_(pool),
      name_(engine.listening().enter(*this)),
      own_channel_(random_name(engine.host())) {}

ListenHub::~ListenHub() { engine_.listening().leave(name_); }

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
  for (const std::string& name : channels) {
    if (!listening.channels.contains(name)) subscribe(client, name);
  }
  std::erase(waiting_, &client);
  if (!ready(client)) waiting_.push_back(&client);
  engine_.touch(pool_);
  return true;
}

bool ListenHub::ready(const ClientSession& client) const {
  if (!up()) return false;
  const auto& channels = client.listening().channels;
  return std::all_of(channels.begin(), channels.end(), [this](const auto& entry) {
    if (entry.second.active || entry.second.move != 0 || planted(Bug::listen_too_early)) return true;
    const std::uint64_t asked = channels_.at(entry.first).asked;
    return asked != 0 && asked <= confirmed_;
  });
}

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
  engine_.touch(pool_);
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
  if (channel.asked == 0) due_.insert(name);
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
}

void ListenHub::forget(ClientSession& client) {
  std::erase(waiting_, &client);
  std::erase_if(moves_, [&](const auto& entry) { return entry.second.client == &client; });
  while (!client.listening().channels.empty()) {
    const std::string name = client.listening().channels.begin()->first;
    unsubscribe(client, name);
  }
}

// ---- from the shared connection ----

void ListenHub::confirmed(std::uint64_t wish) {
  confirmed_ = wish;
  wake_waiting();
  // Tokens that were lost can be sent again.
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

void ListenHub::notification(Bytes message) {
  const auto read = read_notification_response(message.substr(header_length));
  if (!read) return;
  const Bytes channel = read->channel;
  if (channel == own_channel_) {
    std::uint64_t move = 0;
    for (const char c : read->payload) {
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
  confirmed_ = 0;
  // Tokens on their way may not come any more.
  for (const auto& [number, move] : moves_) {
    if (!move.token) lost_tokens_.insert(number);
  }
}

// ---- from the engine ----

void ListenHub::service() {
  if (wanted_ == 0) return leave();
  const std::uint64_t number = wishes_ + 1;
  ListenWish wish{.listener = {pool_.route.database, encoding_}, .from = name_, .number = number};
  if (!joined_) {
    wish.listen.push_back(own_channel_);
    own_asked_ = number;
    joined_ = access_due_ = true;
  }
  if (std::exchange(access_due_, false)) wish.access = std::make_shared<const ServerAccess>(pool_);
  for (const std::string& name : std::exchange(due_, {})) {
    const auto found = channels_.find(name);
    if (found == channels_.end()) continue;
    Channel& channel = found->second;
    if (channel.clients.empty()) {
      if (channel.asked != 0) wish.unlisten.push_back(name);
      channels_.erase(found);
    } else if (channel.asked == 0) {
      wish.listen.push_back(name);
      channel.asked = number;
    }
  }
  wish.host = std::exchange(host_, {});
  wish.changed = std::exchange(changed_host_, {});
  // What was sent meanwhile is lost, as for all who listen; nothing comes twice.
  if (up()) {
    std::erase_if(lost_tokens_, [&](std::uint64_t token) {
      const auto move = moves_.find(token);
      if (move == moves_.end()) return true;
      if (!move->second.passed) return false;
      wish.tokens.push_back(token);
      return true;
    });
    wish.own_channel = own_channel_;
  }
  if (wish.empty()) return;
  wishes_ = number;
  engine_.listening().post(std::move(wish));
}

void ListenHub::leave() {
  if (!std::exchange(joined_, false)) return;
  engine_.listening().post(
      {.listener = {pool_.route.database, encoding_}, .from = name_, .number = ++wishes_, .leaves = true});
  channels_.clear();
  due_.clear();
  access_due_ = false;
  host_.reset();
  changed_host_.reset();
  lost();
}

void ListenHub::access_changed() {
  access_due_ = joined_;
  engine_.touch(pool_);
}

void ListenHub::host_changed(const Endpoint& host) {
  if (!joined_) return;
  changed_host_ = host;
  engine_.touch(pool_);
}

}  // namespace pgweir
