#include "admin/recommend.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "admin/erlang.h"

namespace pgweir {

namespace {

constexpr std::uint64_t enough_transactions = 1000;
constexpr Duration shortest_load = std::chrono::seconds(10);
constexpr double think_share_that_matters = 0.3;

double seconds(Duration span) { return std::chrono::duration<double>(span).count(); }

std::string number(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string percent(double share) {
  const double value = share * 100;
  return number(value, value > 0 && value < 9.95 ? 1 : 0) + " %";
}

std::string text_of(double secs) {
  if (!std::isfinite(secs)) return "without end";
  if (secs <= 0) return "0 ms";
  if (secs < 0.0005) return number(std::max(1.0, secs * 1e6), 0) + " us";
  if (secs < 0.00995) return number(secs * 1e3, 1) + " ms";
  if (secs < 0.9995) return number(secs * 1e3, 0) + " ms";
  if (secs < 9.95) return number(secs, 1) + " s";
  if (secs < 120) return number(secs, 0) + " s";
  if (secs < 7200) return number(secs / 60, 0) + " min";
  return number(secs / 3600, 0) + " h";
}

std::string text_of(Duration span) { return text_of(seconds(span)); }

std::string plural(std::uint64_t n, const char* one, const char* many) {
  return std::to_string(n) + ' ' + (n == 1 ? one : many);
}

// "Tue 10:04 UTC", or how long ago it began.
std::string when(Instant at, Instant now, Duration wall_offset) {
  if (wall_offset == Duration::zero()) return "began " + text_of(now - at) + " ago";
  constexpr const char* days[] = {"Thu", "Fri", "Sat", "Sun",
                                  "Mon", "Tue", "Wed"};  // 1970 began on a Thursday
  const auto minutes = std::chrono::floor<std::chrono::minutes>(at.time_since_epoch() + wall_offset).count();
  if (minutes < 0) return "began " + text_of(now - at) + " ago";
  char text[32];
  std::snprintf(text, sizeof text, "%s %02d:%02d UTC", days[minutes / 1440 % 7],
                static_cast<int>(minutes / 60 % 24), static_cast<int>(minutes % 60));
  return text;
}

// A stretch of time that may decide the size.
struct Candidate {
  MinuteWindow window;
  std::string name;
  double load = 0;
  OfferedLoad offered;  // with the headroom
  Duration p99_wait{};
  int size = 0;
};

bool is_enough(const MinuteWindow& window) {
  return window.completions >= enough_transactions && window.active() >= shortest_load;
}

OfferedLoad offered_by(const MinuteWindow& window, double headroom) {
  const LevelTimes demand = window.demand();
  const double mean = demand.mean();
  const auto n = static_cast<double>(window.completions);
  OfferedLoad load;
  load.mean = mean * (1 + headroom);
  load.peakedness = mean > 0 ? demand.variance() / mean : 1;
  load.holding = n > 0 ? window.holding_seconds / n : 0;
  if (load.holding > 0) {
    const double square = window.holding_seconds_squared / n;
    load.holding_spread = std::max(0.0, square / (load.holding * load.holding) - 1);
  }
  return load;
}

Candidate candidate(const MinuteWindow& window, std::string name, const AdviceInput& input) {
  Candidate it;
  it.window = window;
  it.name = std::move(name);
  it.load = window.offered_load();
  it.offered = offered_by(window, input.headroom);
  it.p99_wait = window.waits.unpack().quantile(0.99);
  it.size = smallest_size(it.offered, seconds(input.target_wait));
  return it;
}

// The three minutes with the most load and the one with the longest waits, those that hold enough; when none
// does, all that is kept as one.
std::vector<Candidate> candidates(const PoolMeasure& measure, const AdviceInput& input) {
  std::vector<Candidate> all;
  const auto add = [&](const MinuteWindow& window, bool closed) {
    if (!is_enough(window)) return;
    std::string name =
        closed && window.idle == Duration::zero() ? "minute" : text_of(window.active()) + " of load";
    all.push_back(
        candidate(window, name + " (" + when(window.start, measure.now, input.wall_offset) + ")", input));
  };
  for (const WindowRef& window : measure.windows) add(*window, true);
  add(measure.current, false);
  if (all.empty()) {
    MinuteWindow together = measure.current;
    if (!measure.windows.empty()) {
      together = sum(measure.windows, measure.windows.front()->start, Instant::max());
      append(together, measure.current);
    }
    if (is_enough(together))
      all.push_back(candidate(together, text_of(together.active()) + " of load in all", input));
    return all;
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.load > b.load; });
  if (all.size() <= 4) return all;
  const auto worst = std::max_element(all.begin() + 3, all.end(),
                                      [](const auto& a, const auto& b) { return a.p99_wait < b.p99_wait; });
  std::swap(all[3], *worst);
  all.resize(4);
  return all;
}

// Whether clients send again only after they were answered, as far as the window shows.
enum class Clients { independent, unclear, push_back };

Clients clients_of(const MinuteWindow& window, double full_share) {
  const double clients = std::max(window.clients, window.highest_needing);
  const double share_active =
      seconds(window.active()) > 0 ? seconds(window.duration) / seconds(window.active()) : 1;
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
    return static_cast<double>(executing.completions_at(level)) / seconds(executing.time_at(level));
  };
  if (executing.time_at(low) <= Duration::zero() || executing.time_at(high) <= Duration::zero()) return {};
  return std::log(rate(high) / rate(low)) / std::log(static_cast<double>(high) / low);
}

// How many transactions, counted from the longest, make up half of the holding time.
std::uint64_t slow_half(const Histogram& holdings) {
  double half = 0, seen = 0;
  holdings.for_each([&](Duration low, Duration high, std::uint64_t count) {
    half += (seconds(low) + seconds(high)) / 4 * static_cast<double>(count);
  });
  std::uint64_t fast = 0;
  holdings.for_each([&](Duration low, Duration high, std::uint64_t count) {
    seen += (seconds(low) + seconds(high)) / 2 * static_cast<double>(count);
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
  advice.in_short = "collecting: " + plural(transactions, "transaction", "transactions") + " in " +
                    text_of(active) + " of load so far, not enough to say";
  advice.reasons.push_back("There is not enough data for a recommendation yet.");
  if (transactions < enough_transactions)
    advice.missing.push_back("At least " + std::to_string(enough_transactions) +
                             " transactions are needed; there were " + std::to_string(transactions) + ".");
  if (active < shortest_load)
    advice.missing.push_back("At least " + text_of(shortest_load) + " of load are needed; there were " +
                             text_of(active) + ".");
  if (advice.missing.empty())
    advice.missing.push_back("The last windows alone do not hold " + std::to_string(enough_transactions) +
                             " transactions.");
  return advice;
}

// One piece of advice in the making.
class Adviser {
 public:
  Adviser(const PoolMeasure& measure, const AdviceInput& input) : measure_(measure), input_(input) {}

  Advice advise() {
    advice_.current = input_.pool_size;
    all_ = candidates(measure_, input_);
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
    const double held_seconds = seconds(held.level_time());
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
    f.highest_in_use = measure_.held.highest();
    if (held_seconds > 0) f.idle_in_transaction_share = seconds(window().idle_in_transaction) / held_seconds;
    measured_size_ = window().pool_size > 0 ? window().pool_size : input_.pool_size;
    if (measured_size_ > 0) f.full_share = held.share_at_or_above(measured_size_);
    clients_ = clients_of(window(), f.full_share);
  }

  void choose_size() {
    const AdviceFigures& f = advice_.figures;
    const int current = advice_.current;
    const int model = chosen_->size;
    advice_.model = model;
    advice_.minimum = std::max(1, static_cast<int>(std::ceil(f.mean_demand / 0.95)));

    const bool too_slow = f.p99_wait > input_.target_wait;
    advice_.model_is_lower_bound = too_slow && f.full_share > 0.5 && clients_ == Clients::push_back;
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
    advice_.figures.predicted_p99_wait = p99_wait(chosen_->offered, size);
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
    const int size = smallest_size(without, seconds(input_.target_wait));
    const int saved = *advice_.model - size;
    if (saved < 2 || saved < 0.15 * *advice_.model) return;
    advice_.without_idle = size;
    advice_.verdict = Verdict::idle_in_transaction;
  }

  void explain() {
    const AdviceFigures& f = advice_.figures;
    const int size = *advice_.recommended;
    const std::string target = text_of(input_.target_wait);
    const std::string verb = size > advice_.current ? "grow" : size < advice_.current ? "shrink" : "keep";
    const std::string p99 = f.p99_wait == Duration::zero() ? "none" : text_of(f.p99_wait);

    std::string& line = advice_.in_short;
    if (verb == "keep") {
      line = "keep " + std::to_string(size);
    } else if (advice_.verdict == Verdict::step) {
      line = "grow one step to " + std::to_string(size) + ", then ask again";
    } else {
      line = verb + " to " + std::to_string(size);
    }
    if (advice_.without_idle) {
      line += ": " + percent(f.idle_in_transaction_share) +
              " of the time clients hold a connection idle in a transaction; without it " +
              std::to_string(*advice_.without_idle) + " would do";
    } else {
      line += ": p99 wait " + p99 + " (target " + target + ") in the " + advice_.window;
    }

    auto& reasons = advice_.reasons;
    reasons.push_back("In the " + advice_.window + ", with " +
                      plural(f.transactions, "transaction", "transactions") + ", " +
                      number(f.mean_in_use, 1) +
                      " connections were in use on average, and for 99 % of the time at most " +
                      std::to_string(f.p99_in_use) + "; the pool of " + std::to_string(measured_size_) +
                      " was full for " + percent(f.full_share) + " of the time.");
    reasons.push_back(
        percent(f.waited_share) + " of the transactions waited for a connection; 99 % waited " +
        (f.p99_wait == Duration::zero() ? std::string("not at all") : "at most " + text_of(f.p99_wait)) +
        ". The target is " + target + ".");
    if (f.gave_up > 0) reasons.push_back(plural(f.gave_up, "client", "clients") + " gave up waiting.");
    explain_model();
    if (advice_.without_idle)
      reasons.push_back("Connections were idle in a transaction for " + percent(f.idle_in_transaction_share) +
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
    const std::string more = percent(input_.headroom) + " more traffic";
    if (advice_.model_is_lower_bound) {
      reasons.push_back(
          "The pool was full most of the time, and clients that wait do not send: the demand is larger than "
          "what "
          "could be measured, by how much is not known. The measured part needs at least " +
          std::to_string(model) + ".");
    } else {
      const double wait = p99_wait(chosen_->offered, model);
      reasons.push_back("Had nobody waited, " + number(advice_.figures.mean_demand, 1) +
                        " connections would have been in use on average; with " + more + " " +
                        std::to_string(model) + " keep the p99 wait at about " + text_of(wait) + ".");
    }
    if (limited_by_clients_)
      reasons.push_back("There were never more than " +
                        plural(static_cast<std::uint64_t>(known_clients()), "client", "clients") +
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
    if (size == advice_.current && size != model && !stepped && !limited_by_clients_)
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

  void rate_confidence() {
    const AdviceFigures& f = advice_.figures;
    Duration active = measure_.current.active();
    for (const WindowRef& minute : measure_.windows) active += minute->active();
    const Duration history = measure_.now - measure_.since;
    if (active < std::chrono::minutes(1)) {
      lacks("Only " + text_of(active) + " of load were seen, less than a minute: other times may be busier.",
            2);
    } else if (history < std::chrono::hours(24)) {
      lacks("Only " + text_of(history) + " have been measured: other times of the day may be busier.");
    }
    if (advice_.model_is_lower_bound) {
      lacks("A full pool hid part of the demand.", 2);
    } else if (f.full_share > 0.05 && clients_ == Clients::push_back) {
      lacks("The pool was full for " + percent(f.full_share) +
            " of the time, and clients that wait do not send: the demand may be larger than measured.");
    } else if (f.full_share > 0.05 && clients_ == Clients::unclear) {
      lacks("It is not clear whether clients would send more if they were served faster.");
    }
    const int size = *advice_.recommended;
    int evidence = measure_.held.highest();
    if (measure_.shards == 1)
      while (evidence > 0 && measure_.held.completions_at(evidence) < 100) --evidence;
    if (size > advice_.current && size > 1.2 * evidence)
      lacks("PostgreSQL was never seen with more than " + std::to_string(evidence) +
            " of these connections in use for long.");
    const std::uint64_t slow = slow_half(measure_.holdings);
    if (slow < 300)
      lacks("Half of the load comes from only " + plural(slow, "long transaction", "long transactions") + ".",
            slow < 100 ? 2 : 1);
    const auto [smallest, largest] = std::minmax_element(
        all_.begin(), all_.end(), [](const auto& a, const auto& b) { return a.size < b.size; });
    if (largest->size - smallest->size > 2 && largest->size > 1.5 * smallest->size)
      lacks("The busiest minutes differ: they alone would need between " + std::to_string(smallest->size) +
            " and " + std::to_string(largest->size) + ".");
    if (f.gave_up > f.transactions / 100) lacks("Clients that gave up are counted as typical transactions.");
    if (!window().covers_virtual())
      lacks(
          "Clients are still waiting, so the demand of this window is not known yet; what was in use stands "
          "in for it.",
          2);
    if (measure_.shards > 1)
      lacks("The pool is spread over " + std::to_string(measure_.shards) +
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
  std::vector<Candidate> all_;
  const Candidate* chosen_ = nullptr;
  int measured_size_ = 0;
  int step_ = 0;
  bool limited_by_clients_ = false;
  int lowered_ = 0;
  Clients clients_ = Clients::unclear;
};

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::collecting:
      return "collecting";
    case Verdict::keep:
      return "keep";
    case Verdict::grow:
      return "grow";
    case Verdict::shrink:
      return "shrink";
    case Verdict::step:
      return "step";
    case Verdict::idle_in_transaction:
      return "idle in transaction";
  }
  return "?";
}

const char* to_string(Confidence confidence) {
  switch (confidence) {
    case Confidence::none:
      return "-";
    case Confidence::low:
      return "low";
    case Confidence::medium:
      return "medium";
    case Confidence::high:
      return "high";
  }
  return "?";
}

Advice recommend(const PoolMeasure& measure, const AdviceInput& input) {
  return Adviser(measure, input).advise();
}

}  // namespace pgweir
