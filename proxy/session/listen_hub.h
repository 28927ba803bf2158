#pragma once
// LISTEN without a pin: who of a pool listens where, and the shared connection that listens for all of them.
//
// A client LISTENs on its server. At rest, when the server has told what it listens to, the client is taken
// in here (`want`); the shared connection LISTENs as well; when that is confirmed (`ready`) the two streams
// of notifications are brought together at one point: the client's server listens to a channel of the hub's
// own and sends a token there. PostgreSQL gives all listeners the same order, so what comes before the token
// is the client's from its server, and what comes behind it from the shared connection: nothing is lost,
// nothing comes twice. Then the server UNLISTENs and is free.
//
// One per pool and worker, made when a client LISTENs first; owned by the PoolEntry.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "pool/time.h"
#include "protocol/bytes.h"
#include "protocol/sql_commands.h"
#include "proxy/session/endpoint.h"

namespace pgweir {

class ClientSession;
class ListenerSession;
class WorkerEngine;
struct PoolEntry;

class ListenHub {
 public:
  ListenHub(WorkerEngine& engine, PoolEntry& pool);

  // ---- from servers ----
  // The channels that the client's server, at `host`, listens to now. False when they cannot be served here
  // (too many, or the client has another encoding than the shared connection): then it keeps its server.
  bool want(ClientSession& client, const std::set<std::string>& channels, const Endpoint& host);
  // The shared connection listens to all that the client wants.
  bool ready(const ClientSession& client) const;
  // Nothing has been confirmed for a while: there is no shared connection.
  bool up() const;
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

  // ---- from the shared connection ----
  void logged_in();
  // Ready for what is to be listened to, and not any more.
  void query_done();
  void notification(Bytes channel, Bytes payload, Bytes message);
  // It is gone, or of no use; it will be made anew after a pause that grows.
  void lost();

  // ---- from the engine ----
  // Opens and closes the shared connection as needed.
  void service(Instant now);
  Instant deadline() const;
  // The pool leads somewhere else now, or the host has changed its role.
  void reconnect();
  bool connected_to(const Endpoint& host) const;
  bool connected() const { return connection_ != nullptr; }
  bool in_use() const { return connection_ != nullptr || wanted_ > 0; }

 private:
  struct Channel {
    bool confirmed = false;
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
  void dial();
  void ask();
  void wake_waiting();

  WorkerEngine& engine_;
  PoolEntry& pool_;
  std::string own_channel_;
  std::string encoding_;  // of the shared connection
  Endpoint host_;         // where the clients' LISTENs were
  Channels channels_;
  std::size_t wanted_ = 0;                  // channels with clients
  std::set<std::string, std::less<>> due_;  // channels to look at with the next query
  std::vector<ClientSession*> waiting_;     // for confirmations
  std::map<std::uint64_t, Move> moves_;
  std::uint64_t last_move_ = 0;
  std::set<std::uint64_t> lost_tokens_;  // of moves; the shared connection was made anew meanwhile

  ListenerSession* connection_ = nullptr;
  bool usable_ = false;  // logged in
  bool asking_ = false;
  bool own_confirmed_ = false;
  std::vector<std::string> listening_, unlistening_;  // by the query that runs
  Instant again_{};
  int failures_ = 0;
};

}  // namespace pgweir
