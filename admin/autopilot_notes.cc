#include "admin/autopilot_notes.h"

#include <algorithm>
#include <map>
#include <utility>

#include "admin/words.h"

namespace pgweir {
namespace {

using Effect = AdviceEntry::Effect;

constexpr Duration judged_by = std::chrono::hours(1);
constexpr Duration minutes_known = PoolHistory::lateness;
constexpr double most_above = 0.01;            // of the time
constexpr std::uint64_t fewest_in_hour = 100;  // of the hour

struct NoteVerdict {
  Effect effect = Effect::unclear;
  std::string text;
};

NoteVerdict check(const AdviceEntry& note, const State& state, Duration target_wait) {
  const auto pool = state.pools().find(note.route);
  if (pool == state.pools().end()) return {Effect::unclear, "the pool is not known any more"};
  const MinuteWindow hour = sum(pool->second.history.minutes(), note.at, note.at + judged_by);
  if (hour.completions < fewest_in_hour) {
    return {Effect::unclear, "only " + count_text(hour.completions, "transaction", "transactions") +
                                 " came in the hour that followed"};
  }
  if (note.to > note.from) {
    const Duration wait = hour.waits.unpack().quantile(0.99);
    const bool waited = wait > target_wait || hour.abandoned() > 0;
    return {waited ? Effect::better : Effect::same,
            std::string(waited ? "to grow was right" : "to grow was not needed") +
                ": in the hour that followed the p99 wait was " + duration_text(wait) + " (target " +
                duration_text(target_wait) + ")"};
  }
  const double above = hour.held.share_at_or_above(note.to + 1);
  return {above < most_above ? Effect::better : Effect::worse,
          "in the hour that followed more than " + std::to_string(note.to) + " were in use for " +
              percent_text(above) + " of the time"};
}

}  // namespace

std::vector<AdviceEntry> notes_due(const State& state, Instant now, Duration target_wait) {
  struct Open {
    const AdviceEntry* note = nullptr;
    bool changed = false;
  };
  std::map<Route, Open> pools;
  for (const AdviceEntry& entry : state.advice()) {
    Open& its = pools[entry.route];
    switch (entry.kind) {
      case AdviceEntry::Kind::advised:
        its = {&entry, false};
        break;
      case AdviceEntry::Kind::checked:
        its = {};
        break;
      case AdviceEntry::Kind::set:
      case AdviceEntry::Kind::reset:
        its.changed = true;
        break;
      case AdviceEntry::Kind::followed:
        break;
    }
  }
  std::vector<AdviceEntry> due;
  for (const auto& [route, its] : pools) {
    if (its.note == nullptr || now < its.note->at + judged_by + minutes_known) continue;
    NoteVerdict found = its.changed ? NoteVerdict{Effect::unclear, "the size was changed meanwhile"}
                                    : check(*its.note, state, target_wait);
    due.push_back({route, now, AdviceEntry::Kind::checked, its.note->from, its.note->to,
                   std::move(found.text), its.note->configured, found.effect, true});
  }
  return due;
}

}  // namespace pgweir
