#include "admin/size_effect.h"

#include <algorithm>
#include <map>

#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {
namespace {

using Minutes = std::vector<WindowRef>;
using Effect = AdviceEntry::Effect;

constexpr std::size_t most_minutes = 10, fewest_minutes = 5;
constexpr std::uint64_t fewest_in_minute = 20;  // of a minute
constexpr double like_rate = 4.0 / 3;
constexpr double difference = 1.1;  // of the mean response
constexpr double agreement = 0.85;

double rate_of(const WindowRef& it) { return static_cast<double>(it->arrivals) / in_seconds(it->duration); }
double response_of(const WindowRef& it) {
  return (in_seconds(it->waits.sum) + it->holding_seconds) / static_cast<double>(it->completions);
}
double wait_of(const WindowRef& it) { return in_seconds(it->waits.unpack().quantile(0.99)); }

template <class Value>
double median(const Minutes& minutes, Value value) {
  std::vector<double> values;
  for (const WindowRef& it : minutes) values.push_back(value(it));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

// The share of pairs in which the minute after has more.
template <class Value>
double share_higher(const Minutes& before, const Minutes& after, Value value) {
  double higher = 0;
  for (const WindowRef& a : after) {
    for (const WindowRef& b : before) {
      const double x = value(a), y = value(b);
      higher += x > y ? 1 : x == y ? 0.5 : 0;
    }
  }
  return higher / static_cast<double>(before.size() * after.size());
}

struct MinuteSums {
  double response = 0, throughput = 0;  // seconds, transactions per second
  double p99_wait = 0;
  std::uint64_t gave_up = 0;

  explicit MinuteSums(const Minutes& minutes) {
    Histogram waits;
    double time = 0, transactions = 0;
    for (const WindowRef& it : minutes) {
      waits.add(it->waits);
      response += in_seconds(it->waits.sum) + it->holding_seconds;
      transactions += static_cast<double>(it->completions);
      time += in_seconds(it->duration);
      gave_up += it->abandoned();
    }
    response /= transactions;
    throughput = transactions / time;
    p99_wait = in_seconds(waits.quantile(0.99));
  }
};

bool counts(const WindowRef& it) {
  return it->completions >= fewest_in_minute && it->duration >= std::chrono::seconds(30);
}

Minutes minutes_after(const Minutes& minutes, Instant changed) {
  Minutes after;
  for (const WindowRef& it : minutes) {
    if (it->start >= changed && it->start < changed + std::chrono::minutes(11) && counts(it) &&
        after.size() < most_minutes)
      after.push_back(it);
  }
  return after;
}

// The last ones that `fits`.
template <class Fits>
Minutes minutes_before(const Minutes& minutes, Instant changed, Instant earlier, Fits fits) {
  Minutes before;
  for (auto it = minutes.rbegin(); it != minutes.rend() && before.size() < most_minutes; ++it) {
    const WindowRef& minute = *it;
    if (minute->start + minute->duration <= changed && minute->start >= earlier && counts(minute) &&
        fits(minute))
      before.push_back(minute);
  }
  return before;
}

std::string figures_text(const MinuteSums& before, const MinuteSums& after, Duration target) {
  return "p99 wait " + duration_text(before.p99_wait) + " -> " + duration_text(after.p99_wait) + " (target " +
         duration_text(target) + "), mean response " + duration_text(before.response) + " -> " +
         duration_text(after.response) + ", " + number_text(before.throughput, 1) + " -> " +
         number_text(after.throughput, 1) + " transactions/s";
}

Effect compare(const Minutes& before, const Minutes& after, const MinuteSums& was, const MinuteSums& is,
               double target) {
  const double slower = share_higher(before, after, response_of);
  const double waits_more = share_higher(before, after, wait_of);
  const bool worse = (is.response > was.response * difference && slower >= agreement) ||
                     (is.p99_wait > target && was.p99_wait <= target && waits_more >= agreement) ||
                     (is.gave_up > 0 && was.gave_up == 0);
  if (worse) return Effect::worse;
  const bool better = (is.response * difference < was.response && slower <= 1 - agreement) ||
                      (is.p99_wait <= target && was.p99_wait > target && waits_more <= 1 - agreement) ||
                      (is.gave_up == 0 && was.gave_up > 0);
  return better ? Effect::better : Effect::same;
}

}  // namespace

SizeEffect judge_size(const Minutes& minutes, Instant changed, Instant earlier, Duration target_wait) {
  const Minutes after = minutes_after(minutes, changed);
  if (after.size() < fewest_minutes) {
    return {Effect::unclear,
            "too little traffic after the change to judge it: " + std::to_string(after.size()) + " of " +
                std::to_string(fewest_minutes) + " minutes with at least " +
                std::to_string(fewest_in_minute) + " transactions"};
  }
  const double rate = median(after, rate_of);
  const Minutes before = minutes_before(minutes, changed, earlier, [rate](const WindowRef& it) {
    return rate_of(it) * like_rate >= rate && rate_of(it) <= rate * like_rate;
  });
  const double target = in_seconds(target_wait);
  const MinuteSums is(after);
  if (before.size() >= fewest_minutes) {
    const MinuteSums was(before);
    return {compare(before, after, was, is, target), figures_text(was, is, target_wait)};
  }
  // A pool that was too small may have held the traffic down.
  const Minutes last = minutes_before(minutes, changed, earlier, [](const WindowRef&) { return true; });
  if (last.size() >= fewest_minutes) {
    const MinuteSums was(last);
    const bool freed = is.throughput > was.throughput && is.response <= was.response && was.p99_wait > target;
    return {
        freed ? Effect::better : Effect::unclear,
        std::string(freed ? "" : "the traffic is another one than before, so this need not come from it: ") +
            figures_text(was, is, target_wait)};
  }
  return {Effect::unclear, "too few minutes were measured before the change to compare with"};
}

std::vector<AdviceEntry> effects_due(const State& state, Instant now, Duration target_wait) {
  struct Changes {
    const AdviceEntry* last = nullptr;
    Instant earlier = Instant::min();
    bool judged = false;
  };
  std::map<Route, Changes> pools;
  for (const AdviceEntry& entry : state.advice()) {
    Changes& its = pools[entry.route];
    switch (entry.kind) {
      case AdviceEntry::Kind::set:
      case AdviceEntry::Kind::reset:
        its = {&entry, its.last == nullptr ? Instant::min() : its.last->at, false};
        break;
      case AdviceEntry::Kind::followed:
        its.judged = true;
        break;
      case AdviceEntry::Kind::advised:
      case AdviceEntry::Kind::checked:
        break;
    }
  }
  std::vector<AdviceEntry> due;
  for (const auto& [route, its] : pools) {
    if (its.last == nullptr || its.judged || now < its.last->at + effect_delay) continue;
    const auto pool = state.pools().find(route);
    const SizeEffect found =
        judge_size(pool == state.pools().end() ? Minutes{} : pool->second.history.minutes(), its.last->at,
                   its.earlier, target_wait);
    due.push_back({route, now, AdviceEntry::Kind::followed, its.last->from, its.last->to, found.text,
                   its.last->configured, found.effect, its.last->by_autopilot});
  }
  return due;
}

const char* to_string(AdviceEntry::Kind kind) {
  switch (kind) {
    case AdviceEntry::Kind::advised:
      return "advised";
    case AdviceEntry::Kind::set:
      return "set";
    case AdviceEntry::Kind::followed:
      return "followed";
    case AdviceEntry::Kind::reset:
      return "reset";
    case AdviceEntry::Kind::checked:
      return "checked";
  }
  return "";
}

const char* to_string(Effect effect) {
  switch (effect) {
    case Effect::none:
      return "";
    case Effect::better:
      return "better";
    case Effect::same:
      return "same";
    case Effect::worse:
      return "worse";
    case Effect::unclear:
      return "unclear";
  }
  return "";
}

}  // namespace pgweir
