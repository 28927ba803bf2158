#include "admin/profile_report.h"

#include <algorithm>
#include <utility>

#include "admin/advise.h"
#include "admin/words.h"
#include "admin/world.h"
#include "pool/state_codec.h"

namespace pgweir {
namespace {

constexpr std::size_t longest_name = 128;

bool wanted(const Route& route, const std::string& pool) { return pool.empty() || name_of(route) == pool; }

std::string shown_name(const std::string& name) { return line_text(name, longest_name); }

Instant last_run(const State& state) {
  Instant last = Instant::min();
  for (const auto& [start, until] : state.runs().all()) last = std::max(last, until);
  return last;
}

std::string time_of(const State& state, Instant at) {
  const Settings none;
  return time_text(World{.settings = none, .wall_offset = state.wall_offset()}, at);
}

std::string range_text(const State& state, Instant from, Instant to) {
  return time_of(state, from) + " to " + time_of(state, to);
}

std::string minute_text(const State& state, const MinuteWindow& minute) {
  return time_of(state, minute.start) + ": " + number_text(minute.offered_load(), 1) +
         " connections needed on average, p99 of the wait " +
         duration_text(minute.waits.unpack().quantile(0.99));
}

const char* name_of_tier(Tier tier) {
  switch (tier) {
    case Tier::ten_minutes:
      return "ten minutes";
    case Tier::hours:
      return "hours";
    case Tier::days:
      return "days";
  }
  return "";
}

void show_pool(const State& state, const Route& route, const State::Pool& pool, std::string& out) {
  const PoolProfile profile = state.profile(route);
  out += "\nPool " + shown_name(profile.pool) + "\n";
  if (pool.profile) {
    out += "  host: " + shown_name(profile.host) + "\n  size: " + std::to_string(profile.pool_size) +
           ", reserve " + std::to_string(profile.reserve_pool_size) + ", " +
           count_text(static_cast<std::uint64_t>(profile.connected_clients), "client", "clients") + " at " +
           time_of(state, profile.now) + "\n  since " + time_of(state, profile.measure.since) + ": " +
           count_text(profile.measure.completions, "transaction", "transactions") + "\n";
  }
  const auto& minutes = profile.measure.windows;
  if (!minutes.empty()) {
    out += "  minutes: " + std::to_string(minutes.size()) + ", " +
           range_text(state, minutes.front()->start, minutes.back()->start + minutes.back()->duration) + "\n";
    out += "    busiest: " + minute_text(state, *busiest(minutes)) + "\n";
  }
  for (const Tier tier : {Tier::ten_minutes, Tier::hours, Tier::days}) {
    const std::vector<PeriodRef>& periods = pool.history.periods(tier);
    if (periods.empty()) continue;
    const auto gaps =
        std::count_if(periods.begin(), periods.end(), [](const PeriodRef& it) { return it->gap; });
    out += std::string("  ") + name_of_tier(tier) + ": " + std::to_string(periods.size()) + ", " +
           range_text(state, periods.front()->sum.start, periods.back()->sum.start) + ", " +
           std::to_string(gaps) + " in which pgweir did not run all the time\n";
    std::vector<WindowRef> busy;
    for (const PeriodRef& period : periods)
      if (period->busiest) busy.push_back(period->busiest);
    if (const WindowRef best = busiest(busy)) out += "    busiest: " + minute_text(state, *best) + "\n";
  }
  std::size_t records = 0;
  for (const TraceRef& trace : profile.traces) records += trace->records.size();
  if (!profile.traces.empty()) {
    out += "  traces: " + count_text(profile.traces.size(), "minute", "minutes") + " with " +
           count_text(records, "transaction", "transactions") + "\n";
  }
}

// The only place that knows the adviser.
Advice advise_on(PoolProfile profile, const State& state) {
  profile.now = std::max(profile.now, last_run(state));
  profile.measure.now = std::max(profile.measure.now, profile.now);
  const auto host = state.hosts().find(profile.host);
  return advise(profile, host == state.hosts().end() ? HostProfile{} : host->second);
}

}  // namespace

bool has_pool(const State& state, const std::string& pool) {
  return std::any_of(state.pools().begin(), state.pools().end(),
                     [&](const auto& it) { return name_of(it.first) == pool; });
}

std::string export_profile(const State& state, const std::string& pool, bool with_names) {
  std::string bytes = state_header();
  state.for_each([&](const StateEntry& entry) {
    if (const auto* const profile = std::get_if<ProfileEntry>(&entry); profile != nullptr && !with_names) {
      if (!wanted(profile->route, pool)) return;
      PoolProfile copy = *profile->profile;
      for (StatementClass& it : copy.classes) it.name.clear();
      append_record(bytes, ProfileEntry{profile->route, std::make_shared<const PoolProfile>(std::move(copy))},
                    state.wall_offset());
      return;
    }
    const bool its = std::visit(
        [&](const auto& it) {
          if constexpr (requires { it.route; }) return wanted(it.route, pool);
          return true;
        },
        entry);
    if (its) append_record(bytes, entry, state.wall_offset());
  });
  return bytes;
}

std::string show_profile(const State& state, const std::string& pool) {
  std::string out;
  const auto& runs = state.runs().all();
  if (!runs.empty()) {
    out += "pgweir ran " + count_text(runs.size(), "time", "times") + ", the last from " +
           range_text(state, runs.back().first, runs.back().second) + "\n";
  }
  for (const auto& [name, host] : state.hosts()) {
    double completions = 0;
    for (const SpeedEvidence& evidence : host.evidence) {
      for (const auto& [fingerprint, levels] : evidence.classes)
        for (const SpeedEvidence::Level& level : levels)
          completions += static_cast<double>(level.completions);
    }
    out += "Host " + shown_name(name) + ": the speed of " + number_text(completions, 0) + " statements\n";
  }
  for (const auto& [route, its] : state.pools())
    if (wanted(route, pool)) show_pool(state, route, its, out);
  if (state.pools().empty()) out += "no pools\n";
  bool first = true;
  for (const AdviceEntry& entry : state.advice()) {
    if (!wanted(entry.route, pool)) continue;
    if (std::exchange(first, false)) out += "\nAdvice\n";
    out += "  " + time_of(state, entry.at) + " " + shown_name(name_of(entry.route)) + ": " +
           std::to_string(entry.from) + " -> " + std::to_string(entry.to) + " " + shown_name(entry.text) +
           "\n";
  }
  return out;
}

std::string advise_on_profile(const State& state, const std::string& pool) {
  std::string out;
  for (const auto& [route, its] : state.pools()) {
    if (!wanted(route, pool)) continue;
    const Advice advice = advise_on(state.profile(route), state);
    out += (out.empty() ? "Pool " : "\nPool ") + shown_name(name_of(route)) + ": " + advice.in_short + "\n";
    if (!advice.window.empty()) out += "  window: " + advice.window + "\n";
    out += std::string("  confidence: ") + to_string(advice.confidence) + "\n";
    for (const std::string& reason : advice.reasons) out += "  - " + reason + "\n";
    for (const std::string& missing : advice.missing) out += "  not known: " + missing + "\n";
  }
  return out.empty() ? "no pools\n" : out;
}

}  // namespace pgweir
