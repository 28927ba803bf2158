#pragma once
// What must hold in every run, beyond what a client sees in its own replies. The parts of the world report
// facts; the first one that cannot be ends the run. Numbers are those of tests/sim/README.md.

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "tests/sim/schedule.h"
#include "tests/sim/toy_session.h"

namespace pgweir::sim {

// Most server connections at a time; 0 for no limit.
struct ConnectionLimits {
  std::map<std::string, int> pool;  // by database: size and reserve together
  int database = 0;
  int user = 0;
};

class Checks {
 public:
  Checks(Schedule& schedule, const ConnectionLimits& limits)
      : schedule_(schedule), limits_(limits), wanted_limits_(limits) {}

  // I3: a server connection has logged in; how many there are now, itself included.
  void server_logged_in(const std::string& database, const std::string& user, int of_pool, int of_database,
                        int of_user);

  // The proxy has been given other limits. A pool that has more than that keeps it until it can let go, but
  // does not grow.
  void limits_changed(const ConnectionLimits& limits);
  // I3: the workers hold so many slots for their pools, by database and user. `all`: none is under way.
  void slots_held(const std::map<std::pair<std::string, std::string>, int>& slots, bool all);
  // A pool still has more slots than it should, or an empty string.
  std::string over_limit() const;

  // Who a client is now: serials from `first_serial` on belong to its present session.
  void session_began(int client, int first_serial);
  void session_ended(int client);
  // The proxy cancels what is past a time limit: only its clients' errors tell whose it was.
  void expect_limits() { limits_expected_ = true; }
  // The client has asked for a cancel, with the right key.
  void cancel_sent(int client);
  // I7: a cancel has reached this running statement.
  void cancel_hit(Owner owner);
  // Whether a cancel that the client asked for may still reach one of its statements.
  bool cancel_pending(int client) const;

  // I12: somebody has committed a NOTIFY; payloads are not used twice.
  void notified(const std::string& database, const std::string& channel, const std::string& payload);
  // How many there were on this channel so far, and the place of one of them; nothing when it was never sent.
  std::size_t notifications(const std::string& database, const std::string& channel) const;
  std::optional<std::size_t> notification(const std::string& database, const std::string& channel,
                                          const std::string& payload) const;

  // How much happened, so that a run that explored nothing is noticed.
  struct Counts {
    std::uint64_t sessions = 0, transactions = 0, rows = 0, refusals = 0, cancels = 0, faults = 0,
                  lost_sessions = 0;
    std::uint64_t limits = 0, limit_ends = 0;  // statements and sessions that time limits have ended
    std::uint64_t notifications = 0;
    std::uint64_t units = 0, logins_refused = 0, servers_moved = 0, reloads = 0;
  };
  Counts counts;

 private:
  struct Client {
    int first_serial = 0;
    bool connected = false;
    int cancels_sent = 0, cancels_hit = 0;
  };

  void need(bool good, const std::string& reason) {
    if (!good) schedule_.fail(reason);
  }

  Schedule& schedule_;
  ConnectionLimits limits_;         // in force
  ConnectionLimits wanted_limits_;  // what the latest settings say
  std::map<int, Client> clients_;
  bool limits_expected_ = false;
  // By database and channel: payloads with their places in the order of their commits.
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::size_t>> notifications_;
};

}  // namespace pgweir::sim
