#pragma once
// The listening connection that all clients of a database share, of all users and all workers: who wants it
// to listen where, and how it is opened, kept and made anew.
//
// It knows no clients, but the ListenHubs of pools that have clients which LISTEN, and talks with them by
// mail only, also with those of its own worker, so that an answer never comes in the middle of a question.
// Mail keeps its order, and that is what everything rests on:
//  - A hub numbers its wishes. `confirmed` with a number says that the connection listens to all that the
//    hub has asked for up to that wish. What the hub asked for later is none of it, also if it is a channel
//    that the hub had left before.
//  - A hub gets the notifications in the order in which PostgreSQL sent them, and `lost` between those of
//    one connection and those of the next. So what comes behind `lost` is of a connection that has been
//    made since, and nothing needs the number of a connection.
//
// One for each database and client_encoding. It lives on the worker that ListenDesk names; owned by that
// worker's ListenDesk, from the first wish until no hub is left. All calls come from that worker's thread.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pool/time.h"
#include "protocol/bytes.h"
#include "proxy/session/mail.h"

namespace pgweir {

class ListenDesk;
class ListenerSession;
class WorkerEngine;

class SharedListener {
 public:
  // `number` is another one for each that the desk has ever had.
  SharedListener(WorkerEngine& engine, ListenDesk& desk, ListenerName name, std::uint64_t number);

  const ListenerName& name() const { return name_; }
  std::uint64_t number() const { return number_; }

  // ---- from hubs ----
  void wish(ListenWish& wish);
  // A worker has come so far with what was sent to it.
  void pace_kept();

  // ---- from its connection ----
  void logged_in();
  // Ready for what is to be listened to, and not any more.
  void query_done();
  // `message`: all of it, as it came.
  void notification(Bytes channel, Bytes message);
  // It is gone; it will be made anew after a pause that grows. `login_refused`: somebody else may be let in.
  void lost(bool login_refused = false);

  // ---- from the desk ----
  // Opens and closes the connection as needed.
  void service(Instant now);
  Instant deadline() const;
  void reconnect();
  bool connected() const { return connection_ != nullptr; }
  bool wanted() const { return !hubs_.empty(); }

 private:
  struct Hub {
    std::shared_ptr<const ServerAccess> access;
    // Numbers of its wishes: the last one; those up to this are in the query that runs, or done; are
    // confirmed.
    std::uint64_t heard = 0, asked = 0, told = 0;
  };
  struct Channel {
    bool confirmed = false;
    std::vector<HubName> hubs;
  };

  void subscribe(const HubName& hub, const std::string& channel);
  void unsubscribe(const HubName& hub, const std::string& channel);
  void take_access(const HubName& hub, std::shared_ptr<const ServerAccess> access);
  void dial();
  void ask();
  void confirm();
  bool next_login();
  void keep_pace();

  WorkerEngine& engine_;
  ListenDesk& desk_;
  const ListenerName name_;
  const std::uint64_t number_;
  std::map<HubName, Hub> hubs_;
  std::map<std::string, Channel, std::less<>> channels_;
  std::set<std::string, std::less<>> due_;                     // channels to look at with the next query
  std::vector<std::pair<std::string, std::uint64_t>> tokens_;  // to be sent, and on which channel

  Endpoint host_;      // where the clients' LISTENs were
  int host_turn_ = 0;  // so many behind that one is the host of the next login
  HubName login_;      // of its pool the next login is
  ListenerSession* connection_ = nullptr;
  std::shared_ptr<const ServerAccess> access_;  // of the connection
  bool usable_ = false;                         // logged in
  bool asking_ = false;
  std::vector<std::string> listening_;  // by the query that runs
  Instant again_{};
  int failures_ = 0;

  std::vector<std::size_t> ahead_;  // bytes to each worker since it was last asked how far it is
  int paces_ = 0;                   // such questions under way
};

}  // namespace pgweir
