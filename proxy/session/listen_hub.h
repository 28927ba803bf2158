#pragma once
// LISTEN without a pin: who of a pool listens where, and how that gets to the connection which listens for
// all clients of the database, of all pools and workers (shared_listener.h).
//
// A client LISTENs on its server. At rest, when the server has told what it listens to, the client is taken
// in here (`want`); the shared connection LISTENs as well; when that is confirmed (`ready`) the two streams
// of notifications are brought together at one point: the client's server listens to a channel of the hub's
// own and sends a token there. PostgreSQL gives all listeners the same order, so what comes before the token
// is the client's from its server, and what comes behind it from the shared connection: nothing is lost,
// nothing comes twice. Then the server UNLISTENs and is free.
//
// The shared connection is elsewhere, most likely on another worker: it is told what has changed by one mail
// at the end of a turn, a wish, and what it says comes by mail, in order. Each channel keeps the number of
// the wish that asked for it, and counts as listened to when that one is confirmed: a confirmation that was
// on its way when the channel was left and wanted again is none for it.
//
// One per pool and worker, made when a client LISTENs first; owned by the PoolEntry.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pool/time.h"
#include "protocol/bytes.h"
#include "protocol/sql_commands.h"
#include "proxy/session/endpoint.h"
#include "proxy/session/mail.h"

namespace pgweir {

class ClientSession;
class WorkerEngine;
struct PoolEntry;

class ListenHub {
 public:
  ListenHub(WorkerEngine& engine, PoolEntry& pool);
  ~ListenHub();
  ListenHub(const ListenHub&) = delete;
  ListenHub& operator=(const ListenHub&) = delete;

  // ---- from servers ----
  // The channels that the client's server, at `host`, listens to now. False when they cannot be served here
  // (too many, or the client has another encoding than those that listen already): then it keeps its server.
  bool want(ClientSession& client, const std::set<std::string>& channels, const Endpoint& host);
  // The shared connection listens to all that the client wants.
  bool ready(const ClientSession& client) const;
  // There is a shared connection, as far as is known.
  bool up() const { return joined_ && own_asked_ <= confirmed_; }
  // The hand-over of what the client wants begins; its number, also as a payload, is the token. 0: the client
  // has all of it already.
  std::uint64_t begin_move(ClientSession& client);
  // The client's server has given the token.
  void passed(std::uint64_t move);
  const std::string& own_channel() const { return own_channel_; }

  // ---- from clients ----
  // UNLISTENs that took effect. What the client's server listens to, `kept`, was listened to anew.
  void unlisten(ClientSession& client, const std::vector<ListenStatement>& statements,
                const std::set<std::string>& kept);
  void forget(ClientSession& client);

  // ---- from the shared connection, by mail ----
  // It listens to all that was asked for up to this wish.
  void confirmed(std::uint64_t wish);
  void notification(Bytes message);
  // It listens to nothing; another one will be made.
  void lost();

  // ---- from the engine ----
  // Tells the shared connection what has changed.
  void service();
  // The pool leads somewhere else now, or logs in as somebody else.
  void access_changed();
  // A host has become something else.
  void host_changed(const Endpoint& host);
  bool in_use() const { return joined_ || wanted_ > 0; }

 private:
  struct Channel {
    std::uint64_t asked = 0;  // the wish that asked for it; 0: none yet
    std::vector<ClientSession*> clients;
  };
  struct Move {
    ClientSession* client = nullptr;
    bool passed = false;  // by the client's server
    bool token = false;   // has come by the shared connection
  };
  using Channels = std::map<std::string, Channel, std::less<>>;

  void subscribe(ClientSession& client, const std::string& channel);
  void unsubscribe(ClientSession& client, const std::string& channel);
  void token_seen(std::uint64_t move);
  void settle(std::uint64_t move);
  void leave();
  void wake_waiting();

  WorkerEngine& engine_;
  PoolEntry& pool_;
  const HubName name_;
  const std::string own_channel_;
  std::string encoding_;  // of the clients that listen
  Channels channels_;
  std::size_t wanted_ = 0;               // channels with clients
  std::vector<ClientSession*> waiting_;  // for confirmations
  std::map<std::uint64_t, Move> moves_;
  std::uint64_t last_move_ = 0;
  std::set<std::uint64_t> lost_tokens_;  // of moves; the shared connection was lost meanwhile

  // What the next wish says.
  std::set<std::string, std::less<>> due_;  // channels to look at
  std::optional<Endpoint> host_, changed_host_;
  bool access_due_ = false;

  bool joined_ = false;  // the shared connection knows of this hub
  std::uint64_t wishes_ = 0, own_asked_ = 0;
  std::uint64_t confirmed_ = 0;  // up to this wish; 0: nothing
};

}  // namespace pgweir
