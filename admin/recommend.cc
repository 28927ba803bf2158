#include "admin/recommend.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "admin/design_windows.h"
#include "admin/erlang.h"
#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {

namespace {

constexpr double think_share_that_matters = 0.3;

// Whether clients send again only after they were answered, as far as the window shows.
enum class Clients { independent, unclear, push_back };

Clients clients_of(const MinuteWindow& window, double full_share) {
  const double clients = std::max(window.clients, window.highest_needing);
  const double share_active =
      in_seconds(window.active()) > 0 ? in_seconds(window.duration) / in_seconds(window.active()) : 1;
  const double needing = window.trend.mean_level() * share_active;
  const double feedback = window.trend.feedback(clients);
  // Nearly all clients at the pool all the time: nobody is left to send more.
  if (full_share > 0.5 && needing > 0.8 * clients) return Clients::push_back;
  if (std::isnan(feedback)) return full_share > 0.05 ? Clients::unclear : Clients::independent;
  if (feedback < -0.5) return Clients::push_back;
  return feedback < -0.3 ? Clients::unclear : Clients::independent;
}

// How much the throughput of queries grew, in % for each % more queries at once, at the top of what was seen.
// Empty when too little was seen to tell.
std::optional<double> throughput_growth(const LevelTimes& executing, int& low, int& high) {
  high = executing.highest();
  while (high > 0 && executing.completions_at(high) < enough_transactions) --high;
  low = static_cast<int>(std::lround(high / 1.5));
  if (high < 4 || executing.completions_at(low) < enough_transactions) return {};
  const auto rate = [&](int level) {
    return static_cast<double>(executing.completions_at(level)) / in_seconds(executing.time_at(level));
  };
  if (executing.time_at(low) <= Duration::zero() || executing.time_at(high) <= Duration::zero()) return {};
  return std::log(rate(high) / rate(low)) / std::log(static_cast<double>(high) / low);
}

// How many transactions, counted from the longest, make up half of the holding time.
std::uint64_t slow_half(const Histogram& holdings) {
  double half = 0, seen = 0;
  holdings.for_each([&](Duration low, Duration high, std::uint64_t count) {
    half += (in_seconds(low) + in_seconds(high)) / 4 * static_cast<double>(count);
  });
  std::uint64_t fast = 0;
  holdings.for_each([&](Duration low, Duration high, std::uint64_t count) {
    seen += (in_seconds(low) + in_seconds(high)) / 2 * static_cast<double>(count);
    if (seen < half) fast += count;
  });
  return holdings.count() - fast;
}

Advice collecting(Advice advice, const PoolMeasure& measure) {
  Duration active = measure.current.active();
  std::uint64_t transactions = measure.current.completions;
  for (const WindowRef& window : measure.windows) {
    active += window->active();
    transactions += window->completions;
  }
  advice.figures.window_length = active;
  advice.figures.transactions = transactions;
  advice.in_short = "collecting: " + count_text(transactions, "transaction", "transactions") + " in " +
                    duration_text(active) + " of load so far, not enough to say";
  advice.reasons.push_back("There is not enough data for a recommendation yet.");
  if (transactions < enough_transactions)
    advice.missing.push_back("At least " + std::to_string(enough_transactions) +
                             " transactions are needed; there were " + std::to_string(transactions) + ".");
  if (active < shortest_load)
    advice.missing.push_back("At least " + duration_text(shortest_load) + " of load are needed; there were " +
                             duration_text(active) + ".");
  if (advice.missing.empty())
    advice.missing.push_back("The last windows alone do not hold " + std::to_string(enough_transactions) +
                             " transactions.");
  return advice;
}

// One piece of advice in the making.
class FormulaAdviser {
 public:
  FormulaAdviser(const PoolMeasure& measure, const AdviceInput& input) : measure_(measure), input_(input) {}

  Advice advise() {
    advice_.current = input_.pool_size;
    all_ = design_windows(measure_, input_);
    if (all_.empty()) return collecting(std::move(advice_), measure_);
    // The largest need decides; of equals the one with the most load.
    chosen_ = &*std::max_element(all_.begin(), all_.end(),
                                 [](const auto& a, const auto& b) { return a.size < b.size; });
    fill_figures();
    choose_size();
    judge_idle();
    explain();
    rate_confidence();
    return std::move(advice_);
  }

 private:
  const MinuteWindow& window() const { return chosen_->window; }

  void fill_figures() {
    AdviceFigures& f = advice_.figures;
    advice_.window = chosen_->name;
    advice_.window_start = window().start;
    LevelTimes held = window().held;
    const double held_seconds = in_seconds(held.level_time());
    held.remove_idle(window().idle);
    const LevelTimes demand = window().demand();
    const Histogram waits = window().waits.unpack();
    f.window_length = window().active();
    f.transactions = window().completions;
    f.mean_in_use = held.mean();
    f.p99_in_use = held.quantile(0.99);
    f.mean_demand = demand.mean();
    f.p99_demand = demand.quantile(0.99);
    f.peakedness = chosen_->offered.peakedness;
    f.waited_share = waits.share_above(Duration::zero());
    f.p99_wait = chosen_->p99_wait;
    f.gave_up = window().abandoned();
    // The minutes may be an earlier process's.
    f.highest_in_use = highest_seen();
    if (held_seconds > 0)
      f.idle_in_transaction_share = in_seconds(window().idle_in_transaction) / held_seconds;
    measured_size_ = window().pool_size > 0 ? window().pool_size : input_.pool_size;
    if (measured_size_ > 0) f.full_share = held.share_at_or_above(measured_size_);
    clients_ = clients_of(window(), f.full_share);
  }

  void choose_size() {
    const AdviceFigures& f = advice_.figures;
    const int current = advice_.current;
    const int model = chosen_->size;
    advice_.model = model;
    const bool too_slow = f.p99_wait > input_.target_wait;
    advice_.model_is_lower_bound =
        too_slow && f.full_share > 0.5 && (clients_ == Clients::push_back || !window().covers_virtual());
    // Clients that wait for their answers make no queue that grows for ever.
    const bool self_limiting = clients_ == Clients::push_back && f.full_share > 0.5;
    if (!self_limiting) advice_.minimum = std::max(1, static_cast<int>(std::ceil(f.mean_demand / 0.95)));
    const int seen = f.highest_in_use;
    step_ = std::max(seen + 2, static_cast<int>(std::ceil(1.5 * seen)));

    int size = model;
    if (advice_.model_is_lower_bound) size = std::max(size, std::max(step_, current));
    if (size > current) size = std::min(size, std::max(step_, current));
    if (const int clients = known_clients(); clients > 0 && size > clients) {
      size = clients;
      limited_by_clients_ = true;
    }
    size = std::max(size, 1);
    if (size > current && self_limiting && !too_slow && measured_size_ == current) {
      size = current;
      good_as_it_is_ = true;
    }

    const int difference = std::abs(size - current);
    const bool small = difference <= 1 || difference <= 0.15 * current;
    // A size that missed the target in this very window is not kept for being close.
    const bool failed = too_slow && measured_size_ == current && size > current;
    if (small && !failed) size = current;
    advice_.recommended = size;
    const bool wants_more = !limited_by_clients_ && (advice_.model_is_lower_bound || model > step_);
    if (size > current) {
      advice_.verdict = wants_more ? Verdict::step : Verdict::grow;
    } else {
      advice_.verdict = size < current ? Verdict::shrink : Verdict::keep;
    }
    advice_.decided_by = limited_by_clients_ ? DecidedBy::clients : DecidedBy::pool;
    advice_.as_good_from = advice_.as_good_to = model;
    advice_.warm = std::min(size, chosen_->window.demand().quantile(0.95));
    advice_.figures.predicted_p99_wait = p99_wait(chosen_->offered, size);
  }

  int highest_seen() const {
    int highest = (measure_.shards == 1 ? measure_.held : measure_.current.held).highest();
    for (const WindowRef& minute : measure_.windows) highest = std::max(highest, minute->held.highest());
    return highest;
  }

  // The most clients that were ever seen at once, if that is known; 0 if not.
  int known_clients() const {
    int clients = std::max(input_.connected_clients, measure_.current.clients);
    int needing = measure_.current.highest_needing;
    for (const WindowRef& minute : measure_.windows) {
      clients = std::max(clients, minute->clients);
      needing = std::max(needing, minute->highest_needing);
    }
    return clients >= needing ? clients : 0;
  }

  void judge_idle() {
    const double think = advice_.figures.idle_in_transaction_share;
    if (think <= think_share_that_matters) return;
    OfferedLoad without = chosen_->offered;
    without.mean *= 1 - think;
    without.holding *= 1 - think;
    const int size = smallest_size(without, in_seconds(input_.target_wait));
    const int saved = *advice_.model - size;
    if (saved < 2 || saved < 0.15 * *advice_.model) return;
    advice_.without_idle = size;
    advice_.decided_by = DecidedBy::idle_in_transaction;
  }

  void explain() {
    const AdviceFigures& f = advice_.figures;
    const int size = *advice_.recommended;
    const std::string target = duration_text(input_.target_wait);
    const std::string verb = size > advice_.current ? "grow" : size < advice_.current ? "shrink" : "keep";
    const std::string p99 = duration_text(f.p99_wait);

    std::string& line = advice_.in_short;
    if (verb == "keep") {
      line = "keep " + std::to_string(size);
    } else if (advice_.verdict == Verdict::step) {
      line = "grow one step to " + std::to_string(size) + ", then ask again";
    } else {
      line = verb + " to " + std::to_string(size);
    }
    if (advice_.without_idle) {
      line += ": " + percent_text(f.idle_in_transaction_share) +
              " of the time clients hold a connection idle in a transaction; without it " +
              std::to_string(*advice_.without_idle) + " would do";
    } else {
      line += ": p99 wait " + p99 + " (target " + target + ") in the " + advice_.window;
    }

    auto& reasons = advice_.reasons;
    reasons.push_back("In the " + advice_.window + ", with " +
                      count_text(f.transactions, "transaction", "transactions") + ", " +
                      number_text(f.mean_in_use, 1) +
                      " connections were in use on average, and for 99 % of the time at most " +
                      std::to_string(f.p99_in_use) + "; the pool of " + std::to_string(measured_size_) +
                      " was full for " + percent_text(f.full_share) + " of the time.");
    if (f.waited_share > 0) {
      reasons.push_back(
          percent_text(f.waited_share) + " of the transactions waited for a connection; 99 % waited " +
          (f.p99_wait == Duration::zero() ? "not at all" : "at most " + duration_text(f.p99_wait)) +
          ". The target is " + target + ".");
    } else {
      reasons.push_back("No transaction waited for a connection. The target is " + target + ".");
    }
    if (f.gave_up > 0) reasons.push_back(count_text(f.gave_up, "client", "clients") + " gave up waiting.");
    explain_model();
    if (advice_.without_idle)
      reasons.push_back("Connections were idle in a transaction for " +
                        percent_text(f.idle_in_transaction_share) +
                        " of the time that they were held. If clients ended their transactions at once, " +
                        std::to_string(*advice_.without_idle) + " would do instead of " +
                        std::to_string(*advice_.model) + ".");
    const auto& opening = window().waits_by_reason[static_cast<std::size_t>(WaitReason::opening)];
    const auto& full = window().waits_by_reason[static_cast<std::size_t>(WaitReason::pool_full)];
    if (opening.time > full.time && f.p99_wait > input_.target_wait)
      reasons.push_back(
          "Most of the waiting was for connections to be opened, not for a free one: a higher min_pool_size "
          "helps more than a larger pool.");
    int low = 0, high = 0;
    if (const auto growth = throughput_growth(measure_.executing, low, high); growth && *growth < 0.15)
      reasons.push_back(
          "Queries per second did not rise between " + std::to_string(low) + " and " + std::to_string(high) +
          " queries at once: either PostgreSQL is at its limit, and more connections will not help, or a few "
          "slow statements are what keeps many connections busy.");
  }

  void explain_model() {
    const int model = *advice_.model, size = *advice_.recommended;
    auto& reasons = advice_.reasons;
    const std::string more = percent_text(input_.headroom) + " more traffic";
    if (advice_.model_is_lower_bound) {
      reasons.push_back(
          "The pool was full most of the time, and clients that wait do not send: the demand is larger than "
          "what "
          "could be measured, by how much is not known. The measured part needs at least " +
          std::to_string(model) + ".");
    } else {
      const double wait = p99_wait(chosen_->offered, model);
      reasons.push_back("Had nobody waited, " + number_text(advice_.figures.mean_demand, 1) +
                        " connections would have been in use on average; with " + more + " " +
                        std::to_string(model) + " keep the p99 wait at about " + duration_text(wait) + ".");
    }
    if (good_as_it_is_)
      reasons.push_back(
          "The pool was full most of the time, but the target is met, and clients that wait for their "
          "answers "
          "send less by themselves: there is no need for more.");
    if (limited_by_clients_)
      reasons.push_back("There were never more than " +
                        count_text(static_cast<std::uint64_t>(known_clients()), "client", "clients") +
                        ", so more connections could not be used.");
    const int seen = advice_.figures.highest_in_use;
    const bool stepped =
        !limited_by_clients_ && size <= step_ && (model > size || advice_.model_is_lower_bound);
    if (stepped && size >= advice_.current && (model > step_ || advice_.model_is_lower_bound))
      reasons.push_back(
          "Never more than " + std::to_string(seen) +
          " connections were seen in use, so the advice goes no further than " + std::to_string(step_) +
          " at once. Whether PostgreSQL is as fast with more is not known: look at its throughput after the "
          "change, and go back if it did not rise.");
    if (size == advice_.current && size != model && !stepped && !limited_by_clients_ && !good_as_it_is_)
      reasons.push_back("The difference between " + std::to_string(size) + " and " + std::to_string(model) +
                        " is too small to be worth a change.");
    if (input_.reserve_pool_size > 0)
      reasons.push_back("reserve_pool_size (" + std::to_string(input_.reserve_pool_size) +
                        ") is not counted on: it is for emergencies.");
  }

  void lacks(std::string what, int levels = 1) {
    advice_.missing.push_back(std::move(what));
    lowered_ += levels;
  }

  void judge_spread() {
    int smallest = *advice_.model, largest = *advice_.model;
    for (const DesignWindow& it : all_) {
      if (!it.window.covers_virtual()) continue;
      smallest = std::min(smallest, it.size);
      largest = std::max(largest, it.size);
    }
    if (largest - smallest > 2 && largest > 1.5 * smallest)
      lacks("The busiest minutes differ: they alone would need between " + std::to_string(smallest) +
            " and " + std::to_string(largest) + ".");
  }

  void rate_confidence() {
    const AdviceFigures& f = advice_.figures;
    Duration active = measure_.current.active();
    for (const WindowRef& minute : measure_.windows) active += minute->active();
    const Duration history = measure_.now - measure_.since;
    if (active < std::chrono::minutes(1)) {
      lacks("Only " + duration_text(active) +
                " of load were seen, less than a minute: other times may be busier.",
            2);
    } else if (history < std::chrono::hours(24)) {
      lacks("Only " + duration_text(history) + " have been measured: other times of the day may be busier.");
    }
    if (advice_.model_is_lower_bound) {
      lacks("A full pool hid part of the demand.", 2);
    } else if (f.full_share > 0.05 && clients_ == Clients::push_back) {
      lacks("The pool was full for " + percent_text(f.full_share) +
            " of the time, and clients that wait do not send: the demand may be larger than measured.");
    } else if (f.full_share > 0.05 && clients_ == Clients::unclear) {
      lacks("It is not clear whether clients would send more if they were served faster.");
    }
    const int size = *advice_.recommended;
    int evidence = highest_seen();
    if (measure_.shards == 1)
      while (evidence > 0 && measure_.held.completions_at(evidence) < 100) --evidence;
    if (size > advice_.current && size > 1.2 * evidence)
      lacks("PostgreSQL was never seen with more than " + std::to_string(evidence) +
            " of these connections in use for long.");
    const std::uint64_t slow = slow_half(measure_.holdings);
    if (slow < 300)
      lacks("Half of the load comes from only " + count_text(slow, "long transaction", "long transactions") +
                ".",
            slow < 100 ? 2 : 1);
    judge_spread();
    if (f.gave_up > f.transactions / 100) lacks("Clients that gave up are counted as typical transactions.");
    if (!window().covers_virtual())
      lacks(
          "Clients are still waiting, so the demand of this window is not known yet; what was in use stands "
          "in for it.",
          2);
    if (window().estimated)
      lacks("The pool is spread over " + std::to_string(window().shards) +
            " workers: how many connections they used at the same moment is estimated.");
    if (measured_size_ != advice_.current)
      lacks("This was measured at a size of " + std::to_string(measured_size_) + ", not at " +
            std::to_string(advice_.current) + ".");
    advice_.confidence = lowered_ == 0   ? Confidence::high
                         : lowered_ == 1 ? Confidence::medium
                                         : Confidence::low;
  }

  const PoolMeasure& measure_;
  const AdviceInput& input_;
  Advice advice_;
  std::vector<DesignWindow> all_;
  const DesignWindow* chosen_ = nullptr;
  int measured_size_ = 0;
  int step_ = 0;
  bool limited_by_clients_ = false;
  bool good_as_it_is_ = false;
  int lowered_ = 0;
  Clients clients_ = Clients::unclear;
};

}  // namespace

Advice recommend(const PoolMeasure& measure, const AdviceInput& input) {
  return FormulaAdviser(measure, input).advise();
}

}  // namespace pgweir
