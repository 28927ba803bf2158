#include "proxy/session/worker_engine.h"

#include <algorithm>
#include <array>
#include <bit>

#include "admin/setting.h"
#include "pool/placement.h"
#include "proxy/session/client_login.h"
#include "proxy/session/client_session.h"
#include "proxy/session/error_text.h"
#include "proxy/session/listen_hub.h"
#include "proxy/session/listener_session.h"
#include "proxy/session/plant.h"
#include "proxy/session/server_session.h"
#include "proxy/session/statement_snapshot.h"

namespace pgweir {

namespace {

// The same for all workers, so that they agree on which statement is which.
HashKey hash_key_of(const std::string& process_secret) {
  const Digest digest = hmac_sha256(process_secret, "prepared statements");
  std::array<unsigned char, sizeof(HashKey)> bytes{};
  std::copy_n(digest.begin(), bytes.size(), bytes.begin());
  return std::bit_cast<HashKey>(bytes);
}

}  // namespace

namespace {

// The longest pause between attempts while hosts answer and none is what is wanted: a failover is under way.
constexpr Duration failover_pause = std::chrono::seconds(1);

std::vector<Endpoint> hosts_of(const DatabaseSettings& database) {
  std::vector<Endpoint> hosts;
  const std::vector<int>& ports = database.ports;
  for (std::size_t i = 0; i < database.hosts.size(); ++i) {
    hosts.push_back({database.hosts[i], ports.empty() ? 0 : ports[i < ports.size() ? i : 0]});
  }
  if (hosts.empty()) hosts.emplace_back();
  return hosts;
}

std::string seconds(Duration d) {
  const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(d).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

std::string name_of(const std::vector<Endpoint>& hosts) {
  std::string name;
  for (const Endpoint& host : hosts) name += (name.empty() ? "" : ",") + host.name();
  return name;
}

ErrorText no_host(const DialRound& round, SessionAttrs wanted) {
  const std::string tried = round.tried() == 1 ? "the host cannot be used" : "none of the hosts can be used";
  std::string detail;
  if (round.found_misfit())
    detail = "The setting target_session_attrs is \"" + std::string(word_of(wanted)) + "\".";
  return refusal_text(Refusal::server_unreachable, tried + ": " + round.failures(), std::move(detail));
}

}  // namespace

PoolEntry::PoolEntry(Route its_route, std::string its_host, HostMeter& host_meter, Instant now)
    : ServerAccess{std::move(its_route)},
      host(std::move(its_host)),
      shard(Limits{}),
      meter(now, &host_meter) {}
PoolEntry::~PoolEntry() = default;

WorkerEngine::WorkerEngine(WorkerId id, int workers, Host& host, std::shared_ptr<const Settings> settings,
                           std::string process_secret, Instant now)
    : id_(id),
      workers_(workers),
      host_(host),
      settings_(std::move(settings)),
      now_(now),
      hash_key_(hash_key_of(process_secret)),
      statements_(hash_key_),
      statement_classes_(hash_key_),
      credentials_(std::move(process_secret)) {}

WorkerEngine::~WorkerEngine() {
  connections_.for_each([&](Connection& connection) { connection.out().clear(chunks_); });
}

// ---- turns ----

void WorkerEngine::begin_turn(Instant now) {
  now_ = now;
  while (!timers_.empty() && timers_.top().at <= now) {
    const ConnId id = timers_.top().connection;
    timers_.pop();
    Connection* const connection = find(id);
    if (connection == nullptr || connection->timer_ > now) continue;
    connection->timer_ = never;
    connection->on_timer();
  }
  look_at_limits();
  if (now >= suspend_until_) give_up_suspending();
  if (now >= pools_deadline_) {
    pools_deadline_ = never;
    for (auto& [route, pool] : pools_) touch(*pool);
  }
}

void WorkerEngine::end_turn() {
  if (draining_) close_clients_for_drain();
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    PoolEntry& pool = *touched_[i];
    pool.touched = false;
    service(pool);
  }
  touched_.clear();
  listening_.service(now_);
  flush();
  look_at_orders();
  for (const ConnId id : ended_) {
    connections_.find(id)->out().clear(chunks_);
    connections_.remove(id);
  }
  ended_.clear();
  finished_logins_.clear();
  for (const Route& route : std::exchange(useless_, {})) {
    const auto found = pools_.find(route);
    if (found == pools_.end() || !is_useless(*found->second)) continue;
    if (found->second->shard.wishes()) host_.post_control(SlotsWanted{id_, route, 0, never, false});
    pools_.erase(found);
  }
}

void WorkerEngine::flush() {
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    Connection& connection = *dirty_[i];
    connection.dirty_ = false;
    if (connection.ended_) continue;
    host_.write(connection.id(), connection.out());
    if (connection.out().below_low()) connection.on_drained();
  }
  dirty_.clear();
  arena_.reset();
}

Instant WorkerEngine::next_deadline() const {
  Instant at = std::min({pools_deadline_, suspend_until_, listening_.deadline()});
  if (!timers_.empty()) at = std::min(at, timers_.top().at);
  if (!limit_timers_.empty()) at = std::min(at, limit_timers_.top().at);
  return at;
}

void WorkerEngine::look_at_limits() {
  while (!limit_timers_.empty() && limit_timers_.top().at <= now_) {
    const LimitTimer timer = limit_timers_.top();
    limit_timers_.pop();
    --timer.pool->limit_timers;
    touch(*timer.pool);
    DeadlineList& list = timer.pool->limits[static_cast<std::size_t>(timer.limit)];
    if (!list.timer_came(timer.at)) continue;
    while (const DeadlineList::Member* const late = list.expired(now_)) {
      if (ClientSession* const client = find_client(late->owner)) client->time_over(timer.limit);
    }
    arm_limits(*timer.pool);
  }
}

void WorkerEngine::arm_limits(PoolEntry& pool) {
  for (std::size_t i = 0; i < time_limits; ++i) {
    const Instant at = planted(Bug::forget_limit_timer) ? never : pool.limits[i].arm();
    if (at == never) continue;
    limit_timers_.push({at, &pool, static_cast<TimeLimit>(i)});
    ++pool.limit_timers;
  }
}

// ---- connections ----

ConnId WorkerEngine::add(std::unique_ptr<Connection> connection) {
  connection->serial_ = ++serials_ * static_cast<std::uint64_t>(workers_) + id_.value;
  return connections_.add(std::move(connection));
}

Connection* WorkerEngine::find(ConnId id) const {
  Connection* const connection = connections_.find(id);
  return connection == nullptr || connection->ended_ ? nullptr : connection;
}

ClientSession* WorkerEngine::find_client(ConnId id) const {
  Connection* const connection = find(id);
  return connection == nullptr || connection->role() != Connection::Role::client
             ? nullptr
             : static_cast<ClientSession*>(connection);
}

void WorkerEngine::send(Connection& to, Bytes bytes) {
  if (to.ended_ || bytes.empty()) return;
  to.out_.append(arena_, bytes);
  if (to.dirty_) return;
  to.dirty_ = true;
  dirty_.push_back(&to);
}

void WorkerEngine::send_copy(Connection& to, Bytes bytes) { send(to, arena_.copy(bytes)); }

void WorkerEngine::set_timer(Connection& connection, Instant at) {
  connection.timer_ = at;
  if (at != never) timers_.push({at, connection.id()});
}

void WorkerEngine::set_reading(Connection& connection, bool reading) {
  if (connection.ended_ || connection.host_gone_ || connection.reading_ == reading) return;
  connection.reading_ = reading;
  if (!stands_still(connection)) host_.set_reading(connection.id(), reading);
}

void WorkerEngine::end(Connection& connection) {
  if (connection.ended_) return;
  connection.ended_ = true;
  if (!connection.host_gone_) {
    // A client is owed what was said to it; a server is not to do any more of what was meant for it.
    if (connection.role() == Connection::Role::server) {
      host_.abort(connection.id(), connection.out());
    } else {
      host_.close(connection.id(), connection.out());
    }
  }
  ended_.push_back(connection.id());
}

Transport WorkerEngine::detach(Connection& connection) {
  host_.write(connection.id(), connection.out());
  connection.host_gone_ = true;
  Transport transport = host_.detach(connection.id());
  transport.tls_info = connection.tls_;
  end(connection);
  return transport;
}

void WorkerEngine::adopt(Connection& connection, const Transport& transport) {
  connection.tls_ = transport.tls_info;
  host_.adopt(connection.id(), transport);
}

void WorkerEngine::start_tls(Connection& connection, TlsStart start) {
  host_.write(connection.id(), connection.out());
  host_.start_tls(connection.id(), std::move(start));
}

void WorkerEngine::on_tls(ConnId id, TlsResult result) {
  Connection* const connection = find(id);
  if (connection == nullptr) return;
  if (result.error.empty()) connection->tls_ = std::make_shared<const TlsInfo>(std::move(result.info));
  connection->on_tls(result.error);
}

void WorkerEngine::log(LogLevel level, char side, const Connection& connection, const Route& route,
                       const PeerAddress& peer, std::string text, LogLink link) {
  if (level < settings_->log.level) return;
  host_.log({.level = level,
             .side = side,
             .connection = connection.serial(),
             .database = route.database,
             .user = route.user,
             .peer = peer.port == 0 ? peer.address : peer.address + ":" + std::to_string(peer.port),
             .link = link.connection,
             .backend_pid = link.backend_pid,
             .text = std::move(text)});
}

void WorkerEngine::bury(std::unique_ptr<ClientLogin> login) { finished_logins_.push_back(std::move(login)); }

// ---- clients ----

ConnId WorkerEngine::on_accept(PeerAddress peer, long descriptors) {
  auto client = std::make_unique<ClientSession>(*this, std::move(peer), descriptors);
  Connection& connection = *client;
  const ConnId id = add(std::move(client));
  set_timer(connection, deadline_after(now_, settings_->pool.client_login_timeout));
  if (descriptors > 0) make_room_for(id);
  return id;
}

// Clients that say nothing must not use up the descriptors that are left for cancels and the console.
void WorkerEngine::make_room_for(ConnId last) {
  const auto in_login = [this](ConnId id) {
    const ClientSession* const client = find_client(id);
    return client != nullptr && client->login() != nullptr;
  };
  std::erase_if(last_logins_, [&](ConnId id) { return !in_login(id); });
  last_logins_.push_back(last);
  if (last_logins_.size() <= std::max<std::size_t>(1, most_last_logins / static_cast<std::size_t>(workers_)))
    return;
  ClientSession* const oldest = find_client(last_logins_.front());
  last_logins_.pop_front();
  oldest->login()->give_way();
}

bool WorkerEngine::take_client_slot(ClientSession& client) {
  if (client_slots_ > 0) {
    --client_slots_;
    return true;
  }
  slot_wishes_.push_back(client.id());
  if (!client_slots_asked_) {
    client_slots_asked_ = true;
    // A worker that is alone gets all there are; otherwise each slot stays with the control thread.
    host_.post_control(ClientSlotsWanted{id_, workers_ == 1 ? settings_->pool.max_client_conn : 1});
  }
  return false;
}

void WorkerEngine::give_client_slot() {
  if (workers_ == 1 && client_slots_granted_ <= settings_->pool.max_client_conn) {
    ++client_slots_;
  } else {
    return_client_slots(1);
  }
}

void WorkerEngine::return_client_slots(int slots) {
  client_slots_granted_ -= slots;
  host_.post_control(ClientSlotsReturned{id_, slots});
}

void WorkerEngine::forget_client_slot_wish(const ClientSession& client) {
  std::erase(slot_wishes_, client.id());
}

void WorkerEngine::on_mail(ClientSlotsGranted& mail) {
  client_slots_asked_ = false;
  client_slots_ += mail.slots;
  client_slots_granted_ += mail.slots;
  while (client_slots_ > 0 && !slot_wishes_.empty()) {
    ClientSession* const client = find_client(slot_wishes_.front());
    slot_wishes_.pop_front();
    if (client == nullptr || client->login() == nullptr) continue;
    --client_slots_;
    client->login()->on_client_slot(true, mail.in_use);
  }
  if (mail.slots == 0) {
    for (const ConnId id : std::exchange(slot_wishes_, {})) {
      ClientSession* const client = find_client(id);
      if (client != nullptr && client->login() != nullptr)
        client->login()->on_client_slot(false, mail.in_use);
    }
  } else if (!slot_wishes_.empty()) {
    client_slots_asked_ = true;
    host_.post_control(ClientSlotsWanted{id_, static_cast<int>(slot_wishes_.size())});
  }
  if (workers_ > 1 && client_slots_ > 0) {
    return_client_slots(std::exchange(client_slots_, 0));
  }
}

bool WorkerEngine::admit(ClientSession& client) {
  const Route& route = client.route();
  if (settings_->clients_of_database(route.database) == 0 && settings_->clients_of_user(route.user) == 0)
    return true;
  client.set_counted(ClientSession::Counted::asked);
  host_.post_control(ClientArrived{id_, client.id(), route});
  return false;
}

void WorkerEngine::on_mail(ClientAdmitted& mail) {
  ClientSession* const client = find_client(mail.client);
  const bool admitted = mail.full == ClientAdmitted::Full::none;
  if (client == nullptr || client->login() == nullptr) {
    if (admitted) host_.post_control(ClientLeft{mail.route});
    return;
  }
  client->set_counted(admitted ? ClientSession::Counted::yes : ClientSession::Counted::no);
  client->login()->on_admitted(mail);
}

// After new settings: clients that came before there was a limit are told to who keeps it.
void WorkerEngine::count_clients() {
  std::map<Route, int> counts;
  connections_.for_each([&](Connection& connection) {
    if (connection.ended_ || connection.role() != Connection::Role::client) return;
    auto& client = static_cast<ClientSession&>(connection);
    const Route& route = client.route();
    if (client.pool() == nullptr || client.counted() != ClientSession::Counted::no) return;
    if (settings_->clients_of_database(route.database) == 0 && settings_->clients_of_user(route.user) == 0)
      return;
    client.set_counted(ClientSession::Counted::yes);
    ++counts[route];
  });
  for (const auto& [route, clients] : counts) host_.post_control(ClientsCounted{route, clients});
}

WorkerEngine::CancelKey WorkerEngine::issue_cancel_key(ConnId client) {
  // The worker is in the low bits of the pid, so that a CancelRequest finds it; all other bits are random.
  constexpr std::uint32_t worker_mask = CancelByKey::worker_mask;
  while (true) {
    std::array<char, 8> bytes{};
    host_.random(bytes);
    CancelKey key;
    for (std::size_t i = 0; i < 4; ++i) {
      key.pid = key.pid << 8 | static_cast<unsigned char>(bytes[i]);
      key.secret = key.secret << 8 | static_cast<unsigned char>(bytes[i + 4]);
    }
    key.pid = (key.pid & 0x7fffffff & ~worker_mask) | id_.value;
    if (key.pid > worker_mask && cancel_keys_.try_emplace(key.pid, KeyHolder{key.secret, client}).second)
      return key;
  }
}

void WorkerEngine::revoke_cancel_key(const CancelKey& key) { cancel_keys_.erase(key.pid); }

void WorkerEngine::cancel_by_key(const CancelByKey& key) {
  const WorkerId owner = key.owner();
  if (owner == id_) {
    CancelByKey mail = key;
    on_mail(mail);
  } else if (owner.value < static_cast<std::uint32_t>(workers_)) {
    host_.post(owner, key);
  } else {
    host_.post_control(CancelUnknown{key});
  }
}

void WorkerEngine::on_mail(CancelByKey& mail) {
  const auto found = cancel_keys_.find(mail.pid);
  std::array<char, 4> secret{};
  if (found != cancel_keys_.end()) {
    for (std::size_t i = 0; i < secret.size(); ++i)
      secret[i] = static_cast<char>(found->second.secret >> (24 - 8 * i));
  }
  const bool right = equal_in_constant_time({secret.data(), secret.size()}, mail.secret);
  if (found == cancel_keys_.end() || !right) return host_.post_control(CancelUnknown{std::move(mail)});
  if (ClientSession* const client = find_client(found->second.client)) client->cancel();
  if (mail.foreign != 0) {
    host_.post_control(ForeignCancelHandled{mail.foreign});
  } else if (mail.from == id_) {
    CancelHandled handled{mail.asker};
    on_mail(handled);
  } else {
    host_.post(mail.from, CancelHandled{mail.asker});
  }
}

void WorkerEngine::on_mail(CancelHandled& mail) {
  ClientSession* const asker = find_client(mail.asker);
  if (asker != nullptr && asker->login() != nullptr) asker->login()->cancel_handled();
}

void WorkerEngine::derive_key(ConnId asker, const std::string& password, const std::string& salt,
                              int iterations) {
  key_askers_[++tickets_] = asker;
  host_.derive_key({.ticket = tickets_, .password = password, .salt = salt, .iterations = iterations});
}

void WorkerEngine::on_key(std::uint64_t ticket, const Digest& salted_password) {
  const auto found = key_askers_.find(ticket);
  if (found == key_askers_.end()) return;
  Connection* const asker = find(found->second);
  key_askers_.erase(found);
  if (asker != nullptr) asker->on_key(salted_password);
}

// ---- pools ----

void WorkerEngine::configure(PoolEntry& pool, const DatabaseSettings& database) {
  const PoolSettings& defaults = settings_->pool;
  const UserSettings* const user = settings_->find_user(pool.route.user);
  // A replication connection has its one server to itself.
  const bool replication = pool.route.replication != 0;
  const int size = replication ? 1 : settings_->size_of(pool.route.database, pool.route.user);
  const auto hosts = placement(pool.route, size, workers_);
  pool.meter.record_series(hosts.size() > 1, now_);
  using P = PoolSettings;
  using D = DatabaseSettings;
  using U = UserSettings;
  const auto time = [&](auto general, auto of_database, auto of_user) {
    return settings_->time_of(general, of_database, of_user, database, user);
  };
  int reserve = database.reserve_pool_size.value_or(defaults.reserve_pool_size);
  if (user != nullptr && user->reserve_pool_size) reserve = *user->reserve_pool_size;
  int max_queue = database.max_queue.value_or(defaults.max_queue);
  if (user != nullptr && user->max_queue) max_queue = *user->max_queue;
  if (max_queue > 0) max_queue = std::max(1, part_of(max_queue, hosts, id_));
  const int min = database.min_pool_size.value_or(defaults.min_pool_size);
  const bool checks = !defaults.server_check_query.empty();
  pool.mode = replication ? PoolMode::session : settings_->mode_of(&database, user);
  pool.shard.set_limits(
      {.size = size,
       .reserve = replication ? 0 : reserve,
       .min = replication ? 0 : part_of(min, hosts, id_),
       .shared = hosts.size() > 1,
       .reserve_timeout = defaults.reserve_pool_timeout,
       .idle_timeout = defaults.server_idle_timeout,
       .lifetime = database.server_lifetime.value_or(defaults.server_lifetime),
       .login_retry = defaults.server_login_retry,
       .wait_timeout = time(&P::query_wait_timeout, &D::query_wait_timeout, &U::query_wait_timeout),
       .check_delay = checks ? defaults.server_check_delay : Duration::max(),
       .max_queue = replication ? 0 : max_queue,
       .part = part_of(size, hosts, id_),
       .trials = defaults.size_trials && pool.mode != PoolMode::session});
  pool.shard.set_shut(gates_->is_shut(pool.route.database));
  // A stream of changes is one query, for as long as it is wanted.
  const auto limit = [&](TimeLimit which, Duration span) {
    pool.limits[static_cast<std::size_t>(which)].set_limit(replication ? Duration::zero() : span);
  };
  limit(TimeLimit::query, time(&P::query_timeout, &D::query_timeout, &U::query_timeout));
  limit(TimeLimit::transaction,
        time(&P::transaction_timeout, &D::transaction_timeout, &U::transaction_timeout));
  limit(TimeLimit::idle_transaction,
        time(&P::idle_transaction_timeout, &D::idle_transaction_timeout, &U::idle_transaction_timeout));
  limit(TimeLimit::client_idle,
        time(&P::client_idle_timeout, &D::client_idle_timeout, &U::client_idle_timeout));
  limit(TimeLimit::wait_notify, defaults.query_wait_notify);
  arm_limits(pool);
  pool.late_begin = defaults.late_begin && pool.mode == PoolMode::transaction;
  for (const StateKindRow& it : state_kinds)
    pool.policies[static_cast<std::size_t>(it.kind)] = settings_->policy_of(it.kind, &database, user);

  ServerTarget target{hosts_of(database), database.target_session_attrs, database.dbname, database.user,
                      database.password,  settings_->server_tls.mode};
  pool.hosts.configure(target.hosts, target.attrs, database.load_balance_hosts);
  if (target.user.empty() && target.password.empty() && user != nullptr) target.password = user->password;
  if (target == pool.target) return;
  pool.target = std::move(target);
  ++pool.target_version;
  pool.welcome.reset();
  pool.canonical.clear();
  pool.failure.reset();
  pool.failure_permanent = false;
  if (pool.listens) pool.listens->access_changed();
}

ListenHub& WorkerEngine::listens_of(PoolEntry& pool) {
  if (!pool.listens) pool.listens = std::make_unique<ListenHub>(*this, pool);
  return *pool.listens;
}

HostMeter& WorkerEngine::host_meter(const std::string& host) {
  std::unique_ptr<HostMeter>& meter = host_meters_[host];
  if (!meter) meter = std::make_unique<HostMeter>(now_, workers_ > 1);
  return *meter;
}

PoolEntry& WorkerEngine::pool_of(const Route& route, const DatabaseSettings& database) {
  std::unique_ptr<PoolEntry>& pool = pools_[route];
  if (!pool) {
    std::string host = name_of(hosts_of(database));
    HostMeter& meter = host_meter(host);
    pool = std::make_unique<PoolEntry>(route, std::move(host), meter, now_);
    configure(*pool, database);
    pools_deadline_ = std::min(pools_deadline_, pool->meter.cut_due());
  }
  return *pool;
}

// A name that somebody made up: no server ever answered for it, and nobody waits. Such a pool is not kept, or
// they would fill the memory. Nor is that of a replication connection that is over.
bool WorkerEngine::is_useless(const PoolEntry& pool) {
  return (!pool.welcome || pool.route.replication != 0) && !pool.touched && pool.clients == 0 &&
         pool.cancel_dials == 0 && pool.shard.waiting() == 0 && pool.shard.open() == 0 &&
         pool.shard.slots() == 0 && pool.limit_timers == 0 && !(pool.listens && pool.listens->in_use());
}

void WorkerEngine::touch(PoolEntry& pool) {
  if (std::exchange(pool.touched, true)) return;
  touched_.push_back(&pool);
}

ServerSession* WorkerEngine::acquire(ClientSession& client) {
  PoolEntry& pool = *client.pool();
  touch(pool);
  // A login that waits to learn something is not the workload's demand.
  const bool measured = client.login() == nullptr;
  if (measured) {
    pool.meter.arrived(client.use(), now_);
    const ConnId id = client.id();
    client.use().client =
        (id.slot + id.generation * 0x9e3779b1u) * static_cast<std::uint32_t>(workers_) + id_.value;
  }
  const bool wait = pool.shard.is_shut() || pool.shard.must_check(now_);
  const auto server = wait ? std::nullopt : pool.shard.acquire();
  if (server) {
    if (measured) pool.meter.served(client.use(), WaitReason::none, now_);
    return static_cast<ServerSession*>(find(*server));
  }
  client.queued(pool.shard.wait({client.id(), now_}));
  if (measured) pool.meter.queued(client.use(), now_);
  return nullptr;
}

void WorkerEngine::give(ServerSession& server) {
  PoolEntry& pool = server.pool();
  touch(pool);
  if (pool.route.replication != 0 && pool.clients == 0) return server.retire(CloseReason::client_left);
  if (server.target_version() != pool.target_version) return server.retire(CloseReason::settings_changed);
  if (is_outdated(server)) return server.retire(CloseReason::ordered);
  if (pool.shard.slots() > pool.shard.limits().size + pool.shard.limits().reserve) {
    return server.retire(CloseReason::settings_changed);
  }
  if (pool.shard.over_lifetime(server.id(), server.connected(), now_))
    return server.retire(CloseReason::lifetime);
  if (!pool.hosts.fits(server.endpoint())) return server.retire(CloseReason::role_changed);
  if (pool.recall && answer_recall(pool, &server)) return;
  if (const auto waiter = pool.shard.release(server.id(), server.connected(), now_)) {
    hand_to_waiter(*waiter, server);
  } else {
    server.rest();
  }
}

void WorkerEngine::hand_to_waiter(const Waiter& waiter, ServerSession& server) {
  ClientSession& client = *find_client(waiter.client);
  const PoolEntry& pool = server.pool();
  if (client.login() == nullptr) {
    const WaitReason why = pool.failure                                     ? WaitReason::server_down
                           : pool.shard.slots() >= pool.shard.limits().size ? WaitReason::pool_full
                           : server.was_checked()                           ? WaitReason::opening
                           : pool.shard.open() >= pool.shard.slots()        ? WaitReason::limit
                                                                            : WaitReason::opening;
    server.pool().meter.served(client.use(), why, now_);
  }
  client.take_server(server);
}

// Gives a slot to where it is needed more. True when `server`, a clean one, went with it.
bool WorkerEngine::answer_recall(PoolEntry& pool, ServerSession* server) {
  PoolEntry::Recall& recall = *pool.recall;
  // A lower limit does not wait, nor does a move to where the server stays what it is.
  const bool at_once = recall.same_pool || recall.since == Instant{};
  const bool willing = at_once ? pool.shard.should_yield(recall.since)
                               : pool.shard.should_yield_server(recall.since, recall.even, now_);
  if ((willing || recall.closing || pool.shard.queue().empty()) && pool.shard.yield_free_slot()) {
    host_.post_control(SlotsReturned{id_, pool.route, 1});
    if (!at_once) pool.shard.settle(now_);
    pool.recall.reset();
    return false;
  }
  if (recall.closing || !willing) return false;
  // What has only just come to rest has not idled.
  if (server != nullptr && !at_once && recall.even && pool.shard.queue().empty()) return false;
  if (server == nullptr) {
    const auto idle = at_once ? pool.shard.acquire() : pool.shard.take_oldest_idle();
    if (!idle) return false;
    server = static_cast<ServerSession*>(find(*idle));
  }
  if (recall.same_pool && server->movable()) {
    pool.shard.closed_busy();
    pool.shard.slot_left();
    const Transport transport = detach(*server);
    server->moved();
    AdoptServer mail = server->pack(transport);
    mail.from = id_;
    host_.post(recall.to, std::move(mail));
    pool.recall.reset();
  } else {
    recall.closing = true;
    server->retire(CloseReason::yielded);
  }
  return true;
}

void WorkerEngine::dial(PoolEntry& pool) {
  pool.shard.dialing();
  dial_host(pool, pool.hosts.round(now_, deadline_after(now_, settings_->pool.server_connect_timeout)));
}

void WorkerEngine::dial_host(PoolEntry& pool, DialRound round) {
  const Instant deadline = round.host_deadline(now_);
  auto session = std::make_unique<ServerSession>(*this, pool, std::move(round));
  ServerSession& server = *session;
  const ConnId id = add(std::move(session));
  set_timer(server, deadline);
  host_.dial(id, server.endpoint());
}

bool WorkerEngine::limits_due(const PoolEntry& pool) {
  if (draining_ || pool.route.replication != 0) return false;
  const Duration later = pool.shard.waiting() > 0 ? LimitsClock::while_waiting
                         : pool.shard.idle() == 0 ? LimitsClock::without_idle
                                                  : Duration::zero();
  return limits_clock_.due(pool.host, later, now_);
}

void WorkerEngine::limits_seen(const PoolEntry& pool, HostLimits limits) {
  host_.post_control(HostLimitsSeen{pool.host, std::move(limits)});
}

void WorkerEngine::role_seen(PoolEntry& pool, const Endpoint& host, ServerRole role) {
  if (pool.hosts.seen(host, role, now_)) return;
  if (pool.listens) pool.listens->host_changed(host);
  connections_.for_each([&](Connection& connection) {
    if (connection.ended_ || connection.role() != Connection::Role::server) return;
    auto& server = static_cast<ServerSession&>(connection);
    if (&server.pool() != &pool || server.state() != ServerState::idle || server.endpoint() != host) return;
    pool.shard.take(server.id());
    server.retire(CloseReason::role_changed);
  });
}

void WorkerEngine::dial_failed(ServerSession& server, DialRound round, ErrorText error, bool server_said_no) {
  PoolEntry& pool = server.pool();
  touch(pool);
  // The hosts of an attempt that began before a reload are not those of the pool any more.
  if (server.target_version() != pool.target_version) return pool.shard.dial_failed(now_, false);
  // Out of resources (53...), out of connections, starting up or shutting down (57P0...): that passes.
  const bool passes = error.sqlstate.starts_with("53") || error.sqlstate.starts_with("57P");
  const bool permanent = server_said_no && !passes;
  if (!permanent) {
    if (round.next(now_)) return dial_host(pool, std::move(round));
    // A host that was the only one says itself what was wrong.
    if (round.tried() > 1 || round.found_misfit()) error = no_host(round, pool.hosts.wanted());
  }
  pool.shard.dial_failed(now_, true, round.found_misfit() ? failover_pause : Duration::max());
  pool.failure_permanent = permanent;
  pool.failure = std::move(error);
}

// Clients that no server will serve soon are told why. That is so while no server is there and the next
// attempt is not due yet: at once if the server refused for a reason that will not pass, or if there never
// was a server (a new pool, most likely a wrong setting); otherwise, as when a server restarts, when it has
// lasted server_login_retry.
void WorkerEngine::refuse_hopeless(PoolEntry& pool) {
  const DialPolicy& policy = pool.shard.policy();
  if (pool.shard.is_shut() || !pool.failure || pool.shard.idle() + pool.shard.busy() > 0 ||
      now_ >= policy.again())
    return;
  const bool lasts = now_ - policy.failing_since() >= pool.shard.limits().login_retry;
  if (!pool.failure_permanent && pool.welcome && !lasts) return;
  const ErrorText error = *pool.failure;
  for (int left = pool.shard.waiting(); left > 0; --left) {
    ClientSession& client = *find_client(pool.shard.pop_waiter()->client);
    pool.meter.abandoned(client.use(), GaveUp::refused, now_);
    client.fail_request(Refusal::server_login_failed, error);
  }
}

std::string WorkerEngine::crowd(const PoolEntry& pool) {
  const Shard& shard = pool.shard;
  return "Pool " + pool.route.database + "/" + pool.route.user + ": " + std::to_string(shard.busy()) +
         " of " + std::to_string(shard.limits().size) + " servers in use, " + std::to_string(shard.login()) +
         " being opened, " + std::to_string(shard.waiting()) + " clients waiting";
}

void WorkerEngine::refuse_expired(PoolEntry& pool) {
  if (planted(Bug::forget_wait_deadline)) return;
  for (int left = pool.shard.waiting(); left > 0; --left) {
    std::string detail = crowd(pool);
    const auto waiter = pool.shard.expired(now_);
    if (!waiter) return;
    detail += ", the oldest for " + seconds(now_ - waiter->since) + ".";
    if (pool.failure) detail += " The last attempt to open a connection failed: " + pool.failure->message;
    ClientSession& client = *find_client(waiter->client);
    pool.meter.abandoned(client.use(), GaveUp::timed_out, now_);
    client.fail_request(Refusal::wait_timeout,
                        refusal_text(Refusal::wait_timeout,
                                     "no server became free within query_wait_timeout (" +
                                         seconds(pool.shard.limits().wait_timeout) + ")",
                                     std::move(detail),
                                     "Ask SHOW RECOMMENDATIONS on the console whether the pool is too small "
                                     "or servers are held for long."));
  }
}

void WorkerEngine::refuse_beyond_queue(PoolEntry& pool) {
  for (int left = pool.shard.waiting(); left > 0; --left) {
    const auto waiter = pool.shard.next_beyond_queue();
    if (!waiter) return;
    const Shard& shard = pool.shard;
    const std::string detail =
        "Pool " + pool.route.database + "/" + pool.route.user + ": " + std::to_string(shard.busy()) + " of " +
        std::to_string(shard.limits().size) + " servers in use, " + std::to_string(shard.waiting()) +
        " clients waiting, allowed are " + std::to_string(shard.limits().max_queue) +
        " (max_queue), the oldest for " + seconds(now_ - shard.queue().front()->since) + ".";
    ClientSession& client = *find_client(waiter->client);
    pool.meter.abandoned(client.use(), GaveUp::refused, now_);
    client.fail_request(
        Refusal::queue_full,
        refusal_text(Refusal::queue_full, "too many clients wait for a server already", detail,
                     "Try again later. Raise max_queue if waiting is better than failing; "
                     "SHOW RECOMMENDATIONS on the console tells whether the pool is too "
                     "small."));
  }
}

void WorkerEngine::service(PoolEntry& pool) {
  Shard& shard = pool.shard;
  const bool keep_min = pool.clients > 0 && !draining_;
  refuse_expired(pool);
  refuse_hopeless(pool);
  if (pool.recall) answer_recall(pool, nullptr);
  shard.look_at_trial(now_);
  while (const auto match = shard.next_match(now_))
    hand_to_waiter(match->waiter, *static_cast<ServerSession*>(find(match->server)));
  while (const auto server = shard.next_to_check()) static_cast<ServerSession*>(find(*server))->check();
  refuse_beyond_queue(pool);
  if (const int slots = shard.slots_to_ask(now_); slots > 0) {
    const Instant since = shard.queue().empty() ? never : shard.queue().front()->since;
    host_.post_control(SlotsWanted{id_, pool.route, slots, since, shard.needs_reserve(now_)});
  }
  for (int due = shard.dials_due(now_, keep_min); due > 0; --due) dial(pool);
  while (const auto retired = shard.next_to_retire(now_)) {
    static_cast<ServerSession*>(find(*retired))->retire(CloseReason::idle_timeout);
  }
  if (const int unused = shard.take_unused_slots(); unused > 0) {
    host_.post_control(SlotsReturned{id_, pool.route, unused});
  }
  if (pool.listens) pool.listens->service();
  pool.meter.open_changed(shard.open(), now_);
  pool.meter.clients_changed(pool.clients);
  pool.meter.pool_size_changed(shard.limits().size);
  if (now_ >= pool.meter.cut_due()) cut_minute(pool, false);
  pools_deadline_ = std::min({pools_deadline_, shard.next_deadline(now_, keep_min), pool.meter.cut_due()});
  if (pool.recall && !pool.recall->closing)
    pools_deadline_ = std::min(pools_deadline_, shard.yield_due(pool.recall->even, now_));
  if (is_useless(pool)) useless_.push_back(pool.route);
}

std::vector<const Use*> WorkerEngine::live_uses(const PoolEntry& pool) const {
  std::vector<const Use*> live;
  connections_.for_each([&](const Connection& connection) {
    if (connection.role() == Connection::Role::client) {
      const auto& client = static_cast<const ClientSession&>(connection);
      if (client.pool() == &pool) live.push_back(&client.use());
    } else if (connection.role() == Connection::Role::server) {
      const auto& server = static_cast<const ServerSession&>(connection);
      if (&server.pool() == &pool) live.push_back(&server.use());
    }
  });
  return live;
}

void WorkerEngine::cut_minute(PoolEntry& pool, bool last) {
  MinutePassed mail{pool.route, pool.meter.trace(live_uses(pool), now_), pool.meter.trace_classes(), {}};
  pool.meter.cut(now_);
  mail.minutes = pool.meter.take_final(last);
  // Nobody needed a server in it: that is what a minute is like of which nothing is known.
  std::erase_if(mail.minutes, [](const WindowRef& it) { return it->highest_needing == 0; });
  const bool empty = mail.segment.records.empty() && mail.minutes.empty();
  if (!empty && pool.route.replication == 0) host_.post_control(std::move(mail));
  if (auto part = host_meter(pool.host).take_part(now_))
    host_.post_control(HostMinutePassed{pool.host, std::move(*part)});
}

// ---- mail ----

void WorkerEngine::on_mail(WorkerMail mail) {
  std::visit([this](auto& letter) { on_mail(letter); }, mail);
}

void WorkerEngine::on_mail(AdoptClient& mail) {
  const ConnId id = on_accept(std::move(mail.peer));
  ClientSession& client = *find_client(id);
  client.set_connected(mail.connected);
  adopt(client, mail.transport);
  client.on_bytes(arena_.copy(mail.received));
}

void WorkerEngine::on_mail(AdoptServer& mail) {
  const DatabaseSettings* const database = settings_->find_database(mail.route.database);
  static const DatabaseSettings nowhere;
  PoolEntry& pool = pool_of(mail.route, database == nullptr ? nowhere : *database);
  auto session = std::make_unique<ServerSession>(*this, pool, mail);
  ServerSession& server = *session;
  add(std::move(session));
  adopt(server, mail.transport);
  pool.shard.adopted();
  host_.post_control(SlotMoved{mail.from, id_, mail.route});
  if (!pool.welcome) pool.welcome = parameters_.intern(Parameters(mail.welcome));
  if (now_ - mail.used >= pool.shard.limits().check_delay) {
    pool.shard.checking();
    return server.check();
  }
  give(server);
}

void WorkerEngine::on_mail(SlotsGranted& mail) {
  const auto found = pools_.find(mail.route);
  if (found == pools_.end()) return host_.post_control(SlotsReturned{id_, mail.route, mail.slots});
  found->second->shard.granted(mail.slots + (planted(Bug::one_slot_too_many) ? 1 : 0));
  found->second->shard.settle(now_);
  touch(*found->second);
}

void WorkerEngine::on_mail(SlotRecalled& mail) {
  const auto found = pools_.find(mail.route);
  if (found == pools_.end()) return;
  PoolEntry& pool = *found->second;
  const bool stronger = !pool.recall || mail.since < pool.recall->since ||
                        (mail.since == pool.recall->since && (!mail.even || pool.recall->even));
  if (stronger) {
    const bool closing = pool.recall && pool.recall->closing;
    pool.recall = {.since = mail.since,
                   .same_pool = mail.same_pool,
                   .to = mail.to,
                   .even = mail.even,
                   .closing = closing};
  }
  touch(pool);
}

void WorkerEngine::on_mail(NewSettings& mail) {
  settings_ = std::move(mail.settings);
  // What is free goes back: the control thread counts anew, against the new limit.
  if (client_slots_ > 0) return_client_slots(std::exchange(client_slots_, 0));
  credentials_.forget();
  count_clients();
  for (auto& [route, pool] : pools_) {
    if (const DatabaseSettings* const database = settings_->find_database(route.database))
      configure(*pool, *database);
    while (pool->shard.idle() > 0) {
      auto* const server = static_cast<ServerSession*>(find(pool->shard.newest_idle()));
      if (server->target_version() == pool->target_version) break;
      pool->shard.take(server->id());
      server->retire(CloseReason::settings_changed);
    }
    touch(*pool);
  }
}

void WorkerEngine::on_mail(KeysLearned& mail) {
  credentials_.learn(mail.user, mail.verifier, mail.client_key);
}

void WorkerEngine::on_mail(SnapshotAsked& mail) {
  host_.post_control(SnapshotCut{mail.ticket, snapshot(mail.parts)});
}

void WorkerEngine::on_mail(ConsoleAnswered& mail) {
  if (ClientSession* const client = find_client(mail.client))
    client->console_answered(arena_.copy(mail.bytes), mail.close);
}

void WorkerEngine::on_mail(Drain& mail) {
  draining_ = true;
  drain_mode_ = mail.mode;
  handed_over_ = mail.handed_over;
  drain_round_ = mail.round;
  drained_ = false;
}

void WorkerEngine::close_clients_for_drain() {
  std::vector<ClientSession*> clients;
  connections_.for_each([&](Connection& connection) {
    if (!connection.ended_ && connection.role() == Connection::Role::client)
      clients.push_back(static_cast<ClientSession*>(&connection));
  });
  bool all_gone = true;
  for (ClientSession* const client : clients) {
    // Who has not said yet what it wants was connected before the sockets went.
    if (handed_over_ && client->login() != nullptr) all_gone = false;
    if (!client->is_application()) continue;
    client->drain(drain_mode_);
    all_gone = all_gone && client->ended_;
  }
  if (!all_gone || std::exchange(drained_, true)) return;
  // What the last minute was like is not lost.
  for (auto& [route, pool] : pools_) cut_minute(*pool, true);
  host_.post_control(Drained{id_, drain_round_});
}

// ---- snapshots ----

WorkerSnapshot WorkerEngine::snapshot(const SnapshotParts& parts) const {
  WorkerSnapshot result;
  result.worker = id_;
  for (const RefusalRow& it : refusals) {
    const std::uint64_t count = refused_[static_cast<std::size_t>(it.refusal)];
    result.events.push_back({"refused", it.label, it.sqlstate, it.doc, count});
  }
  for (const CloseReasonRow& it : close_reasons)
    result.events.push_back({"closed", it.label, "", it.doc, closed_[static_cast<std::size_t>(it.reason)]});
  std::map<const PoolEntry*, int> active;
  std::map<const PoolEntry*, std::vector<const PinClock*>> pinned;
  const auto look_at = [&](Connection& connection) {
    if (connection.ended_) return;
    if (connection.role() == Connection::Role::client) {
      const auto& client = static_cast<const ClientSession&>(connection);
      ++(client.login() != nullptr ? result.login_clients : result.used_clients);
      if (client.serving() && !client.waiting()) ++active[client.pool()];
      if (parts.connections) result.clients.push_back(client.snapshot());
    } else if (connection.role() == Connection::Role::server) {
      const auto& server = static_cast<const ServerSession&>(connection);
      ++(server.state() == ServerState::idle ? result.free_servers : result.used_servers);
      if (parts.connections) result.servers.push_back(server.snapshot());
      if (!server.pin_clock().kinds().any()) return;
      pinned[&server.pool()].push_back(&server.pin_clock());
      if (parts.pins) result.pins.push_back(server.pin_snapshot());
    } else if (connection.role() == Connection::Role::listener) {
      ++result.used_servers;
      if (parts.connections)
        result.servers.push_back(static_cast<const ListenerSession&>(connection).snapshot());
    }
  };
  if (!parts.quick) connections_.for_each(look_at);
  for (const auto& [route, pool] : pools_) {
    PoolSnapshot snapshot = pool_snapshot(*pool, parts);
    snapshot.counts.cl_active = active[pool.get()];
    snapshot.pin_costs = pool->pin_costs;
    for (const PinClock* const clock : pinned[pool.get()]) clock->add_running(now_, snapshot.pin_costs);
    result.pools.push_back(std::move(snapshot));
  }
  if (parts.statements) add_statements(statements_, result);
  if (parts.traces) {
    for (const auto& [name, meter] : host_meters_)
      result.hosts.push_back({name, meter->evidence(now_), meter->part(now_)});
  }
  return result;
}

PoolSnapshot WorkerEngine::pool_snapshot(const PoolEntry& pool, const SnapshotParts& parts) const {
  PoolSnapshot snapshot;
  snapshot.database = pool.route.database;
  snapshot.user = pool.route.user;
  snapshot.replication = pool.route.replication != 0;
  const Shard& shard = pool.shard;
  snapshot.counts = {.cl_waiting = shard.waiting(),
                     .sv_active = shard.busy() - pool.canceling - pool.resetting,
                     .sv_active_cancel = pool.cancel_dials,
                     .sv_being_canceled = pool.canceling,
                     .sv_idle = shard.idle(),
                     .sv_tested = pool.resetting,
                     .sv_login = shard.login()};
  if (!shard.queue().empty()) snapshot.oldest_wait = now_ - shard.queue().front()->since;
  snapshot.pool_size = shard.limits().size;
  snapshot.reserve_pool_size = shard.limits().reserve;
  snapshot.slots = shard.slots();
  const PoolTotals& totals = pool.meter.totals();
  snapshot.savings = {.transactions_saved = pool.transactions_saved,
                      .late_begins = pool.late_begins,
                      .parses_asked = totals.client_parse_count,
                      .parses_sent = totals.server_parse_count};
  if (snapshot.replication) return snapshot;
  if (parts.measures) {
    snapshot.measure = pool.meter.measure(now_, parts.traces);
    snapshot.measure.trials = shard.trials();
  }
  if (parts.pulses) {
    snapshot.pulse = pool.meter.pulse(settings_->advice.target_wait, now_);
    snapshot.pulse.failing_since = shard.policy().failing_since();
    snapshot.pulse.retry_at = shard.policy().again();
    if (pool.failure) snapshot.pulse.failure = pool.failure->message;
  }
  snapshot.host = pool.host;
  if (parts.traces) {
    snapshot.trace = pool.meter.trace(live_uses(pool), now_);
    snapshot.trace_classes = pool.meter.trace_classes();
  }
  if (parts.queries) snapshot.queries = pool.queries.top(most_queries_listed);
  if (parts.applications) {
    for (const auto& [name, use] : pool.applications.named())
      snapshot.applications.push_back({.name = name, .use = use});
    const ApplicationUse& others = pool.applications.others();
    if (others.all.sessions > 0) snapshot.applications.push_back({.others = true, .use = others});
  }
  return snapshot;
}

}  // namespace pgweir
