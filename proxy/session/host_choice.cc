#include "proxy/session/host_choice.h"

#include <algorithm>

namespace pgweir {

namespace {

// Of what one host said; there may be many hosts.
constexpr std::size_t longest_failure = 300;
// How often the rest of a host that fails again and again is doubled.
constexpr int most_doublings = 3;

}  // namespace

// ---- one round ----

Instant DialRound::host_deadline(Instant now) const {
  if (deadline_ == never) return never;
  const auto left = static_cast<Duration::rep>(hosts_.size() - at_);
  return now + std::max(deadline_ - now, Duration::zero()) / left;
}

bool DialRound::takes(ServerRole role) const {
  if (wanted_ != SessionAttrs::prefer_standby) return fits(wanted_, role);
  return second_pass_ || role == ServerRole::standby || at_ + 1 == hosts_.size();
}

void DialRound::note(Bytes text) {
  ++tried_;
  if (!failures_.empty()) failures_ += "; ";
  failures_ += host().name() + ": ";
  failures_ += text.substr(0, longest_failure);
}

void DialRound::failed(Bytes error) { note(error); }

void DialRound::misfit(ServerRole role) {
  note(describe(role));
  found_misfit_ = true;
  if (wanted_ == SessionAttrs::prefer_standby) second_choice_.push_back(host());
}

bool DialRound::next(Instant now) {
  if (now >= deadline_) return false;
  if (++at_ < hosts_.size()) return true;
  if (second_choice_.empty()) return false;
  hosts_ = std::exchange(second_choice_, {});
  at_ = 0;
  second_pass_ = true;
  return true;
}

// ---- all rounds ----

void HostChoice::configure(const std::vector<Endpoint>& hosts, SessionAttrs wanted,
                           LoadBalanceHosts balance) {
  wanted_ = wanted;
  balance_ = balance;
  std::vector<Host> known = std::exchange(hosts_, {});
  for (const Endpoint& endpoint : hosts) {
    const auto same = [&](const Host& host) { return host.endpoint == endpoint; };
    const auto found = std::find_if(known.begin(), known.end(), same);
    hosts_.push_back(found == known.end() ? Host{.endpoint = endpoint} : *found);
  }
}

int HostChoice::rank(const Host& host, Instant now) const {
  if (now < host.rests_until) return 2;
  if (host.role == ServerRole::unknown || now - host.role_seen >= role_memory) return 0;
  const bool wanted = wanted_ == SessionAttrs::prefer_standby ? host.role == ServerRole::standby
                                                              : pgweir::fits(wanted_, host.role);
  return wanted ? 0 : 1;
}

DialRound HostChoice::round(Instant now, Instant deadline) {
  std::vector<const Host*> order;
  const std::size_t first = balance_ == LoadBalanceHosts::round_robin ? turn_++ : 0;
  for (std::size_t i = 0; i < hosts_.size(); ++i) order.push_back(&hosts_[(first + i) % hosts_.size()]);
  std::stable_sort(order.begin(), order.end(),
                   [&](const Host* a, const Host* b) { return rank(*a, now) < rank(*b, now); });
  std::vector<Endpoint> endpoints;
  for (const Host* host : order) endpoints.push_back(host->endpoint);
  return {std::move(endpoints), wanted_, deadline};
}

HostChoice::Host* HostChoice::find(const Endpoint& endpoint) {
  const auto found =
      std::find_if(hosts_.begin(), hosts_.end(), [&](const Host& host) { return host.endpoint == endpoint; });
  return found == hosts_.end() ? nullptr : &*found;
}

void HostChoice::failed(const Endpoint& endpoint, Instant now, Duration rest) {
  Host* const host = find(endpoint);
  // Attempts that were under way together fail together: that is one failure.
  if (host == nullptr || now < host->rests_until) return;
  host->rests_until = now + rest * (1 << std::min(host->failures, most_doublings));
  ++host->failures;
}

bool HostChoice::seen(const Endpoint& endpoint, ServerRole role, Instant now) {
  Host* const host = find(endpoint);
  if (host == nullptr) return true;
  host->rests_until = Instant{};
  host->failures = 0;
  host->role = role;
  host->role_seen = now;
  return pgweir::fits(wanted_, role);
}

bool HostChoice::fits(const Endpoint& endpoint) const {
  const auto found =
      std::find_if(hosts_.begin(), hosts_.end(), [&](const Host& host) { return host.endpoint == endpoint; });
  return found == hosts_.end() || pgweir::fits(wanted_, found->role);
}

}  // namespace pgweir
