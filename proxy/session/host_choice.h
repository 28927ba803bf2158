#pragma once
// Which host of a pool is tried next: their order, which of them failed lately, and what each was last seen
// to be. Pure; belongs to one pool of one worker.

#include <string>
#include <vector>

#include "admin/settings.h"
#include "pool/time.h"
#include "proxy/session/endpoint.h"
#include "proxy/session/server_role.h"

namespace pgweir {

// One attempt to get a server connection: host after host, until one can be used or the time is over.
class DialRound {
 public:
  // `hosts` is not empty. At `deadline` the attempt is over; `never`: the time is not limited.
  DialRound(std::vector<Endpoint> hosts, SessionAttrs wanted, Instant deadline)
      : hosts_(std::move(hosts)), wanted_(wanted), deadline_(deadline) {}

  const Endpoint& host() const { return hosts_[at_]; }
  // When the present host's share of the time is over.
  Instant host_deadline(Instant now) const;
  // Whether the present host is to be used, which is what `role` says. A standby is preferred only as long
  // as another host may be one.
  bool takes(ServerRole role) const;

  // The present host could not be used: it failed, with `error`, or is something else than what is wanted.
  void failed(Bytes error);
  void misfit(ServerRole role);
  // The next host is the present one; false when none is left, or no time.
  bool next(Instant now);

  int tried() const { return tried_; }
  bool found_misfit() const { return found_misfit_; }
  // Every host that was tried, and why it was not used.
  const std::string& failures() const { return failures_; }

 private:
  void note(Bytes text);

  std::vector<Endpoint> hosts_;
  std::vector<Endpoint> second_choice_;  // answered, and no standbys
  SessionAttrs wanted_;
  Instant deadline_;
  std::size_t at_ = 0;
  int tried_ = 0;
  bool second_pass_ = false;
  bool found_misfit_ = false;
  std::string failures_;
};

class HostChoice {
 public:
  // For how long a host's role is believed, where it is a reason to try others first.
  static constexpr Duration role_memory = std::chrono::seconds(30);

  // What is known of hosts that stay is kept.
  void configure(const std::vector<Endpoint>& hosts, SessionAttrs wanted, LoadBalanceHosts balance);

  SessionAttrs wanted() const { return wanted_; }
  // Whether the roles of hosts matter.
  bool asks_role() const { return wanted_ != SessionAttrs::any; }

  // The hosts in the order in which they are to be tried now. Counts as one turn of the round robin.
  DialRound round(Instant now, Instant deadline);

  // It failed: for `rest`, and longer each time, the others come first.
  void failed(const Endpoint& host, Instant now, Duration rest);
  // Somebody has logged in there. False when open connections to this host are of no use any more.
  bool seen(const Endpoint& host, ServerRole role, Instant now);
  // As far as is known.
  bool fits(const Endpoint& host) const;

 private:
  struct Host {
    Endpoint endpoint;
    Instant rests_until{};
    int failures = 0;  // in a row
    ServerRole role = ServerRole::unknown;
    Instant role_seen{};
  };

  Host* find(const Endpoint& endpoint);
  // The lower, the sooner it is tried.
  int rank(const Host& host, Instant now) const;

  std::vector<Host> hosts_;
  SessionAttrs wanted_ = SessionAttrs::any;
  LoadBalanceHosts balance_ = LoadBalanceHosts::disable;
  std::size_t turn_ = 0;
};

}  // namespace pgweir
