#include "admin/profile_view.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "admin/pool_view.h"
#include "pool/host_part.h"

namespace pgweir {
namespace {

const State::Pool* kept_of(const Route& route, const World& world) {
  if (world.state == nullptr) return nullptr;
  const auto found = world.state->pools().find(route);
  return found == world.state->pools().end() ? nullptr : &found->second;
}

// What is kept of the pool, and the present minute.
TraceStore traces_of(const Route& route, const World& world) {
  TraceStore traces;
  if (const State::Pool* const kept = kept_of(route, world)) traces = kept->traces;
  for (const WorkerSnapshot& worker : world.workers) {
    for (const PoolSnapshot& pool : worker.pools) {
      const bool its = pool.database == route.database && pool.user == route.user;
      if (its && !pool.trace.records.empty()) traces.add(pool.trace, pool.trace_classes);
    }
  }
  traces.judge_open();
  return traces;
}

std::string host_of(const Route& route, const World& world) {
  for (const WorkerSnapshot& worker : world.workers) {
    for (const PoolSnapshot& pool : worker.pools)
      if (pool.database == route.database && pool.user == route.user) return pool.host;
  }
  return {};
}

// What was kept, also of earlier processes. The minutes that workers still have are there already when they
// are final: that is when workers mail them.
void add_history(PoolProfile& profile, const Route& route, const World& world) {
  const State::Pool* const kept = kept_of(route, world);
  if (kept == nullptr) return;
  PoolHistory history = kept->history;
  for (const WindowRef& minute : profile.measure.windows)
    if (!minute->virtual_final) history.add(minute);
  profile.measure.windows = history.minutes();
  profile.ten_minutes = history.periods(Tier::ten_minutes);
  profile.hours = history.periods(Tier::hours);
  profile.days = history.periods(Tier::days);
}

std::optional<int> smaller(std::optional<int> a, int b) {
  if (b == 0) return a;  // no limit
  return a ? std::min(*a, b) : b;
}

}  // namespace

std::vector<PoolProfile> pool_profiles(std::span<const PoolSnapshot> pools, const World& world) {
  std::vector<PoolProfile> profiles;
  const PoolSettings& defaults = world.settings.pool;
  for (const PoolSnapshot& pool : pools) {
    const Route route{pool.database, pool.user};
    const TraceStore traces = traces_of(route, world);
    PoolProfile profile;
    profile.pool = pool_name(pool);
    profile.host = host_of(route, world);
    profile.now = world.now;
    profile.wall_offset = world.wall_offset;
    profile.pool_size = pool.pool_size;
    profile.reserve_pool_size = pool.reserve_pool_size;
    const DatabaseSettings* const database = world.settings.find_database(pool.database);
    const UserSettings* const user = world.settings.find_user(pool.user);
    profile.min_pool_size = defaults.min_pool_size;
    int of_database = defaults.max_db_connections, of_user = defaults.max_user_connections;
    if (database != nullptr) {
      profile.min_pool_size = database->min_pool_size.value_or(profile.min_pool_size);
      of_database = database->max_db_connections.value_or(of_database);
    }
    if (user != nullptr) of_user = user->max_user_connections.value_or(of_user);
    profile.limit = smaller(smaller({}, of_database), of_user);
    profile.target_wait = world.settings.advice.target_wait;
    profile.connected_clients = clients_of(pool.counts);
    profile.measure = pool.measure;
    add_history(profile, route, world);
    profile.traces = traces.segments();
    const State::Pool* const kept = kept_of(route, world);
    profile.incidents = incidents_of(traces, kept == nullptr ? nullptr : kept->profile.get());
    for (const std::uint64_t id : traces.classes()) {
      const auto known = std::find_if(pool.queries.begin(), pool.queries.end(),
                                      [&](const QueryClass& it) { return id != 0 && it.id == id; });
      profile.classes.push_back({id, known == pool.queries.end() ? std::string() : known->text});
    }
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

std::vector<HostProfile> host_profiles(const World& world) {
  std::map<std::string, HostProfile> hosts;
  for (const WorkerSnapshot& worker : world.workers) {
    for (const HostSnapshot& host : worker.hosts) {
      const auto [it, fresh] = hosts.try_emplace(host.name);
      HostProfile& profile = it->second;
      profile.name = host.name;
      if (fresh) {
        profile.evidence.push_back(host.evidence);
      } else {
        merge(profile.evidence.back(), host.evidence);
      }
    }
  }
  for (auto& [name, profile] : hosts) {
    std::vector<const HostPart*> parts;
    for (const WorkerSnapshot& worker : world.workers) {
      for (const HostSnapshot& host : worker.hosts)
        if (host.name == name && host.part) parts.push_back(&*host.part);
    }
    add(profile.evidence.back(), parts);
    if (world.hosts == nullptr) continue;
    if (const auto known = world.hosts->find(name); known != world.hosts->end())
      merge(profile.evidence.back(), known->second);
  }
  if (world.state != nullptr) {
    for (auto& [name, profile] : hosts) {
      const auto known = world.state->hosts().find(name);
      if (known == world.state->hosts().end()) continue;
      // Of earlier processes; this one's is there already, and newer.
      std::vector<SpeedEvidence> all;
      for (const SpeedEvidence& it : known->second.evidence)
        if (it.start < profile.evidence.front().start) all.push_back(it);
      all.insert(all.end(), profile.evidence.begin(), profile.evidence.end());
      profile.evidence = std::move(all);
    }
  }
  for (auto& [name, profile] : hosts) {
    const auto known = world.limits.find(name);
    if (known == world.limits.end() || !known->second.last.known()) continue;
    profile.max_connections = known->second.last.max_connections;
    profile.reserved_connections = known->second.last.superuser_reserved + known->second.last.reserved;
    profile.other_connections = known->second.others;
  }
  std::vector<HostProfile> profiles;
  for (auto& [name, profile] : hosts) profiles.push_back(std::move(profile));
  return profiles;
}

}  // namespace pgweir
