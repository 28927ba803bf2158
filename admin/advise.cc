#include "admin/advise.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "admin/advice_facts.h"
#include "admin/design_windows.h"
#include "admin/recommend.h"
#include "admin/replay_load.h"
#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {

namespace {

constexpr std::size_t most_per_day = 3;
constexpr std::size_t most_by_load = 5;
constexpr std::size_t most_records = 400000;  // of all stretches together, but always one: a second or two
constexpr std::size_t days_for_outliers = 5;
constexpr double differs = 0.15;
constexpr int largest_size = 20000;
constexpr double growth_to_leap = 0.5, growth_to_climb = 0.3;  // of throughput, see Plateau::growth
constexpr double share_that_matters = 0.3;                     // idle in transaction, of the holding time
constexpr double other_share_that_matters = 0.2;               // link, drain, cleanup
constexpr double heavy_class_load = 0.4, heavy_class_factor = 5;
constexpr double lock_share_that_matters = 0.2;
constexpr double class_slowed = 2, class_not_slowed = 1.25;
constexpr std::uint64_t releases_to_trust = 200;  // in trials

bool is_small(int difference, int size) { return difference <= 1 || difference <= differs * size; }

Clients clients_of(const TraceFigures& f) {
  // Nearly all clients at the pool all the time: nobody is left to send more.
  const bool all_here = f.full_share > 0.5 && f.mean_in_system > 0.8 * static_cast<double>(f.clients);
  if (all_here) return Clients::push_back;
  if (std::isnan(f.feedback)) return f.full_share > 0.05 ? Clients::unclear : Clients::independent;
  // Arrivals like clockwork make any slope; clients that return cannot make one below -1 by much.
  if (f.feedback < -2) return Clients::unclear;
  if (f.feedback < -0.5)
    return f.feedback + 2 * f.feedback_error < -0.1 ? Clients::push_back : Clients::unclear;
  return f.feedback < -0.3 ? Clients::unclear : Clients::independent;
}

AdviceInput input_of(const PoolProfile& profile) {
  AdviceInput input;
  input.pool_size = profile.pool_size;
  input.reserve_pool_size = profile.reserve_pool_size;
  input.target_wait = profile.target_wait;
  input.connected_clients = profile.connected_clients;
  input.headroom = profile.headroom;
  input.wall_offset = profile.wall_offset;
  return input;
}

// The measure with the busiest and the worst minutes of the days before, without the incidents.
PoolMeasure with_kept_minutes(const PoolProfile& profile) {
  PoolMeasure measure = profile.measure;
  std::set<Instant> known;
  for (const WindowRef& window : measure.windows) known.insert(window->start);
  std::vector<WindowRef> older;
  for (const auto* periods : {&profile.days, &profile.hours, &profile.ten_minutes})
    for (const PeriodRef& period : *periods)
      for (const WindowRef& window : {period->busiest, period->worst})
        if (window && known.insert(window->start).second) older.push_back(window);
  measure.windows.insert(measure.windows.end(), older.begin(), older.end());
  std::erase_if(measure.windows, [&](const WindowRef& window) {
    return std::binary_search(profile.incidents.begin(), profile.incidents.end(),
                              std::chrono::floor<std::chrono::minutes>(window->start));
  });
  std::stable_sort(measure.windows.begin(), measure.windows.end(),
                   [](const WindowRef& a, const WindowRef& b) { return a->start < b->start; });
  return measure;
}

class Adviser {
 public:
  Adviser(const PoolProfile& profile, const HostProfile& host, std::optional<int> share)
      : facts_(profile, host), share_(share) {}

  // False: there is nothing to replay.
  bool find_design() {
    const PoolProfile& profile = facts_.profile;
    std::vector<DesignStretch> usable;
    for (const TraceRef& trace : profile.traces) {
      if (!trace) continue;
      DesignStretch it;
      it.trace = trace;
      it.figures = figures_of(*trace);
      if (it.figures.transactions < enough_transactions || trace->length < shortest_load) continue;
      if (it.figures.offered.holding <= 0) continue;
      OfferedLoad offered = it.figures.offered;
      offered.mean *= 1 + profile.headroom;
      it.by_formula = smallest_size(offered, in_seconds(profile.target_wait));
      it.name = duration_text(trace->length) + " (" +
                moment_text(trace->start, profile.now, profile.wall_offset) + ")";
      it.day = static_cast<long>(
          std::floor(in_seconds(trace->start.time_since_epoch() + profile.wall_offset) / 86400));
      it.clients = clients_of(it.figures);
      facts_.seen = std::max(facts_.seen, it.figures.highest_held);
      (trace->incident ? facts_.excluded : usable).push_back(std::move(it));
    }
    only_incidents_ = usable.empty() && !facts_.excluded.empty();
    if (usable.empty()) return false;
    std::stable_sort(usable.begin(), usable.end(), [](const DesignStretch& a, const DesignStretch& b) {
      return a.figures.load > b.figures.load;
    });
    leave_out_outlier(usable);
    std::map<long, std::size_t> per_day;
    std::size_t records = 0;
    const DesignStretch* worst = nullptr;
    for (const DesignStretch& it : usable) {
      const bool affordable = facts_.design.empty() || records + it.trace->records.size() <= most_records;
      if (affordable && facts_.design.size() < most_by_load && per_day[it.day] < most_per_day) {
        ++per_day[it.day];
        records += it.trace->records.size();
        facts_.design.push_back(it);
      } else if (worst == nullptr || it.figures.p99_wait > worst->figures.p99_wait) {
        worst = &it;
      }
    }
    if (worst != nullptr && records + worst->trace->records.size() <= most_records)
      facts_.design.push_back(*worst);
    return true;
  }
  bool only_incidents() const { return only_incidents_; }

  Advice advise() {
    const PoolProfile& profile = facts_.profile;
    advice_.replayed = true;
    advice_.current = profile.pool_size;
    facts_.curve = fit_speed(facts_.host.evidence, profile.now);
    facts_.plateau = plateau_of(facts_.curve);
    look_at_trials();
    advice_.highest_executing = facts_.curve.solid();
    for (const SpeedCurve::Level& level : facts_.curve.levels)
      advice_.speed.push_back(
          {level.level, level.completions, level.throughput, level.speed > 0 ? 1 / level.speed : 1});
    load_all();
    choose();
    find_deciding();
    look_at_minutes();
    apply_bounds();
    keep_what_is_good();
    fill_figures();
    diagnose();
    fill_rest();
    fill_what_if();
    explain(advice_, facts_);
    return std::move(advice_);
  }

 private:
  // What was measured on purpose counts more than what levels say that came about by chance.
  void look_at_trials() {
    const TrialResult& it = facts_.profile.measure.trials;
    if (!it.any() || it.some.servers >= it.all.servers || it.some.servers < 1) return;
    if (std::min(it.all.releases, it.some.releases) < releases_to_trust) return;
    const double more = std::log(static_cast<double>(it.all.servers) / it.some.servers);
    const double growth = std::log(it.all.per_second() / it.some.per_second()) / more;
    // Two standard errors, of durations that spread as exponential ones do.
    const double error =
        2 * std::sqrt(1 / static_cast<double>(it.all.releases) + 1 / static_cast<double>(it.some.releases)) /
        more;
    if (growth + error < growth_that_counts) {
      facts_.plateau.growth = growth;
      facts_.enough = (facts_.profile.pool_size * it.some.servers + it.all.servers - 1) / it.all.servers;
    }
    facts_.all_needed = growth - error > growth_to_climb;
    if (growth - error > growth_to_leap) facts_.plateau = {.growth = growth};
  }

  // A day that needs more than all others, when there are enough of them: not to be sized for.
  void leave_out_outlier(std::vector<DesignStretch>& usable) {
    std::map<long, int> needs;
    for (const DesignStretch& it : usable) needs[it.day] = std::max(needs[it.day], it.by_formula);
    if (needs.size() < days_for_outliers) return;
    const auto most = std::max_element(needs.begin(), needs.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    int others = 0;
    for (const auto& [day, need] : needs)
      if (day != most->first) others = std::max(others, need);
    if (is_small(most->second - others, others)) return;
    facts_.outlier = true;
    const auto first = std::stable_partition(usable.begin(), usable.end(),
                                             [&](const DesignStretch& it) { return it.day != most->first; });
    facts_.excluded.insert(facts_.excluded.end(), first, usable.end());
    usable.erase(first, usable.end());
  }

  void load_all() {
    std::size_t most_jobs = 0;
    double rest = 0, length = 0;
    for (const DesignStretch& it : facts_.design) {
      loads_.push_back(replay_load(*it.trace, facts_.curve));
      cautious_.push_back(with_hidden_slow(loads_.back(), it.figures.slow_half));
      most_jobs = std::max(most_jobs, loads_.back().jobs.size());
      for (const float other : loads_.back().rest) rest += static_cast<double>(other);
      length += static_cast<double>(loads_.back().rest.size());
    }
    if (length > 0) facts_.rest_executing = rest / length;
    speed_ = facts_.curve.table(static_cast<int>(std::min<std::size_t>(most_jobs + 1, 4096)));
  }

  int largest() const {
    std::uint64_t clients = 0;
    bool closed = true;
    for (const DesignStretch& it : facts_.design) {
      closed = closed && it.clients == Clients::push_back;
      clients = std::max(clients, it.figures.clients);
    }
    int most = largest_size;
    // Clones of the headroom among them.
    if (closed) most = static_cast<int>(std::min<std::uint64_t>(clients + clients / 4 + 1, largest_size));
    if (facts_.curve.found) most = std::min(most, std::max(120, 4 * std::max(advice_.current, facts_.seen)));
    return std::max(most, 2);
  }

  void add(SizeSweep& sweep, const ReplayLoad& load, Clients clients, double traffic) const {
    if (clients != Clients::push_back) sweep.add(load, speed_, {false, traffic});
    if (clients != Clients::independent) sweep.add(load, speed_, {true, traffic});
  }

  SizeSweep sweep_all(const std::vector<ReplayLoad>& loads, double traffic) const {
    SizeSweep sweep(in_seconds(facts_.profile.target_wait), largest());
    for (std::size_t i = 0; i < loads.size(); ++i) add(sweep, loads[i], facts_.design[i].clients, traffic);
    return sweep;
  }

  void choose() {
    now_.emplace(sweep_all(loads_, 1));
    more_.emplace(sweep_all(cautious_, 1 + facts_.profile.headroom));
    facts_.choice = more_->choose();
    const SizeChoice at_present = now_->choose();
    facts_.needed_now = at_present.size;
    // What the headroom asks for must not slow down what is there.
    const SizeRow present = now_->row(facts_.choice.size);
    facts_.headroom_met =
        facts_.choice.target_met && present.enough_throughput && present.response_ratio <= 1.10;
    if (!facts_.headroom_met) facts_.choice = at_present;
    advice_.model = facts_.choice.size;
    advice_.as_good_from = facts_.choice.from;
    advice_.as_good_to = facts_.choice.to;
    advice_.decided_by = facts_.choice.target_met ? DecidedBy::pool : DecidedBy::server;
  }

  // The stretch that waits longest just below the choice.
  void find_deciding() {
    const auto& results = now_->at(std::max(1, facts_.choice.size - 1));
    double most = -1;
    std::size_t at = 0;
    for (std::size_t i = 0; i < facts_.design.size(); ++i) {
      const std::size_t modes = facts_.design[i].clients == Clients::unclear ? 2 : 1;
      for (std::size_t mode = 0; mode < modes; ++mode, ++at)
        if (results[at].p99_wait > most) {
          most = results[at].p99_wait;
          chosen_ = i;
        }
    }
    facts_.chosen = &facts_.design[chosen_];
    facts_.smallest_need = facts_.largest_need = facts_.chosen->by_formula;
    for (const DesignStretch& it : facts_.design) {
      facts_.smallest_need = std::min(facts_.smallest_need, it.by_formula);
      facts_.largest_need = std::max(facts_.largest_need, it.by_formula);
    }
  }

  // Minutes that were busier than all that is recorded scale the choice up, by the formula's proportion.
  void look_at_minutes() {
    const PoolMeasure measure = with_kept_minutes(facts_.profile);
    for (const WindowRef& window : measure.windows)
      facts_.seen = std::max(facts_.seen, window->held.quantile(0.999));
    facts_.seen = std::max(facts_.seen, measure.current.held.quantile(0.999));
    facts_.clients = std::max(facts_.profile.connected_clients, measure.current.clients);
    for (const WindowRef& window : measure.windows)
      facts_.clients = std::max(facts_.clients, window->clients);
    for (const DesignStretch& it : facts_.design)
      facts_.clients = std::max(facts_.clients, it.trace->clients);

    const DesignWindow* busier = nullptr;
    const std::vector<DesignWindow> windows = design_windows(measure, input_of(facts_.profile));
    for (const DesignWindow& it : windows)
      if (it.window.covers_virtual() && !it.window.estimated && (busier == nullptr || it.size > busier->size))
        busier = &it;
    const bool applies = busier != nullptr && facts_.choice.target_met && !facts_.curve.found &&
                         facts_.chosen->clients == Clients::independent && !facts_.outlier;
    if (!applies || is_small(busier->size - facts_.largest_need, facts_.largest_need)) return;
    facts_.busier_window = busier->name;
    facts_.busier_size = static_cast<int>(
        std::ceil(static_cast<double>(facts_.choice.size) * busier->size / facts_.largest_need));
    advice_.model = facts_.busier_size;
  }

  void apply_bounds() {
    int size = *advice_.model;
    double executing = 0, held = 0;
    for (const DesignStretch& it : facts_.design) {
      executing += it.figures.executing_share * it.figures.mean_held;
      held += it.figures.mean_held;
    }
    if (held > 0) lean_to_middle_of_gap(size, std::max(0.05, executing / held));
    if (facts_.enough > 0 && (!facts_.plateau.reached || facts_.plateau.probe)) {
      facts_.plateau.reached = true;
      facts_.plateau.probe = false;
      facts_.plateau.knee = facts_.enough * (held > 0 ? executing / held : 1);
      set_ceiling(size, facts_.enough, false);
    } else if (facts_.plateau.reached && held > 0) {
      const double own = executing / static_cast<double>(facts_.design.size());
      const double others = facts_.rest_executing;
      const double knee = std::max(facts_.plateau.knee - others, facts_.plateau.knee * own / (own + others));
      const double share = std::max(0.05, executing / held);
      const int ceiling = std::max(2, static_cast<int>(std::ceil(knee / share)));
      // A replay between levels that were seen knows better than the rule.
      const bool known = facts_.choice.target_met && !facts_.plateau.probe && size <= 1.15 * ceiling &&
                         size * share + others <= facts_.curve.solid();
      set_ceiling(size, ceiling, known);
    }
    // The pool is often full, and with half of the servers clearly less gets done.
    if (facts_.all_needed) size = std::max(size, advice_.current);
    const int seen = facts_.seen;
    const bool bending = facts_.curve.found && facts_.plateau.growth < growth_to_leap;
    facts_.step =
        std::max(seen + (bending ? 1 : 2), static_cast<int>(std::ceil((bending ? 1.25 : 1.5) * seen)));
    // Where nothing was ever seen, the headroom is not worth much.
    if (facts_.headroom_met && size > std::max(seen, facts_.needed_now))
      size = std::max({seen, facts_.needed_now, std::min(size, static_cast<int>(1.15 * facts_.needed_now))});
    climb(size);
    if (const int most = facts_.clients; most > 0 && size > most) {
      size = most;
      facts_.limited_by_clients = true;
      advice_.decided_by = DecidedBy::clients;
    }
    for (const std::optional<int>& limit : {facts_.profile.limit, share_})
      if (limit && size > *limit) {
        size = std::max(1, *limit);
        facts_.limited = true;
        advice_.decided_by = DecidedBy::limit;
      }
    if (size > facts_.step) {
      size = facts_.step;
      facts_.stepped = true;
    }
    advice_.recommended = std::max(size, 1);
  }

  void set_ceiling(int& size, int ceiling, bool may_exceed) {
    if (facts_.all_needed) ceiling = std::max(ceiling, advice_.current);
    facts_.ceiling = ceiling;
    if (!facts_.plateau.probe) advice_.ceiling = ceiling;
    if (size <= ceiling || may_exceed) return;
    size = ceiling;
    facts_.at_ceiling = true;
    advice_.decided_by = DecidedBy::server;
  }

  // Between levels that were seen the curve is a guess as well: the answer is drawn half way to the middle of
  // a wide gap.
  void lean_to_middle_of_gap(int& size, double share) {
    if (facts_.choice.target_met || !facts_.curve.found) return;
    const Gap gap = gap_around(facts_.curve, size * share + facts_.rest_executing);
    if (gap.above <= 3 * gap.below || gap.below <= 0) return;
    const double middle =
        (std::sqrt(static_cast<double>(gap.below) * gap.above) - facts_.rest_executing) / share;
    if (size >= middle) return;
    size = static_cast<int>(std::lround(std::sqrt(size * middle)));
    facts_.in_gap = gap;
  }

  // The curve beyond what was seen is a guess. While throughput still grows with the connections at the top
  // of it, a full pool that misses its target is not held back by that guess.
  void climb(int& size) {
    const bool full = facts_.chosen->figures.full_share > 0.25 &&
                      facts_.chosen->trace->pool_size == advice_.current && facts_.seen >= advice_.current;
    if (facts_.choice.target_met || !full || facts_.plateau.growth < growth_to_climb) return;
    const int higher = std::max(advice_.current + 1, static_cast<int>(std::ceil(1.25 * advice_.current)));
    if (!facts_.curve.found || size >= higher) return;
    size = higher;
    facts_.climbed = true;
  }

  void keep_what_is_good() {
    const int current = advice_.current;
    int size = *advice_.recommended;
    const bool probe = facts_.at_ceiling && facts_.plateau.probe && !facts_.stepped;
    if (current >= 1 && size != current && !facts_.climbed) {
      const SizeRow here = now_->row(current), there = now_->row(size);
      const bool meets = !facts_.choice.target_met || here.p99_wait <= in_seconds(facts_.profile.target_wait);
      const bool as_good =
          meets && here.enough_throughput && here.response_ratio <= 1.05 * there.response_ratio;
      const bool small = is_small(std::abs(size - current), current);
      // On a plateau nothing is gained by wandering about.
      const bool plateau = !facts_.choice.target_met && current >= facts_.choice.from &&
                           current <= facts_.choice.to && current <= 1.5 * size;
      const bool allowed = !facts_.limited || size > current;
      if (allowed && as_good && (small || plateau)) {
        size = current;
        facts_.kept_close = true;
        facts_.stepped = false;
      }
    }
    advice_.recommended = size;
    if (size == current) {
      advice_.verdict = Verdict::keep;
    } else if (probe) {
      advice_.verdict = Verdict::probe;
    } else if (size > current) {
      advice_.verdict = facts_.stepped || facts_.climbed ? Verdict::step : Verdict::grow;
    } else {
      advice_.verdict = Verdict::shrink;
    }
    advice_.model_is_lower_bound = facts_.stepped && facts_.chosen->clients != Clients::independent;
  }

  void fill_figures() {
    const TraceFigures& from = facts_.chosen->figures;
    AdviceFigures& f = advice_.figures;
    advice_.window = facts_.chosen->name;
    advice_.window_start = facts_.chosen->trace->start;
    f.window_length = facts_.chosen->trace->length;
    f.transactions = from.transactions;
    f.mean_in_use = from.mean_held;
    f.p99_in_use = from.p99_held;
    f.mean_demand = from.load;
    f.peakedness = from.offered.peakedness;
    f.full_share = from.full_share;
    f.waited_share = from.waited_share;
    f.p99_wait = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(from.p99_wait));
    f.gave_up = from.gave_up;
    f.idle_in_transaction_share = from.think_share;
    f.highest_in_use = facts_.seen;
    f.trials = facts_.profile.measure.trials;
    f.predicted_p99_wait = more_->worst_at(*advice_.recommended).p99_wait;
  }

  // The size that the deciding stretch would need, changed; empty when that makes no difference.
  std::optional<int> size_without(const ReplayLoad& load) {
    const int without = size_of(load);
    const int with = size_of(loads_[chosen_]);
    if (with - without < 2 || is_small(with - without, with)) return {};
    return without;
  }
  int size_of(const ReplayLoad& load) const {
    if (load.jobs.empty()) return 1;
    SizeSweep sweep(in_seconds(facts_.profile.target_wait), largest());
    const double traffic = facts_.headroom_met ? 1 + facts_.profile.headroom : 1;
    add(sweep, load, facts_.chosen->clients, traffic);
    return sweep.choose().size;
  }

  void diagnose() {
    const TraceFigures& f = facts_.chosen->figures;
    const ReplayLoad& load = loads_[chosen_];
    if (f.think_share > share_that_matters)
      if ((advice_.without_idle = size_without(without_think(load))) && !facts_.at_ceiling &&
          advice_.decided_by == DecidedBy::pool)
        advice_.decided_by = DecidedBy::idle_in_transaction;
    if (f.heaviest_load_share > heavy_class_load &&
        f.heaviest_load_share > heavy_class_factor * f.heaviest_count_share)
      advice_.without_heaviest = size_without(without_class(load, f.heaviest_class));
    if (f.other_share > other_share_that_matters)
      advice_.without_slow_readers = size_without(without_other(load));
    if (advice_.decided_by == DecidedBy::server && locks_are_why()) advice_.decided_by = DecidedBy::locks;
  }

  bool locks_are_why() const {
    if (facts_.host.lock_waiting.value_or(0) > lock_share_that_matters) return true;
    double all = 0, unharmed = 0;
    bool harmed = false;
    for (const SpeedCurve::ClassSlowdown& it : facts_.curve.classes) {
      all += it.exposure;
      if (it.slowdown < class_not_slowed) unharmed += it.exposure;
      harmed = harmed || it.slowdown > class_slowed;
    }
    return harmed && unharmed > 0.1 * all;
  }

  void fill_rest() {
    const int size = *advice_.recommended;
    double load = 0;
    bool closed = false;
    for (std::size_t i = 0; i < facts_.design.size(); ++i) {
      const TraceFigures& f = facts_.design[i].figures;
      double replayed = 0;
      for (const ReplayJob& job : loads_[i].jobs) replayed += job.work + job.think + job.other;
      const double recorded = f.offered.holding * static_cast<double>(loads_[i].jobs.size());
      load = std::max(load, f.highest_10s_load * (recorded > 0 ? std::min(1.0, replayed / recorded) : 1));
      closed = closed || facts_.design[i].clients == Clients::push_back;
    }
    int minimum = static_cast<int>(std::ceil(load / 0.95));
    if (closed)
      for (const int it : now_->sizes())
        if (now_->row(it).enough_throughput) {
          minimum = it;
          break;
        }
    advice_.minimum = std::clamp(minimum, 1, std::max(1, *advice_.model));
    int warm = 1;
    for (const DesignStretch& it : facts_.design) warm = std::max(warm, it.figures.p95_held);
    advice_.warm = std::min(warm, size);

    advice_.reserve = 0;
    const DesignStretch* worst = nullptr;
    for (const DesignStretch& it : facts_.excluded) {
      if (it.trace->incident) continue;
      if (worst == nullptr || it.by_formula > worst->by_formula) worst = &it;
    }
    if (worst == nullptr) return;
    const ReplayLoad left_out = replay_load(*worst->trace, facts_.curve);
    SizeSweep sweep(in_seconds(facts_.profile.target_wait), largest());
    add(sweep, left_out, worst->clients, 1);
    facts_.need_of_excluded = sweep.choose().size;
    int reserve = std::max(0, facts_.need_of_excluded - size);
    if (advice_.ceiling) reserve = std::min(reserve, std::max(0, *advice_.ceiling - size));
    advice_.reserve = reserve;
  }

  void fill_what_if() {
    const int current = std::max(1, advice_.current), size = *advice_.recommended;
    std::set<int> sizes{current, size, *advice_.model};
    if (advice_.ceiling) sizes.insert(*advice_.ceiling);
    const int low = std::max(1, std::min({current, size, advice_.minimum.value_or(size)}) - 1);
    const int high = 2 * std::max({size, current, *advice_.model});
    for (double it = low; it <= high; it = std::max(it + 1, it * 1.25)) sizes.insert(static_cast<int>(it));
    const double present = now_->worst_at(current).throughput;
    for (const int it : sizes) {
      const ReplayResult row = now_->worst_at(it);
      WhatIf what;
      what.size = it;
      what.busy_share = row.busy_share;
      what.waited_share = row.waited_share;
      what.p50_wait = row.p50_wait;
      what.p99_wait = row.p99_wait;
      what.p99_response = row.p99_response;
      what.throughput = row.throughput;
      what.throughput_change = present > 0 ? row.throughput / present - 1 : 0;
      what.p99_wait_with_headroom = more_->worst_at(it).p99_wait;
      what.mean_waiting = row.mean_waiting;
      what.beyond_evidence = it > facts_.seen;
      advice_.what_if.push_back(what);
    }
  }

  AdviceFacts facts_;
  std::optional<int> share_;
  Advice advice_;
  std::vector<ReplayLoad> loads_, cautious_;  // of facts_.design
  SpeedTable speed_;
  std::optional<SizeSweep> now_, more_;
  std::size_t chosen_ = 0;
  bool only_incidents_ = false;
};

// The formula knows nothing of the server: more connections for one that is at its limit are no advice.
void hold_at_plateau(Advice& advice, const HostProfile& host, Instant now) {
  if (!advice.recommended || *advice.recommended <= advice.current) return;
  if (!plateau_of(fit_speed(host.evidence, now)).reached) return;
  advice.recommended = advice.current;
  advice.verdict = Verdict::keep;
  advice.decided_by = DecidedBy::server;
  advice.in_short = "keep " + std::to_string(advice.current) +
                    ": PostgreSQL is about as fast as it gets; whether fewer connections do is not known yet";
  advice.reasons.push_back(
      "More connections would keep the waits, but PostgreSQL would not finish more transactions per second.");
}

Advice from_minutes(const PoolProfile& profile, const HostProfile& host, bool only_incidents,
                    std::optional<int> share) {
  Advice advice = recommend(with_kept_minutes(profile), input_of(profile));
  if (only_incidents) {
    advice.missing.push_back(
        "All recorded transactions fell into an incident, when they took far longer than usual: no size is "
        "advised from them.");
    if (!advice.recommended) {
      advice.decided_by = DecidedBy::incident;
      advice.in_short = "collecting: what was recorded was an incident, no size is advised from it";
    }
  } else if (advice.recommended) {
    advice.missing.push_back(
        "No transactions were recorded long enough to replay them (1000 in 10 s at least): this is a "
        "formula's "
        "answer from the sums of each minute.");
  }
  if (advice.confidence == Confidence::high) advice.confidence = Confidence::medium;
  hold_at_plateau(advice, host, profile.now);
  std::optional<int> limit = profile.limit;
  if (share) limit = limit ? std::min(*limit, *share) : *share;
  if (limit && advice.recommended && *advice.recommended > *limit) {
    advice.recommended = std::max(1, *limit);
    advice.decided_by = DecidedBy::limit;
    advice.verdict = *advice.recommended > advice.current   ? Verdict::grow
                     : *advice.recommended < advice.current ? Verdict::shrink
                                                            : Verdict::keep;
    advice.in_short = std::string(to_string(advice.verdict)) +
                      (advice.verdict == Verdict::keep ? " " : " to ") + std::to_string(*advice.recommended) +
                      ": that is what the other limits leave to this pool";
  }
  return advice;
}

}  // namespace

Advice advise(const PoolProfile& profile, const HostProfile& host, std::optional<int> share) {
  Adviser adviser(profile, host, share);
  if (!adviser.find_design()) return from_minutes(profile, host, adviser.only_incidents(), share);
  return adviser.advise();
}

}  // namespace pgweir
