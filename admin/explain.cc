// The sentences of advice that was replayed: the verb first, numbers with units, the stretch of time named.

#include <algorithm>
#include <cmath>
#include <utility>

#include "admin/advice_facts.h"
#include "admin/design_windows.h"
#include "admin/words.h"

namespace pgweir {

namespace {

std::string servers(int n) { return count_text(static_cast<std::uint64_t>(n), "connection", "connections"); }

const WhatIf* row_of(const Advice& advice, int size) {
  for (const WhatIf& it : advice.what_if)
    if (it.size == size) return &it;
  return nullptr;
}

std::string waits_at_most(double p99_wait) {
  return p99_wait <= 1e-6 ? "not at all" : "at most " + duration_text(p99_wait);
}

std::string class_name(const AdviceFacts& facts) {
  const std::size_t at = facts.chosen->figures.heaviest_class;
  if (at < facts.profile.classes.size() && !facts.profile.classes[at].name.empty())
    return facts.profile.classes[at].name;
  return "the heaviest statement";
}

void say_in_short(Advice& advice, const AdviceFacts& facts) {
  const int size = *advice.recommended;
  std::string& line = advice.in_short;
  switch (advice.verdict) {
    case Verdict::keep:
    case Verdict::collecting:
      line = "keep " + std::to_string(size);
      break;
    case Verdict::grow:
      line = "grow to " + std::to_string(size);
      break;
    case Verdict::shrink:
      line = "shrink to " + std::to_string(size);
      break;
    case Verdict::step:
      line = "grow one step to " + std::to_string(size) + ", then ask again";
      break;
    case Verdict::probe:
      line = "try " + std::to_string(size) + ", then ask again";
      break;
  }
  line += ": ";
  const std::string target = duration_text(facts.profile.target_wait);
  switch (advice.decided_by) {
    case DecidedBy::idle_in_transaction:
      line += percent_text(advice.figures.idle_in_transaction_share) +
              " of the time clients hold a connection idle in a transaction; without it " +
              std::to_string(*advice.without_idle) + " would do";
      return;
    case DecidedBy::server:
      if (facts.climbed || facts.stepped) {
        line += "PostgreSQL was still getting faster with more, up to what was seen";
        return;
      }
      line += facts.plateau.probe && facts.at_ceiling
                  ? "PostgreSQL is no faster with many connections than with few, but nothing in between was "
                    "seen"
                  : "PostgreSQL does not get faster with more, answers only take longer";
      return;
    case DecidedBy::locks:
      line += "statements wait for each other's locks, more connections only make them wait longer";
      return;
    case DecidedBy::clients:
      line += "there were never more than " +
              count_text(static_cast<std::uint64_t>(facts.clients), "client", "clients") + " to use them";
      return;
    case DecidedBy::limit:
      line += "that is what the other limits leave to this pool; " + std::to_string(*advice.model) +
              " would be right";
      return;
    case DecidedBy::none:
    case DecidedBy::incident:
    case DecidedBy::pool:
      break;
  }
  line += "p99 wait " + duration_text(advice.figures.p99_wait) + " (target " + target + ") at " +
          std::to_string(facts.chosen->trace->pool_size) + " in the busiest " + advice.window;
}

void say_what_was_seen(Advice& advice, const AdviceFacts& facts) {
  const AdviceFigures& f = advice.figures;
  const int measured_at = facts.chosen->trace->pool_size;
  advice.reasons.push_back("In the busiest " + advice.window + ", with " +
                           count_text(f.transactions, "transaction", "transactions") + ", " +
                           number_text(f.mean_in_use, 1) +
                           " connections were in use on average, and for 99 % of the time at most " +
                           std::to_string(f.p99_in_use) + "; the pool of " + std::to_string(measured_at) +
                           " was full for " + percent_text(f.full_share) + " of the time.");
  const std::string target = duration_text(facts.profile.target_wait);
  if (f.waited_share > 0) {
    advice.reasons.push_back(
        percent_text(f.waited_share) + " of the transactions waited for a connection; 99 % waited " +
        waits_at_most(facts.chosen->figures.p99_wait) + ". The target is " + target + ".");
  } else {
    advice.reasons.push_back("No transaction waited for a connection. The target is " + target + ".");
  }
  if (f.gave_up > 0)
    advice.reasons.push_back(count_text(f.gave_up, "client", "clients") + " gave up waiting.");
}

void say_what_replay_says(Advice& advice, const AdviceFacts& facts) {
  const int size = *advice.recommended, model = *advice.model;
  const std::string more = percent_text(facts.profile.headroom) + " more traffic";
  const WhatIf* here = row_of(advice, advice.current);
  const WhatIf* there = row_of(advice, size);
  if (there != nullptr) {
    std::string line = "The same traffic, replayed with " + servers(size) +
                       ": 99 % of the transactions wait " + waits_at_most(there->p99_wait) +
                       " and are answered within " + duration_text(there->p99_response);
    if (here != nullptr && size != advice.current)
      line += "; with the present " + std::to_string(advice.current) + " they wait " +
              waits_at_most(here->p99_wait) + " and are answered within " + duration_text(here->p99_response);
    if (facts.profile.headroom > 0)
      line += ". With " + more + " they would wait " + waits_at_most(there->p99_wait_with_headroom);
    advice.reasons.push_back(line + ".");
  }
  if (facts.choice.target_met && !facts.headroom_met)
    advice.reasons.push_back("With " + more +
                             " no size would keep the target: PostgreSQL is close to its limit.");
  if (!facts.choice.target_met)
    advice.reasons.push_back(
        "No size keeps the waits within the target: PostgreSQL itself is too slow for this traffic. " +
        std::to_string(facts.choice.size) + " answers soonest.");
  if (facts.choice.to > facts.choice.from && facts.choice.size == model &&
      (!facts.choice.target_met || facts.chosen->clients == Clients::push_back))
    advice.reasons.push_back("Any size from " + std::to_string(facts.choice.from) + " to " +
                             std::to_string(facts.choice.to) + " performs about the same.");
  if (!facts.busier_window.empty())
    advice.reasons.push_back("The " + facts.busier_window +
                             " was busier than all that could be replayed, so the size is scaled up to " +
                             std::to_string(facts.busier_size) + ".");
}

void say_trials(Advice& advice, const AdviceFacts& facts) {
  const TrialResult& it = facts.profile.measure.trials;
  if (!it.any()) return;
  std::string line =
      "For a moment, now and then, only " + std::to_string(it.some.servers) + " of " +
      std::to_string(it.all.servers) +
      " connections were used, to learn what the others do: " + number_text(it.some.per_second(), 0) +
      " transactions a second were done, and " + number_text(it.all.per_second(), 0) + " with all of them.";
  if (facts.enough > 0) line += " So more connections do not get more done.";
  advice.reasons.push_back(std::move(line));
}

void say_bounds(Advice& advice, const AdviceFacts& facts) {
  auto& reasons = advice.reasons;
  const int size = *advice.recommended, model = *advice.model;
  if (facts.plateau.reached) {
    if (facts.plateau.probe) {
      reasons.push_back(
          "Somewhere between " + std::to_string(facts.plateau.below) + " and " +
          std::to_string(facts.plateau.above) +
          " statements executing at once PostgreSQL stops to finish more of them per second, and was never "
          "seen there: a size in the middle would tell where.");
    } else {
      reasons.push_back(
          "From " + std::to_string(static_cast<int>(std::ceil(facts.plateau.knee))) +
          " statements executing at once PostgreSQL does not finish more of them per second; for "
          "this pool that is " +
          servers(facts.ceiling) + ".");
    }
  }
  if (facts.at_ceiling && model > size)
    reasons.push_back("By the waits alone " + std::to_string(model) +
                      " would be advised; they would only move the waiting into PostgreSQL.");
  if (facts.limited_by_clients)
    reasons.push_back(
        "There were never more than " +
        count_text(static_cast<std::uint64_t>(facts.clients), "client", "clients") +
        ", so more connections could not be used: if there is a queue, it is in the application's "
        "own pool.");
  if (facts.limited)
    reasons.push_back("Other limits leave " + servers(size) + " to this pool; its traffic needs " +
                      std::to_string(model) + ".");
  if (facts.stepped)
    reasons.push_back("Never more than " + std::to_string(facts.seen) +
                      " connections were seen in use, so the advice goes no further than " +
                      std::to_string(facts.step) + " at once, though the replay says " +
                      std::to_string(model) + ". How fast PostgreSQL is with more is not known.");
  if (facts.in_gap.above > 0)
    reasons.push_back(
        "PostgreSQL was never seen with between " + std::to_string(facts.in_gap.below) + " and " +
        std::to_string(facts.in_gap.above) +
        " statements executing at once, where the best size lies: the size is drawn to the middle.");
  if (facts.climbed)
    reasons.push_back(
        "PostgreSQL finished more per second with each connection up to the " + std::to_string(facts.seen) +
        " that were seen in use, and clients wait: whether it does so with a few more is worth a "
        "try.");
  if (facts.kept_close && size != model)
    reasons.push_back("The difference between " + std::to_string(size) + " and " + std::to_string(model) +
                      " is too small to be worth a change.");
}

void say_causes(Advice& advice, const AdviceFacts& facts) {
  auto& reasons = advice.reasons;
  const TraceFigures& f = facts.chosen->figures;
  const std::string instead = " instead of " + std::to_string(*advice.model) + ".";
  if (advice.without_idle)
    reasons.push_back("Connections were idle in a transaction for " + percent_text(f.think_share) +
                      " of the time that they were held. If clients ended their transactions at once, " +
                      std::to_string(*advice.without_idle) + " would do" + instead);
  if (advice.without_heaviest)
    reasons.push_back(percent_text(f.heaviest_load_share) + " of the executing time goes to " +
                      class_name(facts) + ", which is " + percent_text(f.heaviest_count_share) +
                      " of the transactions. Without it, or in a pool of its own, " +
                      std::to_string(*advice.without_heaviest) + " would do" + instead);
  if (advice.without_slow_readers)
    reasons.push_back(
        "For " + percent_text(f.other_share) +
        " of the time that connections were held they neither worked nor were in a transaction: "
        "they were prepared, cleaned up, or their clients were slow to read. Without that " +
        std::to_string(*advice.without_slow_readers) + " would do" + instead);
  if (f.opening_share > 0.5 && facts.chosen->figures.p99_wait > 0)
    reasons.push_back(
        "Most of the waiting was for connections to be opened, not for a free one: a higher min_pool_size (" +
        std::to_string(advice.warm.value_or(0)) + ") helps more than a larger pool.");
  if (facts.outlier)
    reasons.push_back("One day was like no other and is left out: it would need " +
                      std::to_string(facts.need_of_excluded) + ".");
  const auto incidents =
      static_cast<std::uint64_t>(std::count_if(facts.excluded.begin(), facts.excluded.end(),
                                               [](const DesignStretch& it) { return it.trace->incident; }));
  if (incidents > 0)
    reasons.push_back(
        count_text(incidents, "recorded minute is", "recorded minutes are") +
        " left out: statements took far longer than usual there, with no more traffic, as they do "
        "behind locks or a slow disk. More connections do not help against that.");
  if (facts.profile.reserve_pool_size > 0)
    reasons.push_back("reserve_pool_size (" + std::to_string(facts.profile.reserve_pool_size) +
                      ") is not counted on: it is for emergencies.");
}

// What is missing, and how much each of it lowers the confidence.
class Missing {
 public:
  Missing(Advice& advice, const AdviceFacts& facts) : advice_(advice), facts_(facts) {}

  void list() {
    about_history();
    about_demand();
    about_host();
    advice_.confidence = lowered_ == 0   ? Confidence::high
                         : lowered_ == 1 ? Confidence::medium
                                         : Confidence::low;
  }

 private:
  void lacks(std::string what, int levels = 1) {
    advice_.missing.push_back(std::move(what));
    lowered_ += levels;
  }

  void about_history() {
    const PoolMeasure& measure = facts_.profile.measure;
    Duration history = measure.now - measure.since;
    for (const DesignStretch& it : facts_.design)
      history = std::max(history, facts_.profile.now - it.trace->start);
    if (!facts_.profile.days.empty())
      history = std::max(history, facts_.profile.now - facts_.profile.days.front()->sum.start);
    if (history < std::chrono::hours(24))
      lacks("Only " + duration_text(history) + " have been measured: other times of the day may be busier.");
    if (facts_.largest_need - facts_.smallest_need > 2 && facts_.largest_need > 1.5 * facts_.smallest_need)
      lacks("The busiest stretches differ: they alone would need between " +
            std::to_string(facts_.smallest_need) + " and " + std::to_string(facts_.largest_need) + ".");
    if (!facts_.busier_window.empty())
      lacks("The transactions of the " + facts_.busier_window + " were not recorded.");
  }

  void about_demand() {
    const TraceFigures& f = facts_.chosen->figures;
    if (f.full_share > 0.05 && facts_.chosen->clients == Clients::push_back)
      lacks("The pool was full for " + percent_text(f.full_share) +
            " of the time, and clients that wait do not send: the demand may be larger than measured.");
    if (facts_.chosen->clients == Clients::unclear)
      lacks("It is not clear whether clients would send more if they were served faster.");
    if (f.slow_half < 300)
      lacks("Half of the load comes from only " +
                count_text(f.slow_half, "long transaction", "long transactions") + ".",
            f.slow_half < 100 ? 2 : 1);
    if (f.gave_up > f.transactions / 100) lacks("Clients that gave up are counted as typical transactions.");
    const int formula = facts_.chosen->by_formula, model = facts_.choice.size;
    if (!facts_.curve.found && facts_.chosen->clients == Clients::independent && facts_.choice.target_met &&
        std::abs(formula - model) > 1 && std::abs(formula - model) > 0.3 * model)
      lacks("The traffic is not of a simple kind: a formula would say " + std::to_string(formula) +
            ", the replay " + std::to_string(model) + ".");
    if (facts_.profile.instances > 1)
      lacks("This is the traffic of one of " + std::to_string(facts_.profile.instances) +
            " instances of pgweir; the others may see another.");
  }

  void about_host() {
    const int size = *advice_.recommended;
    if (size > advice_.current && size > 1.2 * facts_.seen)
      lacks("PostgreSQL was never seen with more than " + std::to_string(facts_.seen) +
            " of these connections in use.");
    if (facts_.plateau.probe && facts_.at_ceiling) {
      lacks("How fast PostgreSQL is between " + std::to_string(facts_.plateau.below) + " and " +
            std::to_string(facts_.plateau.above) + " executing statements was never seen.");
    } else if (facts_.curve.found && facts_.curve.error > 0.1) {
      lacks("The speed of PostgreSQL at the same number of executing statements varied by " +
            percent_text(facts_.curve.error) + ".");
    }
    if (facts_.curve.levels.empty())
      lacks("Nothing is known of how fast PostgreSQL is when more statements execute at once.");
    const double own =
        std::max(0.1, facts_.chosen->figures.mean_held * facts_.chosen->figures.executing_share);
    if (facts_.host.other_executing && *facts_.host.other_executing > 0.2 * own)
      lacks("Other clients of the server execute " + number_text(*facts_.host.other_executing, 1) +
            " statements at a time on average, and are not predicted.");
  }

  Advice& advice_;
  const AdviceFacts& facts_;
  int lowered_ = 0;
};

}  // namespace

void explain(Advice& advice, const AdviceFacts& facts) {
  say_in_short(advice, facts);
  say_what_was_seen(advice, facts);
  say_what_replay_says(advice, facts);
  say_trials(advice, facts);
  say_bounds(advice, facts);
  say_causes(advice, facts);
  Missing(advice, facts).list();
}

}  // namespace pgweir
