// What is made of the minutes around a change of a pool's size.

#include "admin/size_effect.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

using Effect = AdviceEntry::Effect;

struct Kind {
  int transactions = 600;
  Duration wait{};          // of each
  double response = 0.020;  // seconds, without the wait
  std::uint64_t timed_out = 0;
};

WindowRef minute(int at, const Kind& kind, double wobble = 0) {
  auto window = std::make_shared<MinuteWindow>();
  window->start = Instant(std::chrono::minutes(at));
  window->duration = 1min;
  window->arrivals = window->completions = static_cast<std::uint64_t>(kind.transactions);
  Histogram waits;
  for (int i = 0; i < kind.transactions; ++i) waits.record(kind.wait);
  window->waits = waits.pack();
  window->holding_seconds = kind.transactions * kind.response * (1 + wobble);
  window->gave_up[0] = kind.timed_out;
  return window;
}

constexpr Instant changed(1h);

// An hour of one kind before the change, a quarter of an hour of the other behind it; each minute is up to
// 8 % off, differently.
std::vector<WindowRef> around(const Kind& before, const Kind& after) {
  std::vector<WindowRef> minutes;
  for (int i = 0; i < 75; ++i) minutes.push_back(minute(i, i < 60 ? before : after, (i * 7 % 17 - 8) * 0.01));
  return minutes;
}

SizeEffect judge(const Kind& before, const Kind& after) {
  return judge_size(around(before, after), changed, Instant::min(), 10ms);
}

}  // namespace

TEST_CASE("effect of a size: nothing changed, also with noise of 8 percent") {
  const SizeEffect found = judge({}, {});
  CHECK(found.effect == Effect::same);
  CHECK(found.text.find("mean response 20") != std::string::npos);
  CHECK(judge({}, {.response = 0.021}).effect == Effect::same);
}

TEST_CASE(
    "effect of a size: responses by more than 10 percent, waits over the target, clients that gave up") {
  CHECK(judge({}, {.response = 0.024}).effect == Effect::worse);
  CHECK(judge({.response = 0.024}, {}).effect == Effect::better);
  CHECK(judge({.wait = 1ms, .response = 0.5}, {.wait = 20ms, .response = 0.5}).effect == Effect::worse);
  CHECK(judge({.wait = 20ms, .response = 0.5}, {.wait = 1ms, .response = 0.5}).effect == Effect::better);
  CHECK(judge({.wait = 1ms, .response = 0.5}, {.wait = 8ms, .response = 0.5}).effect == Effect::same);
  CHECK(judge({}, {.timed_out = 1}).effect == Effect::worse);
  CHECK(judge({.timed_out = 1}, {}).effect == Effect::better);
}

TEST_CASE("effect of a size: single bad minutes do not decide") {
  std::vector<WindowRef> minutes = around({}, {});
  for (const int bad : {62, 65}) minutes[static_cast<std::size_t>(bad)] = minute(bad, {.response = 0.2});
  CHECK(judge_size(minutes, changed, Instant::min(), 10ms).effect == Effect::same);
}

TEST_CASE("effect of a size: only minutes with a like rate of arrivals are compared") {
  std::vector<WindowRef> minutes = around({}, {.response = 0.024});
  // The last half hour before the change was a busier one, with responses as those that followed.
  for (int i = 30; i < 60; ++i)
    minutes[static_cast<std::size_t>(i)] = minute(i, {.transactions = 2000, .response = 0.024});
  CHECK(judge_size(minutes, changed, Instant::min(), 10ms).effect == Effect::worse);
  // A change before that hides the earlier minutes.
  const SizeEffect hidden = judge_size(minutes, changed, Instant(40min), 10ms);
  CHECK(hidden.effect == Effect::unclear);
  CHECK(hidden.text.starts_with("the traffic is another one"));
}

TEST_CASE("effect of a size: a pool that held its traffic down is better when more goes through") {
  CHECK(judge({.transactions = 600, .wait = 100ms}, {.transactions = 1500}).effect == Effect::better);
  CHECK(judge({.transactions = 600}, {.transactions = 1500}).effect == Effect::unclear);
  CHECK(judge({.transactions = 1500}, {.transactions = 600}).effect == Effect::unclear);
}

TEST_CASE("effect of a size: too little is unclear, and no figure is not a number") {
  CHECK(judge_size({}, changed, Instant::min(), 10ms).effect == Effect::unclear);
  CHECK(judge({}, {.transactions = 19}).effect == Effect::unclear);
  CHECK(judge({.transactions = 0}, {}).effect == Effect::unclear);
  CHECK(judge({.transactions = 0}, {.transactions = 0}).text.find("nan") == std::string::npos);
}

TEST_CASE("effect of a size: each last change is judged once, when its minutes are known") {
  State state(24h * 20'000);
  const Route shop{"shop", "alice"}, other{"other", "bob"};
  for (const WindowRef& it : around({.response = 0.024}, {})) state.add(MinuteEntry{shop, it});
  state.add(AdviceEntry{shop, changed - 30min, AdviceEntry::Kind::set, 10, 40, {}, 10});
  state.add(AdviceEntry{shop, changed, AdviceEntry::Kind::set, 40, 12, {}, 10});
  state.add(AdviceEntry{other, changed, AdviceEntry::Kind::reset, 5, 9, {}, 9});
  CHECK(effects_due(state, changed + 15min, 10ms).empty());
  const std::vector<AdviceEntry> due = effects_due(state, changed + effect_delay, 10ms);
  REQUIRE(due.size() == 2);
  CHECK(due[0].effect == Effect::unclear);
  CHECK(due[1].route == shop);
  CHECK(due[1].effect == Effect::better);
  CHECK(due[1].from == 40);
  CHECK(due[1].to == 12);
  for (const AdviceEntry& it : due) state.add(it);
  CHECK(effects_due(state, changed + 24h, 10ms).empty());
}
