#pragma once
// The inside of WorkerCore: what the sessions of one worker share. It owns the connections and the pools,
// keeps time, and joins clients with servers. Nothing outside proxy/session/ includes this.

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "pool/host_meter.h"
#include "protocol/statement_classes.h"
#include "protocol/statements.h"
#include "proxy/session/connection.h"
#include "proxy/session/credentials.h"
#include "proxy/session/host.h"
#include "proxy/session/limits_question.h"
#include "proxy/session/listen_desk.h"
#include "proxy/session/pool_entry.h"
#include "proxy/session/refusal.h"

namespace pgweir {

class ClientLogin;
class ClientSession;
class ListenHub;
class ServerSession;

class WorkerEngine {
 public:
  WorkerEngine(WorkerId id, int workers, Host& host, std::shared_ptr<const Settings> settings,
               std::string process_secret, Instant now);
  ~WorkerEngine();

  // ---- what sessions use ----
  WorkerId id() const { return id_; }
  int workers() const { return workers_; }
  Instant now() const { return now_; }
  Host& host() { return host_; }
  TurnArena& arena() { return arena_; }
  ChunkPool& chunks() { return chunks_; }
  const Settings& settings() const { return *settings_; }
  ParameterCatalog& parameters() { return parameters_; }
  // The empty set.
  const SharedParameters& no_parameters() const { return no_parameters_; }
  StatementCatalog& statements() { return statements_; }
  StatementClasses& statement_classes() { return statement_classes_; }
  // The same in all workers of the process.
  std::uint64_t hash(Bytes text) const { return keyed_hash(hash_key_, text); }
  // Unique in the process.
  std::uint64_t next_statement_id() {
    return ++statement_ids_ * static_cast<std::uint64_t>(workers_) + id_.value;
  }
  Credentials& credentials() { return credentials_; }
  ListenDesk& listening() { return listening_; }
  bool draining() const { return draining_; }
  // Draining, and another process has the listening sockets.
  bool handed_over() const { return handed_over_; }
  const Gates& gates() const { return *gates_; }
  // Whether the server is to be closed as soon as it is free, since the operator said so.
  bool is_outdated(const ServerSession& server) const;
  // A client that has logged in is not read while everything is suspended.
  void stand_still(ClientSession& client);

  // Sends bytes that live in the arena (or for ever), or a copy of others.
  void send(Connection& to, Bytes bytes);
  void send_copy(Connection& to, Bytes bytes);
  // One deadline for each connection; a new one replaces the old.
  void set_timer(Connection& connection, Instant at);
  void set_reading(Connection& connection, bool reading);
  // Closes it, after what is in its outbox; no input reaches it from now on, and it is freed with the turn.
  void end(Connection& connection);
  // Takes it from the host, to be mailed away.
  Transport detach(Connection& connection);
  void adopt(Connection& connection, const Transport& transport);
  // Writes what there is in clear, and encrypts from then on.
  void start_tls(Connection& connection, TlsStart start);
  void on_tls(ConnId id, TlsResult result);
  // Frees a login when the turn ends: it is one of its own calls that found it finished.
  void bury(std::unique_ptr<ClientLogin> login);
  Connection* find(ConnId id) const;
  ClientSession* find_client(ConnId id) const;
  ConnId add(std::unique_ptr<Connection> connection);
  // Of the process's last file descriptors, as many may be with clients that have not logged in yet.
  static constexpr std::size_t most_last_logins = 16;
  void make_room_for(ConnId last);
  // The other side of a link, and the pid of its server.
  struct LogLink {
    std::uint64_t connection = 0;
    std::int32_t backend_pid = 0;
  };
  void log(LogLevel level, char side, const Connection& connection, const Route& route,
           const PeerAddress& peer, std::string text, LogLink link);
  void count(CloseReason reason) { ++closed_[static_cast<std::size_t>(reason)]; }
  void count(Refusal refusal) { ++refused_[static_cast<std::size_t>(refusal)]; }

  // ---- clients ----
  // A client slot under max_client_conn: true when there is one now; else `client` is told later.
  bool take_client_slot(ClientSession& client);
  void give_client_slot();
  // Whether the client may come in, under the limits of its database and user: true at once where there are
  // none; else its login is told later.
  bool admit(ClientSession& client);
  void forget_client_slot_wish(const ClientSession& client);
  // The cancel key of a client that has logged in.
  struct CancelKey {
    std::uint32_t pid = 0;
    std::uint32_t secret = 0;
  };
  CancelKey issue_cancel_key(ConnId client);
  void revoke_cancel_key(const CancelKey& key);
  void cancel_by_key(const CancelByKey& key);
  // Asks for a salted password; the client's login gets it by on_key.
  void derive_key(ConnId asker, const std::string& password, const std::string& salt, int iterations);

  // ---- pools ----
  PoolEntry& pool_of(const Route& route, const DatabaseSettings& database);
  // To be looked at when the turn ends.
  void touch(PoolEntry& pool);
  // A server for this client: at once, or it has entered the queue (its place is set).
  ServerSession* acquire(ClientSession& client);
  // A clean server without a client: to the next waiter, to another worker, back to the idle ones, or closed.
  void give(ServerSession& server);
  // A host could not be used: the next one of the round is dialed. When there is none the attempt has failed;
  // waiting clients are told when there is no hope.
  void dial_failed(ServerSession& server, DialRound round, ErrorText error, bool server_said_no);
  // A host has said what it is. Connections to it that are of no use any more are closed.
  void role_seen(PoolEntry& pool, const Endpoint& host, ServerRole role);
  // What a host says of its connections, see limits_question.h.
  bool limits_due(const PoolEntry& pool);
  void limits_seen(const PoolEntry& pool, HostLimits limits);
  // Who of the pool listens where; made if there is none yet.
  ListenHub& listens_of(PoolEntry& pool);
  // Sees to it that the lists of its limits are looked at in time.
  void arm_limits(PoolEntry& pool);
  // How busy the pool is, for those who wait.
  static std::string crowd(const PoolEntry& pool);

  // ---- inputs, from WorkerCore ----
  void begin_turn(Instant now);
  ConnId on_accept(PeerAddress peer, long descriptors = 0);
  void on_key(std::uint64_t ticket, const Digest& salted_password);
  void on_mail(WorkerMail mail);
  void flush();
  void end_turn();
  Instant next_deadline() const;
  bool drained() const { return drained_; }
  WorkerSnapshot snapshot(const SnapshotParts& parts) const;

 private:
  struct Timer {
    Instant at;
    ConnId connection;
    friend bool operator>(const Timer& a, const Timer& b) { return a.at > b.at; }
  };

  // The first deadline of a list of a pool.
  struct LimitTimer {
    Instant at;
    PoolEntry* pool;
    TimeLimit limit;
    friend bool operator>(const LimitTimer& a, const LimitTimer& b) { return a.at > b.at; }
  };

  // It is not read: everything is suspended but the console and logins.
  bool stands_still(const Connection& connection) const;
  void look_at_limits();
  void return_client_slots(int slots);
  void on_mail(AdoptClient& mail);
  void on_mail(AdoptServer& mail);
  void on_mail(SlotsGranted& mail);
  void on_mail(SlotRecalled& mail);
  void on_mail(ClientSlotsGranted& mail);
  void on_mail(ClientAdmitted& mail);
  void on_mail(CancelByKey& mail);
  void on_mail(CancelHandled& mail);
  void on_mail(NewSettings& mail);
  void on_mail(KeysLearned& mail);
  void on_mail(SnapshotAsked& mail);
  void on_mail(ConsoleAnswered& mail);
  void on_mail(OrderGiven& mail);
  void on_mail(OrderForgotten& mail);
  void on_mail(Drain& mail);
  void on_mail(ListenWish& mail) { listening_.on_mail(mail); }
  void on_mail(ListenTold& mail) { listening_.on_mail(mail); }
  void on_mail(ListenPace& mail) { listening_.on_mail(mail); }

  HostMeter& host_meter(const std::string& host);
  std::vector<const Use*> live_uses(const PoolEntry& pool) const;
  // `last`: there will be no later one.
  void cut_minute(PoolEntry& pool, bool last);
  PoolSnapshot pool_snapshot(const PoolEntry& pool, const SnapshotParts& parts) const;
  void configure(PoolEntry& pool, const DatabaseSettings& database);
  void hand_to_waiter(const Waiter& waiter, ServerSession& server);
  void service(PoolEntry& pool);
  void dial(PoolEntry& pool);
  void dial_host(PoolEntry& pool, DialRound round);
  void refuse_hopeless(PoolEntry& pool);
  void refuse_expired(PoolEntry& pool);
  void refuse_beyond_queue(PoolEntry& pool);
  void count_clients();
  static bool is_useless(const PoolEntry& pool);
  bool answer_recall(PoolEntry& pool, ServerSession* server);
  void close_clients_for_drain();
  // worker_engine_orders.cc
  void learn_gates(std::shared_ptr<const Gates> gates);
  void close_outdated(PoolEntry& pool);
  void kill(const std::string& database);
  bool kill_client(std::uint64_t serial);
  bool is_done(const OrderGiven& order);
  void look_at_orders();
  void give_up_suspending();

  const WorkerId id_;
  const int workers_;
  Host& host_;
  std::shared_ptr<const Settings> settings_;
  Instant now_;

  TurnArena arena_;
  ChunkPool chunks_;
  ParameterCatalog parameters_;
  SharedParameters no_parameters_ = parameters_.intern(Parameters());
  // By the name of the host; they stay as long as the process.
  std::map<std::string, std::unique_ptr<HostMeter>> host_meters_;
  LimitsClock limits_clock_;
  const HashKey hash_key_;
  StatementCatalog statements_;
  StatementClasses statement_classes_;
  std::uint64_t statement_ids_ = 0;
  Credentials credentials_;

  ListenDesk listening_{*this};  // before the pools, whose hubs leave it when they die
  std::map<Route, std::unique_ptr<PoolEntry>> pools_;
  ConnectionTable connections_;  // after the pools, whose deadline lists its clients leave when they die
  std::vector<PoolEntry*> touched_;
  std::vector<Route> useless_;
  std::vector<Connection*> dirty_;
  std::vector<ConnId> ended_;
  std::vector<std::unique_ptr<ClientLogin>> finished_logins_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::priority_queue<LimitTimer, std::vector<LimitTimer>, std::greater<>> limit_timers_;
  Instant pools_deadline_ = never;

  struct KeyHolder {
    std::uint32_t secret;
    ConnId client;
  };
  std::unordered_map<std::uint32_t, KeyHolder> cancel_keys_;  // by pid
  std::unordered_map<std::uint64_t, ConnId> key_askers_;      // by ticket
  std::uint64_t tickets_ = 0;
  std::uint64_t serials_ = 0;

  int client_slots_ = 0;          // granted and not in use
  int client_slots_granted_ = 0;  // and in use
  bool client_slots_asked_ = false;
  std::deque<ConnId> slot_wishes_;
  std::deque<ConnId> last_logins_;  // of clients that came when hardly any descriptors were left

  std::shared_ptr<const Gates> gates_ = std::make_shared<const Gates>();
  std::vector<OrderGiven> orders_;  // those to be answered when they are done
  Instant suspend_until_ = never;   // when those that take nothing are closed

  bool draining_ = false, handed_over_ = false, drained_ = false;
  DrainMode drain_mode_ = DrainMode::transactions;
  std::uint32_t drain_round_ = 0;
  std::array<std::uint64_t, refusals.size()> refused_{};
  std::array<std::uint64_t, close_reasons.size()> closed_{};
};

}  // namespace pgweir
