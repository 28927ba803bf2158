#pragma once
// What threads say to each other. Mail is the only way in which one thread's doing reaches another: a value,
// moved into the receiver's mailbox, delivered in the order in which one sender sent it.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "admin/autopilot_plan.h"
#include "admin/command.h"
#include "admin/metrics/metrics_facts.h"
#include "admin/settings.h"
#include "pool/gates.h"
#include "pool/host_limits.h"
#include "pool/ids.h"
#include "pool/route.h"
#include "pool/snapshot.h"
#include "pool/time.h"
#include "pool/trace.h"
#include "protocol/scram.h"
#include "protocol/server_statements.h"
#include "proxy/session/endpoint.h"
#include "proxy/session/server_access.h"
#include "proxy/session/tls.h"

namespace pgweir {

class TlsChannel;
class TlsContexts;

// A connection on its way between workers: a descriptor, whose owner is whoever holds the mail, and its
// encryption.
struct Transport {
  std::int64_t handle = -1;
  std::shared_ptr<TlsChannel> tls{};
  std::shared_ptr<const TlsInfo> tls_info{};
};

// ---- to a worker ----

// A client that belongs to a pool of the receiver; `received` is all it has sent so far.
struct AdoptClient {
  Transport transport;
  PeerAddress peer;
  Instant connected;
  std::string received;
};

// An idle server connection that moves with its slot to a worker whose clients wait.
struct AdoptServer {
  WorkerId from{};
  Route route;
  Transport transport;
  PeerAddress peer;
  Endpoint endpoint;  // as the settings name it
  Instant connected;
  Instant used;  // by its last client, or when it had logged in
  std::int32_t backend_pid = 0;
  std::string cancel_secret;
  std::string target;     // where it leads and as whom, see ServerTarget::key
  std::uint64_t age = 0;  // see Gates::age
  std::vector<std::pair<std::string, std::string>> parameters;  // as they are now
  std::vector<std::pair<std::string, std::string>> settings;    // set in the session beside these
  std::vector<PackedStatement> statements;                      // prepared
  std::vector<std::pair<std::string, std::string>> welcome;     // as servers of the pool report them at login
};

struct SlotsGranted {
  Route route;
  int slots = 0;
};

// Another worker's client has been waiting since `since`: give back an idle slot as soon as no client of the
// receiver has waited longer. `to` says where a slot of the same pool goes, with its server.
struct SlotRecalled {
  Route route;
  Instant since;
  bool same_pool = false;
  WorkerId to;
  bool even = false;  // see SlotRecall
};

struct ClientSlotsGranted {
  int slots = 0;   // may be 0: there are none left
  int in_use = 0;  // of all workers, for the error text
};

// Whether a client may come in, under the limits of its database and its user.
struct ClientAdmitted {
  enum class Full : std::uint8_t { none, database, user };
  ConnId client;
  Route route;
  Full full = Full::none;  // which limit refuses it
  int limit = 0, in_use = 0;
};

// To the worker in the key's pid. The asker's connection stays open until the answer, CancelHandled, says
// that the cancel is bound to what its client was running: what that client asks later is not hit by it.
struct CancelByKey {
  // The low bits of the pid that name the worker.
  static constexpr std::uint32_t worker_mask = 63;
  WorkerId owner() const { return WorkerId{pid & worker_mask}; }

  std::uint32_t pid = 0;
  std::string secret;
  WorkerId from;
  ConnId asker;
  // Not 0: the asker's connection is with the process that has taken over from this one, which calls it so.
  std::uint64_t foreign = 0;
};

struct CancelHandled {
  ConnId asker;
};

struct NewSettings {
  std::shared_ptr<const Settings> settings;
  std::shared_ptr<const TlsContexts> tls{};  // the host's, from the same settings; null: as they were
};

// A client proved that it knows the password behind this verifier, and so told us the key to log in with.
struct KeysLearned {
  std::string user;
  ScramVerifier verifier;
  Digest client_key;
};

struct SnapshotAsked {
  std::uint64_t ticket = 0;
  SnapshotParts parts;
};

struct ConsoleAnswered {
  ConnId client;
  std::string bytes;
  bool close = false;
};

// Something that the operator has ordered on the console; answered by OrderDone, at once or when it is so.
struct OrderGiven {
  enum class Act : std::uint8_t {
    learn,        // nothing but the gates
    kill,         // close clients and servers
    kill_client,  // close the one with this id
    await_closed,
    await_renewed,  // no server is left that is to be closed
    await_flushed,  // all that was read has been written
  };
  std::uint64_t ticket = 0;
  Act act = Act::learn;
  std::shared_ptr<const Gates> gates;  // from now on
  std::string database;                // empty: all
  std::uint64_t connection = 0;
};

// Nobody waits for it any more.
struct OrderForgotten {
  std::uint64_t ticket = 0;
};

// How clients are made to leave.
enum class DrainMode : std::uint8_t {
  transactions,  // each when its transaction is over
  servers,       // and those that wait for a server at once
  clients,       // each when it wants to
};

struct Drain {
  DrainMode mode = DrainMode::transactions;
  // Another process has the listening sockets: no client comes any more, and none may be refused that came
  // before.
  bool handed_over = false;
  std::uint32_t round = 0;  // for the answer
};

// ---- LISTEN, between workers and within one: see shared_listener.h ----

// The connection that listens for all clients of a database with this client_encoding.
struct ListenerName {
  std::string database, encoding;
  friend auto operator<=>(const ListenerName&, const ListenerName&) = default;
};

// What a pool of a worker has that LISTENs. No hub has the number 0.
struct HubName {
  WorkerId worker;
  std::uint64_t number = 0;
  friend auto operator<=>(const HubName&, const HubName&) = default;
};

// To a listening connection: what has changed for a hub.
struct ListenWish {
  ListenerName listener;
  HubName from;
  std::uint64_t number = 0;                       // 1 and so on; other than those before
  bool leaves = false;                            // all it has asked for is over, and it says no more
  std::shared_ptr<const ServerAccess> access{};   // where its pool leads: at first, and when it changes
  std::optional<Endpoint> host{};                 // where clients have LISTENed
  std::optional<Endpoint> changed{};              // a host that has become something else
  std::vector<std::string> listen{}, unlisten{};  // channels
  std::string own_channel{};                      // of the hub
  std::vector<std::uint64_t> tokens{};            // to be sent there
  bool empty() const {
    return !leaves && !access && !host && !changed && listen.empty() && unlisten.empty() && tokens.empty();
  }
};

// To a hub, from the listening connection.
struct ListenTold {
  enum class What : std::uint8_t {
    confirmed,  // it listens to what was asked for up to `wish`
    notified,
    lost,  // it listens to nothing: another one will
  };
  std::uint64_t hub = 0;
  What what = What::confirmed;
  std::uint64_t wish = 0;
  std::shared_ptr<const std::string> message{};  // NotificationResponse
};

// To a worker and back: all that was mailed to it before has been taken.
struct ListenPace {
  ListenerName listener;
  std::uint64_t number = 0;  // of the SharedListener
  bool kept = false;         // on its way back
};

using WorkerMail =
    std::variant<AdoptClient, AdoptServer, SlotsGranted, SlotRecalled, ClientSlotsGranted, ClientAdmitted,
                 CancelByKey, CancelHandled, NewSettings, KeysLearned, SnapshotAsked, ConsoleAnswered,
                 OrderGiven, OrderForgotten, Drain, ListenWish, ListenTold, ListenPace>;

// ---- to the control thread ----

// `wanted` is how many more slots the worker could use now; its oldest client waits since `since`; `reserve`
// says that this is longer than reserve_pool_timeout.
struct SlotsWanted {
  WorkerId worker;
  Route route;
  int wanted = 0;
  Instant since;
  bool reserve = false;
};

struct SlotsReturned {
  WorkerId worker;
  Route route;
  int slots = 0;
};

// A slot went, with its server, from one worker to another after a recall. The receiver says so: only then it
// is sure which of his wishes it fulfilled, the one that he made before or the next one.
struct SlotMoved {
  WorkerId from, to;
  Route route;
};

struct ClientSlotsWanted {
  WorkerId worker;
  int slots = 0;
};

struct ClientSlotsReturned {
  WorkerId worker;
  int slots = 0;
};

// A client of this route has logged in, where a limit is set for clients of its database or user.
struct ClientArrived {
  WorkerId worker;
  ConnId client;
  Route route;
};

// Clients that were there before such a limit was set: they are counted now, and stay.
struct ClientsCounted {
  Route route;
  int clients = 0;
};

// A client that was admitted or counted is gone.
struct ClientLeft {
  Route route;
};

struct ConsoleAsked {
  WorkerId worker;
  ConnId client;
  std::string user;
  ConsolePrivilege rights = ConsolePrivilege::none;
  std::string query;
};

// Of the thread that serves metrics.
struct MetricsAsked {
  SnapshotParts parts;
  MetricsReply reply;
};

// Its client has cancelled its command that is being done, or is gone.
struct ConsoleGaveUp {
  WorkerId worker;
  ConnId client;
  bool cancelled = false;
};

struct OrderDone {
  std::uint64_t ticket = 0;
  bool found = false;  // the client to be killed
};

struct SnapshotCut {
  std::uint64_t ticket = 0;
  WorkerSnapshot snapshot;
};

// A minute of a pool has passed. This worker's part of its trace, with the numbers of classes as in
// TraceRecorder, and of the minutes whose virtual demand has become final with it: this one when nobody
// waited, else those of a minute or two ago.
struct MinutePassed {
  Route route;
  TraceSegment segment;
  std::vector<std::uint64_t> classes;
  std::vector<WindowRef> minutes;
};

// What this worker saw of a host, where there are several workers.
struct HostMinutePassed {
  std::string host;
  HostPart part;
};

// What a host says of its connections.
struct HostLimitsSeen {
  std::string host;
  HostLimits limits;
};

// What was answered in the background. With a change there are no bytes yet: the control thread makes the
// change and answers.
struct ConsoleComputed {
  WorkerId worker;
  ConsoleAnswered answer;
  std::optional<SizeChange> change{};
  std::string user{};  // who asked for it
};

// What the autopilot has found to do, in the background.
struct AutopilotPlanned {
  std::vector<AutopilotPlan> plans;
};

// All applications have left this worker.
struct Drained {
  WorkerId worker;
  std::uint32_t round = 0;  // of the Drain
};

// A cancel whose key is none of this process's: its predecessor, which still serves clients, may know it.
struct CancelUnknown {
  CancelByKey cancel;
};

// What a foreign CancelByKey asked for is done.
struct ForeignCancelHandled {
  std::uint64_t foreign = 0;
};

using ControlMail =
    std::variant<SlotsWanted, SlotsReturned, SlotMoved, ClientSlotsWanted, ClientSlotsReturned, ClientArrived,
                 ClientsCounted, ClientLeft, ConsoleAsked, ConsoleGaveUp, OrderDone, SnapshotCut,
                 ConsoleComputed, AutopilotPlanned, MinutePassed, HostMinutePassed, HostLimitsSeen, Drained,
                 CancelUnknown, ForeignCancelHandled, KeysLearned, MetricsAsked>;

}  // namespace pgweir
