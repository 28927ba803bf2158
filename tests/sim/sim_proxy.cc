#include "tests/sim/sim_proxy.h"

#include <algorithm>
#include <set>
#include <variant>

#include "protocol/digest.h"
#include "proxy/session/listener_session.h"

namespace pgweir::sim {

using namespace std::chrono_literals;

namespace {

// How long a client may need to send on, at the longest.
constexpr Duration patience_at_rest = 1s;

// Mail from one sender to one receiver: each delivery takes the oldest, so the order stays whatever the
// delays.
template <class Mail>
using Lane = std::deque<Mail>;

bool some_mail(const std::map<std::uint32_t, Lane<WorkerMail>>& lanes) {
  return std::any_of(lanes.begin(), lanes.end(), [](const auto& lane) { return !lane.second.empty(); });
}

}  // namespace

// ---- one worker ----

class SimProxy::Worker : public Host, public SocketUser {
 public:
  Worker(SimProxy& proxy, WorkerId id, const std::string& secret)
      : proxy_(proxy),
        id_(id),
        random_(proxy.random_.fork()),
        core_(id, proxy.scenario_.settings->workers, *this, proxy.scenario_.settings, secret,
              proxy.schedule_.now()) {}

  // What has happened and waits for the next turn.
  struct Accepted {
    SocketId socket;
  };
  struct Readable {
    ConnId conn;
  };
  struct Writable {
    ConnId conn;
  };
  struct Drained {
    ConnId conn;
  };
  struct Dialed {
    ConnId conn;
    DialResult result;
  };
  struct Key {
    std::uint64_t ticket;
    Digest digest;
  };
  using Input = std::variant<Accepted, Readable, Writable, Drained, Dialed, Key, WorkerMail>;

  void add(Input input) {
    inputs_.push_back(std::move(input));
    need_turn();
  }
  const WorkerCore& core() const { return core_; }
  WorkerCore& core() { return core_; }
  void arm_timer();
  // No input waits, and every peer has taken what was written to it.
  bool quiet() const {
    return inputs_.empty() && !turn_due_ && std::none_of(conns_.begin(), conns_.end(), [](const auto& entry) {
             return entry.second.unwritten != nullptr;
           });
  }

  bool mail_waits() const {
    return !inputs_.empty() || turn_due_ || !to_control_.empty() || some_mail(to_workers_);
  }

  void on_readable(SocketId socket) override {
    if (const auto found = by_socket_.find(socket); found != by_socket_.end())
      return add(Readable{found->second});
    // A connection that only waits for its last bytes to be taken.
    char space[256];
    while (proxy_.net_.read(socket, space) > 0) {
    }
    if (proxy_.net_.state(socket) != StreamState::open) finish(socket);
  }
  void on_writable(SocketId socket) override {
    if (const auto found = by_socket_.find(socket); found != by_socket_.end())
      return add(Writable{found->second});
    linger(socket);
  }

  // Host.
  void dial(ConnId conn, const Endpoint& endpoint) override;
  void adopt(ConnId conn, Transport transport) override;
  Transport detach(ConnId conn) override;
  void start_tls(ConnId, TlsStart) override { proxy_.schedule_.fail("nobody encrypts here"); }
  void write(ConnId conn, Outbox& outbox) override;
  void set_reading(ConnId conn, bool reading) override;
  void close(ConnId conn, Outbox& outbox) override;
  void abort(ConnId conn, Outbox& outbox) override {
    outbox.clear(core_.chunks());
    close(conn, outbox);
  }
  void post(WorkerId worker, WorkerMail mail) override;
  void post_control(ControlMail mail) override;
  void derive_key(KeyWanted wanted) override;
  void random(std::span<char> bytes) override {
    for (char& c : bytes) c = static_cast<char>(random_.next());
  }
  void log(LogLine line) override {
    proxy_.schedule_.trace("worker %u log %c%llu %s/%s: %s", id_.value, line.side,
                           static_cast<unsigned long long>(line.connection), line.database.c_str(),
                           line.user.c_str(), printable(line.text, 160).c_str());
  }

 private:
  struct Conn {
    SocketId socket = no_socket;  // none while it is being dialed
    Outbox* unwritten = nullptr;  // what a write left over is in here
    bool reading = true;
    bool late_read = false;  // one more read may come although reading was stopped
  };

  void need_turn();
  void turn();
  void take(Input& input);
  void take_readable(ConnId conn);
  void take_writable(ConnId conn);
  void own(ConnId conn, SocketId socket);
  void forget(ConnId conn);
  // How much the peer took.
  std::size_t push(SocketId socket, Outbox& outbox);
  void linger(SocketId socket);
  void finish(SocketId socket);
  Conn* known(ConnId conn, const char* call);
  void check();

  SimProxy& proxy_;
  const WorkerId id_;
  SeededRandom random_;
  std::map<ConnId, Conn> conns_;
  std::map<SocketId, ConnId> by_socket_;
  std::map<SocketId, std::string> lingering_;
  std::deque<Input> inputs_;
  std::map<std::uint32_t, Lane<WorkerMail>> to_workers_;
  Lane<ControlMail> to_control_;
  std::map<ConnId, int> dials_;
  bool turn_due_ = false;
  Instant armed_ = never;
  int idle_turns_ = 0;  // one after another at one instant, without any input
  Instant last_turn_{};
  WorkerCore core_;
};

// ---- the control thread ----

class SimProxy::Control : public ControlHost {
 public:
  explicit Control(SimProxy& proxy)
      : proxy_(proxy),
        core_(proxy.scenario_.settings->workers, *this, proxy.scenario_.settings, proxy.schedule_.now(),
              1'700'000'000s) {}

  void add(ControlMail mail) {
    mail_.push_back(std::move(mail));
    need_turn();
  }
  void drain() {
    drain_ = true;
    need_turn();
  }
  bool drained() const { return core_.drained(); }
  void arm_timer();

  void in_background(std::function<ControlMail()> work) override {
    proxy_.schedule_.after(proxy_.mail_delay(), [this, work = std::move(work)] { add(work()); });
  }
  void post(WorkerId worker, WorkerMail mail) override {
    to_workers_[worker.value].push_back(std::move(mail));
    proxy_.schedule_.after(proxy_.mail_delay(), [this, worker] {
      auto& lane = to_workers_[worker.value];
      WorkerMail next = std::move(lane.front());
      lane.pop_front();
      proxy_.workers_[worker.value]->add(std::move(next));
    });
  }
  void reload(std::shared_ptr<const Settings> settings) {
    new_settings_ = std::move(settings);
    need_turn();
  }
  bool mail_waits() const { return !mail_.empty() || turn_due_ || some_mail(to_workers_); }
  Reloaded reload(const Settings&) override { return {std::move(new_settings_), {}, "other pool sizes"}; }
  void run_hook(HookRun) override {
    proxy_.schedule_.after(proxy_.mail_delay(), [this] {
      core_.begin_turn(proxy_.schedule_.now());
      core_.hook_ended();
      core_.end_turn();
    });
  }
  void stop() override {}
  void start_drain(DrainMode) override {}
  bool ask_predecessor(const CancelByKey&) override { return false; }
  void foreign_cancel_handled(std::uint64_t) override {}
  void alive() override {}
  void configure(const Settings&) override {}
  void keep(StateEntry) override {}
  void log(LogLine line) override {
    proxy_.schedule_.trace("control log %s", printable(line.text, 160).c_str());
  }

 private:
  void need_turn() {
    if (std::exchange(turn_due_, true)) return;
    proxy_.schedule_.after(proxy_.random_.up_to(20us), [this] { turn(); });
  }
  void turn();

  SimProxy& proxy_;
  std::deque<ControlMail> mail_;
  std::map<std::uint32_t, Lane<WorkerMail>> to_workers_;
  bool turn_due_ = false, drain_ = false;
  std::shared_ptr<const Settings> new_settings_;
  Instant armed_ = never;
  ControlCore core_;
};

void SimProxy::Control::turn() {
  turn_due_ = false;
  core_.begin_turn(proxy_.schedule_.now());
  if (new_settings_) core_.reload();
  if (std::exchange(drain_, false)) core_.drain({});
  for (; !mail_.empty(); mail_.pop_front()) core_.on_mail(std::move(mail_.front()));
  core_.end_turn();
  arm_timer();
}

void SimProxy::Control::arm_timer() {
  const Instant at = core_.next_deadline();
  if (at == never || (armed_ <= at && armed_ >= proxy_.schedule_.now())) return;
  armed_ = std::max(at, proxy_.schedule_.now() + 1us);
  proxy_.schedule_.at(armed_, [this, at = armed_] {
    if (armed_ != at) return;
    armed_ = never;
    need_turn();
  });
}

// ---- turns ----

void SimProxy::Worker::need_turn() {
  if (std::exchange(turn_due_, true)) return;
  proxy_.schedule_.after(random_.up_to(20us), [this] { turn(); });
}

void SimProxy::Worker::turn() {
  turn_due_ = false;
  const Instant now = proxy_.schedule_.now();
  idle_turns_ = inputs_.empty() && now <= last_turn_ + 30us ? idle_turns_ + 1 : 0;
  if (idle_turns_ > 1000)
    return proxy_.schedule_.fail("worker " + std::to_string(id_.value) +
                                 " spins: its next deadline does not move on");
  last_turn_ = now;
  core_.begin_turn(now);
  // Sometimes not all that is ready is seen in one turn.
  std::size_t count = inputs_.size();
  if (random_.chance(100)) count = random_.below(count + 1);
  for (; count > 0 && !proxy_.schedule_.failed(); --count) {
    Input input = std::move(inputs_.front());
    inputs_.pop_front();
    take(input);
    if (random_.chance(20)) core_.flush();
  }
  core_.end_turn();
  check();
  if (!inputs_.empty()) need_turn();
  arm_timer();
}

// An earlier timer that is armed already may stay: it brings a turn, which arms the next one.
void SimProxy::Worker::arm_timer() {
  const Instant at = core_.next_deadline();
  if (at == never || (armed_ <= at && armed_ >= proxy_.schedule_.now())) return;
  armed_ = std::max(at, proxy_.schedule_.now());
  proxy_.schedule_.at(armed_, [this, at = armed_] {
    if (armed_ != at) return;
    armed_ = never;
    need_turn();
  });
}

void SimProxy::Worker::take(Input& input) {
  if (auto* const accepted = std::get_if<Accepted>(&input)) {
    const ConnId conn = core_.on_accept({.address = "10.1.0.1",
                                         .port = static_cast<int>(accepted->socket),
                                         .local_address = "10.0.0.1",
                                         .local_port = 6432});
    own(conn, accepted->socket);
  } else if (const auto* const readable = std::get_if<Readable>(&input)) {
    take_readable(readable->conn);
  } else if (const auto* const writable = std::get_if<Writable>(&input)) {
    take_writable(writable->conn);
  } else if (const auto* const drained = std::get_if<Drained>(&input)) {
    if (conns_.contains(drained->conn)) core_.on_drained(drained->conn);
  } else if (const auto* const dialed = std::get_if<Dialed>(&input)) {
    if (!conns_.contains(dialed->conn)) return;
    if (!dialed->result.connected) forget(dialed->conn);
    core_.on_dialed(dialed->conn, dialed->result);
  } else if (const auto* const key = std::get_if<Key>(&input)) {
    core_.on_key(key->ticket, key->digest);
  } else {
    core_.on_mail(std::move(std::get<WorkerMail>(input)));
  }
}

void SimProxy::Worker::take_readable(ConnId conn) {
  const auto found = conns_.find(conn);
  if (found == conns_.end()) return;
  Conn& entry = found->second;
  if (!entry.reading) {
    if (!std::exchange(entry.late_read, false)) return;
    proxy_.net_.set_reading(entry.socket, false);
  }
  const std::span<char> space = core_.arena().read_space();
  const std::size_t most = random_.chance(50) ? 1 + random_.below(space.size()) : space.size();
  const std::size_t size = proxy_.net_.read(entry.socket, space.first(most));
  if (size > 0) {
    // What is left is for the next turn.
    if (proxy_.net_.readable(entry.socket)) add(Readable{conn});
    return core_.on_bytes(conn, core_.arena().commit(size));
  }
  const StreamState state = proxy_.net_.state(entry.socket);
  if (state == StreamState::open || !entry.reading) return;
  proxy_.net_.close(entry.socket);
  forget(conn);
  core_.on_closed(conn, state == StreamState::ended ? "" : "connection reset by peer");
}

void SimProxy::Worker::take_writable(ConnId conn) {
  const auto found = conns_.find(conn);
  if (found == conns_.end() || found->second.unwritten == nullptr) return;
  Conn& entry = found->second;
  if (proxy_.net_.gone(entry.socket)) {
    proxy_.net_.close(entry.socket);
    forget(conn);
    return core_.on_closed(conn, "broken pipe");
  }
  push(entry.socket, *entry.unwritten);
  if (!entry.unwritten->empty()) return;
  entry.unwritten = nullptr;
  core_.on_drained(conn);
}

// Writes what is kept, then what is fresh.
std::size_t SimProxy::Worker::push(SocketId socket, Outbox& outbox) {
  std::size_t total = 0;
  for (;;) {
    const Bytes part =
        outbox.kept().empty()
            ? (outbox.fresh() == nullptr ? Bytes() : Bytes(outbox.fresh()->data, outbox.fresh()->size))
            : outbox.kept().front();
    if (part.empty()) return total;
    const std::size_t size = proxy_.net_.write(socket, part);
    outbox.consume(core_.chunks(), size);
    total += size;
    if (size < part.size()) return total;
  }
}

// ---- Host ----

SimProxy::Worker::Conn* SimProxy::Worker::known(ConnId conn, const char* call) {
  const auto found = conns_.find(conn);
  if (found != conns_.end()) return &found->second;
  proxy_.schedule_.fail(std::string("worker ") + std::to_string(id_.value) + ": " + call +
                        " for a connection that the host does not have");
  return nullptr;
}

void SimProxy::Worker::own(ConnId conn, SocketId socket) {
  conns_[conn] = Conn{.socket = socket};
  by_socket_[socket] = conn;
  proxy_.net_.attach(socket, this);
}

void SimProxy::Worker::forget(ConnId conn) {
  const auto found = conns_.find(conn);
  if (found->second.socket != no_socket) by_socket_.erase(found->second.socket);
  conns_.erase(found);
}

void SimProxy::Worker::dial(ConnId conn, const Endpoint& endpoint) {
  if (conns_.contains(conn)) return proxy_.schedule_.fail("a connection is dialed twice");
  conns_[conn] = Conn{};
  const Duration delay = random_.up_to(proxy_.scenario_.weather.latency * 2) + random_.up_to(100us);
  proxy_.schedule_.after(delay, [this, conn, port = endpoint.port] {
    const auto found = conns_.find(conn);
    if (found == conns_.end()) return;
    switch (proxy_.postgres_.door()) {
      case SimPostgres::Door::silent:
        return;
      case SimPostgres::Door::refused:
        return add(Dialed{conn, {.connected = false, .error = "connection refused", .peer = {}}});
      case SimPostgres::Door::open:
        break;
    }
    SocketUser* const backend = proxy_.postgres_.new_backend();
    const auto [ours, theirs] = proxy_.net_.connect(LinkKind::server, this, backend);
    found->second.socket = ours;
    by_socket_[ours] = conn;
    proxy_.postgres_.accepted(backend, theirs);
    add(Dialed{conn,
               {.connected = true,
                .error = {},
                .peer = {.address = "10.0.0.5",
                         .port = port,
                         .local_address = "10.0.0.1",
                         .local_port = static_cast<int>(ours)}}});
  });
}

void SimProxy::Worker::adopt(ConnId conn, Transport transport) {
  if (conns_.contains(conn)) return proxy_.schedule_.fail("a connection is adopted twice");
  own(conn, static_cast<SocketId>(transport.handle));
}

Transport SimProxy::Worker::detach(ConnId conn) {
  Conn* const entry = known(conn, "detach");
  if (entry == nullptr) return {};
  // A write that failed left nothing: whoever gets the connection will see that it is broken.
  if (entry->unwritten != nullptr && !entry->unwritten->empty())
    proxy_.schedule_.fail("a connection with unwritten bytes is detached");
  const SocketId socket = entry->socket;
  forget(conn);
  proxy_.net_.attach(socket, nullptr);
  return {.handle = socket};
}

void SimProxy::Worker::write(ConnId conn, Outbox& outbox) {
  Conn* const entry = known(conn, "write");
  if (entry == nullptr) return outbox.clear(core_.chunks());
  const bool owed = entry->unwritten != nullptr;
  if (!outbox.empty() && entry->socket == no_socket)
    return proxy_.schedule_.fail("a write before the connection is there");
  // Bytes that wait for room are not overtaken, and mostly not even tried again before there is.
  if (!owed || random_.chance(200)) push(entry->socket, outbox);
  outbox.keep(core_.chunks());
  if (proxy_.net_.gone(entry->socket)) {
    // Seen by reading, or, where that is stopped, by the write that failed.
    entry->unwritten = &outbox;
    return add(Writable{conn});
  }
  if (!outbox.empty()) {
    entry->unwritten = &outbox;
  } else if (owed) {
    entry->unwritten = nullptr;
    add(Drained{conn});
  }
}

void SimProxy::Worker::set_reading(ConnId conn, bool reading) {
  Conn* const entry = known(conn, "set_reading");
  if (entry == nullptr || entry->socket == no_socket) return;
  entry->late_read = entry->reading && !reading && random_.chance(300);
  entry->reading = reading;
  if (entry->late_read) {
    // The host may take one more portion before it stops.
    return;
  }
  proxy_.net_.set_reading(entry->socket, reading);
}

void SimProxy::Worker::close(ConnId conn, Outbox& outbox) {
  Conn* const entry = known(conn, "close");
  if (entry == nullptr) return outbox.clear(core_.chunks());
  const SocketId socket = entry->socket;
  forget(conn);
  if (socket == no_socket) return outbox.clear(core_.chunks());
  push(socket, outbox);
  std::string rest;
  while (!outbox.empty()) {
    const Bytes part =
        outbox.kept().empty() ? Bytes(outbox.fresh()->data, outbox.fresh()->size) : outbox.kept().front();
    rest += part;
    outbox.consume(core_.chunks(), part.size());
  }
  if (rest.empty() || proxy_.net_.gone(socket)) return proxy_.net_.close(socket);
  lingering_[socket] = std::move(rest);
  proxy_.net_.set_reading(socket, true);
  proxy_.schedule_.after(5s, [this, socket] { finish(socket); });
}

void SimProxy::Worker::linger(SocketId socket) {
  const auto found = lingering_.find(socket);
  if (found == lingering_.end()) return;
  std::string& rest = found->second;
  while (!rest.empty()) {
    const std::size_t size = proxy_.net_.write(socket, rest);
    if (size == 0) break;
    rest.erase(0, size);
  }
  if (rest.empty() || proxy_.net_.gone(socket)) finish(socket);
}

void SimProxy::Worker::finish(SocketId socket) {
  if (lingering_.erase(socket) > 0) proxy_.net_.close(socket);
}

void SimProxy::Worker::post(WorkerId worker, WorkerMail mail) {
  if (std::holds_alternative<AdoptServer>(mail)) ++proxy_.checks_.counts.servers_moved;
  to_workers_[worker.value].push_back(std::move(mail));
  proxy_.schedule_.after(proxy_.mail_delay(), [this, worker] {
    auto& lane = to_workers_[worker.value];
    WorkerMail next = std::move(lane.front());
    lane.pop_front();
    proxy_.workers_[worker.value]->add(std::move(next));
  });
}

void SimProxy::Worker::post_control(ControlMail mail) {
  to_control_.push_back(std::move(mail));
  proxy_.schedule_.after(proxy_.mail_delay(), [this] {
    ControlMail next = std::move(to_control_.front());
    to_control_.pop_front();
    proxy_.control_->add(std::move(next));
  });
}

void SimProxy::Worker::derive_key(KeyWanted wanted) {
  proxy_.schedule_.after(1ms + random_.up_to(5ms), [this, wanted = std::move(wanted)] {
    add(Key{wanted.ticket,
            pbkdf2(wanted.password, wanted.salt, static_cast<std::uint32_t>(wanted.iterations))});
  });
}

// ---- what a worker's own account says ----

void SimProxy::Worker::check() {
  if (!random_.chance(250)) return;
  const WorkerSnapshot snapshot = core_.snapshot({});
  const Duration patience = proxy_.scenario_.settings->pool.query_wait_timeout;
  for (const PoolSnapshot& pool : snapshot.pools) {
    const std::string name = pool.database + "/" + pool.user + " on worker " + std::to_string(id_.value);
    // A client may wait while a server is checked for it.
    if (pool.counts.cl_waiting > pool.counts.sv_tested && pool.counts.sv_idle > 0) {
      proxy_.schedule_.fail("I6: in " + name + " " + std::to_string(pool.counts.cl_waiting) +
                            " clients wait while " + std::to_string(pool.counts.sv_idle) +
                            " servers are idle");
    }
    if (patience > 0ms && pool.oldest_wait > patience + 50ms) {
      proxy_.schedule_.fail("I6: in " + name + " a client has waited for " +
                            std::to_string(micros(pool.oldest_wait)) + " us, longer than query_wait_timeout");
    }
  }
}

// ---- all of it ----

SimProxy::SimProxy(Schedule& schedule, SimNet& net, SimPostgres& postgres, Checks& checks,
                   const Scenario& scenario)
    : schedule_(schedule),
      net_(net),
      postgres_(postgres),
      checks_(checks),
      scenario_(scenario),
      random_(schedule.random().fork()) {
  for (int i = 0; i < scenario.settings->workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, WorkerId{static_cast<std::uint32_t>(i)},
                                                "the secret of the process"));
  }
  control_ = std::make_unique<Control>(*this);
  for (const auto& worker : workers_) worker->arm_timer();
  control_->arm_timer();
}

SimProxy::~SimProxy() = default;

Duration SimProxy::mail_delay() { return random_.up_to(scenario_.mail_latency); }

SocketId SimProxy::connect(SocketUser* client) {
  const auto [theirs, ours] = net_.connect(LinkKind::client, client, nullptr);
  std::size_t index = random_.below(workers_.size());
  if (scenario_.drift > 0ms && random_.chance(900))
    index = static_cast<std::size_t>(schedule_.now().time_since_epoch() / scenario_.drift) % workers_.size();
  Worker* const worker = workers_[index].get();
  schedule_.after(random_.up_to(scenario_.weather.latency),
                  [worker, socket = ours] { worker->add(Worker::Accepted{socket}); });
  return theirs;
}

void SimProxy::reload(std::shared_ptr<const Settings> settings) { control_->reload(std::move(settings)); }

bool SimProxy::mail_under_way() const {
  return control_->mail_waits() || std::any_of(workers_.begin(), workers_.end(),
                                               [](const auto& worker) { return worker->mail_waits(); });
}

void SimProxy::drain() { control_->drain(); }

bool SimProxy::drained() const {
  return control_->drained() && std::all_of(workers_.begin(), workers_.end(),
                                            [](const auto& worker) { return worker->core().drained(); });
}

// Also while nothing happens: a deadline that is never set makes no event.
void SimProxy::inspect() {
  const Duration patience = scenario_.settings->pool.query_wait_timeout;
  std::map<std::pair<std::string, std::string>, int> slots;
  std::set<std::pair<std::string, std::string>> listening;
  for (const auto& worker : workers_) {
    const WorkerSnapshot snapshot = worker->core().snapshot({.connections = true});
    for (const ServerSnapshot& server : snapshot.servers) {
      if (server.application_name == listener_name && server.backend_pid != 0 &&
          !listening.emplace(server.database, postgres_.encoding_of(server.backend_pid)).second)
        schedule_.fail("I3: database " + server.database + " has more than one listening connection");
      if (server.link == 0 || !worker->quiet() || !postgres_.at_rest(server.backend_pid)) {
        at_rest_.erase(server.backend_pid);
        continue;
      }
      // A client may be in the middle of a batch of which the proxy has answered all so far.
      AtRest& rest = at_rest_[server.backend_pid];
      if (rest.requested != server.requested) rest = {server.requested, schedule_.now()};
      if (schedule_.now() - rest.since > patience_at_rest) {
        schedule_.fail("I6: a client keeps server " + std::to_string(server.backend_pid) +
                       ", which is at rest");
      }
    }
    for (const PoolSnapshot& pool : snapshot.pools) {
      slots[{pool.database, pool.user}] += pool.slots;
      if (patience > 0ms && pool.oldest_wait > patience + 100ms) {
        schedule_.fail("I6: in " + pool.database + "/" + pool.user +
                       " a client has waited longer than query_wait_timeout");
      }
    }
  }
  checks_.slots_held(slots, !mail_under_way());
}

std::string SimProxy::leftovers() const {
  for (const auto& worker : workers_) {
    const WorkerSnapshot snapshot = worker->core().snapshot({.connections = true});
    const std::string name = "worker " + std::to_string(snapshot.worker.value);
    if (!snapshot.clients.empty())
      return name + " still has " + std::to_string(snapshot.clients.size()) + " clients";
    if (snapshot.login_clients > 0) return name + " still has clients that log in";
    for (const PoolSnapshot& pool : snapshot.pools) {
      if (pool.counts.sv_active + pool.counts.sv_tested + pool.counts.sv_being_canceled +
              pool.counts.sv_active_cancel >
          0)
        return name + " still has busy servers in " + pool.database + "/" + pool.user;
    }
    if (const std::size_t chunks = worker->core().chunks().in_use(); chunks > 0) {
      return name + " still has " + std::to_string(chunks) + " chunks in use";
    }
  }
  return {};
}

std::string SimProxy::where() const {
  std::string text;
  for (const auto& worker : workers_) {
    const WorkerSnapshot snapshot = worker->core().snapshot({.connections = true});
    for (const PoolSnapshot& pool : snapshot.pools) {
      const PoolCounts& counts = pool.counts;
      text += "  worker " + std::to_string(snapshot.worker.value) + " pool " + pool.database + "/" +
              pool.user + ": slots " + std::to_string(pool.slots) + ", clients active " +
              std::to_string(counts.cl_active) + " waiting " + std::to_string(counts.cl_waiting) +
              ", servers active " + std::to_string(counts.sv_active) + " idle " +
              std::to_string(counts.sv_idle) + " login " + std::to_string(counts.sv_login) + " tested " +
              std::to_string(counts.sv_tested) + " being canceled " +
              std::to_string(counts.sv_being_canceled) + "\n";
    }
    text += "  worker " + std::to_string(snapshot.worker.value) + ": " +
            std::to_string(snapshot.clients.size()) + " clients, " + std::to_string(snapshot.servers.size()) +
            " servers\n";
  }
  return text;
}

}  // namespace pgweir::sim
