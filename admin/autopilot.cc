#include "admin/autopilot.h"

#include <algorithm>
#include <utility>

#include "admin/advise_pools.h"
#include "admin/autopilot_brake.h"
#include "admin/pool_view.h"
#include "admin/words.h"

namespace pgweir {
namespace {

using namespace std::chrono_literals;
using Kind = AdviceEntry::Kind;
using Effect = AdviceEntry::Effect;

constexpr Duration between_growth = 10min, between_shrinks = 1h;
constexpr Duration day = 24h, trust_lost_for = 7 * 24h;
constexpr Duration after_taking_back = day;
constexpr Duration before_peak = 1h;
constexpr int most_taken_back = 2;
constexpr std::size_t notes_looked_at = 10, most_wrong_notes = 2;

// What the autopilot has done with a pool, and what came of it.
struct Past {
  const AdviceEntry* change = nullptr;  // the last one
  const AdviceEntry* effect = nullptr;  // of that
  bool change_took_back = false;        // that one
  std::vector<Instant> taken_back;      // since a size was set by hand
  std::vector<Effect> checked;          // notes, oldest first

  explicit Past(const std::vector<AdviceEntry>& entries) {
    for (const AdviceEntry& entry : entries) add(entry);
  }

  // The last change made things worse, and is not one that took another back.
  bool to_be_taken_back() const {
    return change != nullptr && change->by_autopilot && change->kind == Kind::set && !change_took_back &&
           effect != nullptr && effect->effect == Effect::worse;
  }

 private:
  void add(const AdviceEntry& entry) {
    switch (entry.kind) {
      case Kind::set:
      case Kind::reset:
        change_took_back = entry.by_autopilot && to_be_taken_back() && entry.to == change->from;
        if (!entry.by_autopilot) taken_back.clear();
        if (change_took_back) taken_back.push_back(entry.at);
        change = &entry;
        effect = nullptr;
        break;
      case Kind::followed:
        effect = &entry;
        break;
      case Kind::checked:
        checked.push_back(entry.effect);
        break;
      case Kind::advised:
        break;
    }
  }
};

std::string ago(Instant at, Instant now) { return duration_text(now - at) + " ago"; }

class Planner {
 public:
  Planner(const AutopilotPool& pool, const Advice& advice, Instant now)
      : pool_(pool), advice_(advice), now_(now), past_(pool.entries) {
    plan_.route = pool.route;
    plan_.mode = pool.mode;
    plan_.size = advice.current;
    plan_.least = pool.least;
    plan_.most = pool.most;
  }

  AutopilotPlan take() {
    if (pool_.mode == AutopilotMode::automatic) {
      plan_.note = why_only_notes();
      plan_.acts = plan_.note.empty();
    }
    decide();
    return std::move(plan_);
  }

 private:
  void hold(std::string why) { plan_.why = std::move(why); }
  void set(int size, std::string why) {
    plan_.to = size;
    plan_.why = std::move(why);
  }

  std::string why_only_notes() const {
    const auto recent = std::count_if(past_.taken_back.begin(), past_.taken_back.end(),
                                      [&](Instant at) { return at + trust_lost_for > now_; });
    if (recent >= most_taken_back) {
      return "it has taken back " + std::to_string(recent) +
             " of its changes within a week; APPLY or RESET RECOMMENDATION gives it another try";
    }
    const Instant since = measured_since();
    if (now_ - since < pool_.trial) {
      return "autopilot_trial: the pool has been measured for " + duration_text(now_ - since) + " of " +
             duration_text(pool_.trial);
    }
    const std::size_t looked_at = std::min(past_.checked.size(), notes_looked_at);
    const auto wrong = std::count(past_.checked.end() - static_cast<std::ptrdiff_t>(looked_at),
                                  past_.checked.end(), Effect::worse);
    if (static_cast<std::size_t>(wrong) <= most_wrong_notes) return {};
    return std::to_string(wrong) + " of its last " + std::to_string(looked_at) +
           " notes would have been wrong (SHOW ADVICE_HISTORY)";
  }

  Instant measured_since() const {
    Instant since = now_;
    if (pool_.history == nullptr) return since;
    for (const Tier tier : {Tier::ten_minutes, Tier::hours, Tier::days}) {
      const auto& periods = pool_.history->periods(tier);
      if (!periods.empty()) since = std::min(since, periods.front()->sum.start);
    }
    const auto& minutes = pool_.history->minutes();
    return minutes.empty() ? since : std::min(since, minutes.front()->start);
  }

  bool changed_within(Duration span) const {
    return past_.change != nullptr && past_.change->at + span > now_;
  }

  void decide() {
    if (!pool_.blocked.empty()) return hold(pool_.blocked);
    if (past_.to_be_taken_back()) {
      return set(past_.change->from, "takes back its change from " + std::to_string(past_.change->from) +
                                         " to " + std::to_string(past_.change->to) + ", " +
                                         ago(past_.change->at, now_) + ": " + past_.effect->text);
    }
    if (past_.change_took_back && changed_within(after_taking_back)) {
      return hold("it took back a change " + ago(past_.change->at, now_) + " and holds for " +
                  duration_text(after_taking_back));
    }
    if (changed_within(between_growth)) return hold_behind_change(between_growth);
    if (pool_.history != nullptr) {
      if (auto brake = pull_brake(pool_.history->minutes(), advice_.current, now_);
          brake && brake->size >= pool_.least)
        return set(brake->size, std::move(brake->why));
    }
    follow_advice();
  }

  void hold_behind_change(Duration span) {
    hold("the size was changed " + ago(past_.change->at, now_) + "; the next change may come " +
         duration_text(span) + " after that");
  }

  void follow_advice() {
    if (advice_.verdict == Verdict::collecting || !advice_.recommended) return hold("there is no advice yet");
    if (*advice_.recommended == advice_.current) return hold("the size is as advised");
    if (advice_.decided_by == DecidedBy::incident) return hold("what was measured is not typical");
    if (advice_.confidence == Confidence::none || advice_.confidence == Confidence::low) {
      return hold("there is too little evidence for " + std::to_string(*advice_.recommended) +
                  (advice_.missing.empty() ? "" : ": " + advice_.missing.front()));
    }
    if (*advice_.recommended > advice_.current) return grow();
    shrink();
  }

  void grow() {
    if (advice_.decided_by != DecidedBy::pool)
      return hold("more connections are advised, but not because transactions wait for one");
    const int step = std::max(advice_.current + 1, advice_.current * 3 / 2);
    const int to = std::min({*advice_.recommended, step, pool_.most});
    if (to <= advice_.current) {
      return hold(std::to_string(*advice_.recommended) + " is advised, autopilot_max_size allows " +
                  std::to_string(pool_.most));
    }
    set(to, advice_.in_short);
  }

  void shrink() {
    if (changed_within(between_shrinks)) return hold_behind_change(between_shrinks);
    if (past_.change != nullptr && past_.effect == nullptr)
      return hold("what the last change did is not known yet");
    if (!pool_.runs->covers(now_ - day, now_ - 2min))
      return hold("a pool is made smaller when a whole day without a gap was measured");
    if (const WindowRef peak = busiest_of(now_ - day, now_ - day + before_peak)) {
      return hold("the busiest minute of the last day was " + duration_text(day - (now_ - peak->start)) +
                  " later than now");
    }
    const int step = std::max(1, advice_.current / 5);
    const int to =
        std::max({*advice_.recommended, advice_.current - step, pool_.least, needed_within(now_ - day)});
    if (to >= advice_.current)
      return hold("as many were needed within the last day, or autopilot_min_size says so");
    set(to, advice_.in_short);
  }

  // The busiest minute of the last day, if it began within this time.
  WindowRef busiest_of(Instant from, Instant to) const {
    WindowRef busiest;
    each_hour(now_ - day, [&](const Period& hour) {
      if (hour.busiest && hour.busiest->start >= now_ - day &&
          (!busiest || hour.busiest->offered_load() > busiest->offered_load()))
        busiest = hour.busiest;
    });
    return busiest && busiest->start >= from && busiest->start < to ? busiest : nullptr;
  }

  // Connections that would have done for all but 1 % of each hour and of its busiest minute.
  int needed_within(Instant from) const {
    int needed = 0;
    each_hour(from, [&](const Period& hour) {
      needed = std::max(needed, hour.sum.demand().quantile(0.99));
      if (hour.busiest) needed = std::max(needed, hour.busiest->demand().quantile(0.99));
    });
    return needed;
  }

  template <class Visit>
  void each_hour(Instant from, Visit visit) const {
    if (pool_.history == nullptr) return;
    for (const PeriodRef& hour : pool_.history->periods(Tier::hours))
      if (hour->sum.start + hour->sum.duration > from) visit(*hour);
  }

  const AutopilotPool& pool_;
  const Advice& advice_;
  const Instant now_;
  const Past past_;
  AutopilotPlan plan_;
};

std::string why_blocked(const PoolSnapshot& pool, const World& world) {
  if (world.gates.is_shut(pool.database)) return "the database is paused";
  for (const Alert& alert : world.alerts) {
    const AlertKey& key = alert.finding.key;
    if (key.kind == AlertKind::server_unreachable && !alert.ended && key.subject == pool_name(pool))
      return "the server cannot be reached";
  }
  return {};
}

AutopilotPool facts_of(const PoolSnapshot& pool, const World& world) {
  const Settings& settings = world.settings;
  const auto own = [&](auto general, auto of_database, auto of_user) {
    return settings.own_of(general, of_database, of_user, pool.database, pool.user);
  };
  const State& state = *world.state;
  AutopilotPool facts{
      .route = {pool.database, pool.user},
      .mode = own(&PoolSettings::autopilot, &DatabaseSettings::autopilot, &UserSettings::autopilot),
      .least = own(&PoolSettings::autopilot_min_size, &DatabaseSettings::autopilot_min_size,
                   &UserSettings::autopilot_min_size),
      .most = own(&PoolSettings::autopilot_max_size, &DatabaseSettings::autopilot_max_size,
                  &UserSettings::autopilot_max_size),
      .trial = settings.pool.autopilot_trial,
      .blocked = why_blocked(pool, world),
      .history = nullptr,
      .runs = &state.runs(),
      .entries = {}};
  const DatabaseSettings* const database = settings.find_database(pool.database);
  const int kept_open = settings.pool.min_pool_size;
  facts.least =
      std::max(facts.least, database == nullptr ? kept_open : database->min_pool_size.value_or(kept_open));
  if (facts.most == 0) facts.most = 2 * settings.configured_size(pool.database, pool.user);
  if (const auto its = state.pools().find(facts.route); its != state.pools().end())
    facts.history = &its->second.history;
  for (const AdviceEntry& entry : state.advice())
    if (entry.route == facts.route) facts.entries.push_back(entry);
  return facts;
}

}  // namespace

AutopilotPlan plan_size(const AutopilotPool& pool, const Advice& advice, Instant now) {
  return Planner(pool, advice, now).take();
}

std::vector<AutopilotPlan> plan_sizes(const World& world) {
  std::vector<PoolSnapshot> pools;
  std::vector<AutopilotPool> facts;
  if (world.state == nullptr) return {};
  for (PoolSnapshot& pool : merge_pools(world.workers, MeasureDepth::minutes)) {
    if (pool.replication) continue;
    AutopilotPool its = facts_of(pool, world);
    if (its.mode == AutopilotMode::off) continue;
    facts.push_back(std::move(its));
    pools.push_back(std::move(pool));
  }
  std::vector<AutopilotPlan> plans;
  const std::vector<AdvisedPool> advised = advise_pools(pools, world);
  for (std::size_t i = 0; i < facts.size(); ++i)
    plans.push_back(plan_size(facts[i], advised[i].advice, world.now));
  return plans;
}

bool has_autopilot(const Settings& settings) {
  const auto wanted = [](const auto& section) {
    return section.second.autopilot.value_or(AutopilotMode::off) != AutopilotMode::off;
  };
  return settings.pool.autopilot != AutopilotMode::off ||
         std::any_of(settings.databases.begin(), settings.databases.end(), wanted) ||
         std::any_of(settings.users.begin(), settings.users.end(), wanted);
}

}  // namespace pgweir
