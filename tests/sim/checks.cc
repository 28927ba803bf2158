#include "tests/sim/checks.h"

#include <algorithm>

namespace pgweir::sim {

void Checks::server_logged_in(const std::string& database, const std::string& user, int of_pool,
                              int of_database, int of_user) {
  const auto pool = limits_.pool.find(database);
  const auto over = [&](const char* what, int count, int limit) {
    need(limit == 0 || count <= limit, "I3: " + std::to_string(count) + " server connections of " + what +
                                           " " + database + "/" + user + ", the limit is " +
                                           std::to_string(limit));
  };
  over("pool", of_pool, pool == limits_.pool.end() ? 0 : pool->second);
  over("database of", of_database, limits_.database);
  over("user of", of_user, limits_.user);
}

void Checks::limits_changed(const ConnectionLimits& limits) {
  ++counts.reloads;
  wanted_limits_ = limits;
  for (const auto& [database, limit] : limits.pool)
    limits_.pool[database] = std::max(limits_.pool[database], limit);
}

void Checks::slots_held(const std::map<std::pair<std::string, std::string>, int>& slots, bool all) {
  std::map<std::string, int> most;
  for (const auto& [route, count] : slots) {
    const auto limit = limits_.pool.find(route.first);
    if (limit == limits_.pool.end()) continue;
    most[route.first] = std::max(most[route.first], count);
    need(count <= limit->second, "I3: the workers hold " + std::to_string(count) + " slots of " +
                                     route.first + "/" + route.second + ", the limit is " +
                                     std::to_string(limit->second));
  }
  if (!all) return;
  for (auto& [database, limit] : limits_.pool)
    limit = std::max(wanted_limits_.pool[database], std::min(limit, most[database]));
}

std::string Checks::over_limit() const {
  for (const auto& [database, limit] : wanted_limits_.pool) {
    const int held = limits_.pool.at(database);
    if (held > limit)
      return "a pool of " + database + " has up to " + std::to_string(held) + " servers, and should have " +
             std::to_string(limit);
  }
  return {};
}

void Checks::session_began(int client, int first_serial) {
  clients_[client] = {.first_serial = first_serial, .connected = true};
  ++counts.sessions;
}

void Checks::session_ended(int client) { clients_[client].connected = false; }

void Checks::cancel_sent(int client) { ++clients_[client].cancels_sent; }

void Checks::cancel_hit(Owner owner) {
  Client& client = clients_[owner.client];
  ++counts.cancels;
  // The proxy itself cancels what a client left behind.
  if (!client.connected || owner.serial < client.first_serial) return;
  need(client.cancels_sent > client.cancels_hit || limits_expected_,
       "I7: statement " + owner_mark(owner) + "was cancelled although its client did not ask for that");
  ++client.cancels_hit;
}

bool Checks::cancel_pending(int client) const {
  const auto found = clients_.find(client);
  return found != clients_.end() && found->second.cancels_sent > 0;
}

void Checks::notified(const std::string& database, const std::string& channel, const std::string& payload) {
  auto& places = notifications_[{database, channel}];
  places.emplace(payload, places.size());
}

std::size_t Checks::notifications(const std::string& database, const std::string& channel) const {
  const auto found = notifications_.find({database, channel});
  return found == notifications_.end() ? 0 : found->second.size();
}

std::optional<std::size_t> Checks::notification(const std::string& database, const std::string& channel,
                                                const std::string& payload) const {
  const auto found = notifications_.find({database, channel});
  if (found == notifications_.end()) return std::nullopt;
  const auto place = found->second.find(payload);
  return place == found->second.end() ? std::nullopt : std::optional(place->second);
}

}  // namespace pgweir::sim
