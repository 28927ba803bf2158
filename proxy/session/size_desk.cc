#include "proxy/session/size_desk.h"

#include <utility>

#include "admin/autopilot_notes.h"
#include "admin/size_effect.h"

namespace pgweir {

SizeDesk::SettingsRef SizeDesk::with_applied(SettingsRef file, Instant now, std::string& report) {
  const std::map<Route, AdviceEntry> entries = applied_entries(history_.state());
  if (entries.empty()) return file;
  AppliedSizes applied = applied_under(entries, *file);
  for (SizeChange& lost : applied.lost) {
    report += "\npool " + name_of(lost.route) + ": " + lost.why + "; the size of " +
              std::to_string(lost.from) + " that APPLY RECOMMENDATION had set is given up";
    keep({.route = lost.route,
          .at = now,
          .kind = lost.kind,
          .from = lost.from,
          .to = lost.to,
          .text = std::move(lost.why),
          .configured = lost.to});
  }
  auto settings = std::make_shared<Settings>(*file);
  settings->applied_sizes = std::move(applied.sizes);
  return settings;
}

tl::expected<SizeDesk::SettingsRef, ConsoleError> SizeDesk::change(const SettingsRef& settings,
                                                                   SizeChange change, const std::string& who,
                                                                   Instant now) {
  const auto& [database, user, replication] = change.route;
  const int size = settings->size_of(database, user);
  if (size != change.from) {
    return tl::unexpected(ConsoleError{sqlstate::object_not_in_prerequisite_state,
                                       "the pool's size has changed from " + std::to_string(change.from) +
                                           " to " + std::to_string(size) + " meanwhile",
                                       {},
                                       "Ask again."});
  }
  const bool reset = change.kind == AdviceEntry::Kind::reset;
  if (change.from == change.to && !reset) return settings;
  auto changed = std::make_shared<Settings>(*settings);
  if (reset) {
    changed->applied_sizes.erase(change.route);
  } else {
    changed->applied_sizes[change.route] = change.to;
  }
  keep({.route = change.route,
        .at = now,
        .kind = change.kind,
        .from = change.from,
        .to = change.to,
        .text = who + ": " + change.why,
        .configured = settings->configured_size(database, user),
        .by_autopilot = change.by_autopilot});
  return changed;
}

std::string SizeDesk::note_on(const SizeChange& change, const Settings& settings) {
  if (change.from == change.to || change.kind == AdviceEntry::Kind::reset) return {};
  const std::string kept =
      settings.state_file.empty()
          ? "It is lost at the next restart, because there is no state_file. "
          : "It counts before the file, also after a restart, until RESET RECOMMENDATION or a RELOAD that "
            "finds another pool_size there. ";
  return kept + "SHOW ADVICE_HISTORY says in a quarter of an hour what it did.";
}

SizeDesk::SettingsRef SizeDesk::fly(SettingsRef settings, const std::vector<AutopilotPlan>& plans,
                                    Instant now) {
  for (const AutopilotPlan& plan : plans) {
    if (!plan.to) continue;
    if (!plan.acts) {
      note(plan, *settings, now);
      continue;
    }
    // A size that was changed since it was planned is looked at again next time.
    auto changed = change(settings, {AdviceEntry::Kind::set, plan.route, plan.size, *plan.to, plan.why, true},
                          "autopilot", now);
    if (changed) settings = *std::move(changed);
  }
  return settings;
}

void SizeDesk::note(const AutopilotPlan& plan, const Settings& settings, Instant now) {
  const AdviceEntry* last = nullptr;
  for (const AdviceEntry& entry : history_.state().advice()) {
    const bool notes = entry.kind == AdviceEntry::Kind::advised || entry.kind == AdviceEntry::Kind::checked;
    if (entry.route == plan.route && notes) last = &entry;
  }
  const bool open = last != nullptr && last->kind == AdviceEntry::Kind::advised;
  const bool said = last != nullptr && last->from == plan.size && last->to == *plan.to;
  if (open || (said && last->at + note_again > now)) return;
  std::string text = "autopilot: " + plan.why;
  if (plan.mode != AutopilotMode::shadow) text += "; to do it: APPLY RECOMMENDATION " + name_of(plan.route);
  keep({.route = plan.route,
        .at = now,
        .kind = AdviceEntry::Kind::advised,
        .from = plan.size,
        .to = *plan.to,
        .text = std::move(text),
        .configured = settings.configured_size(plan.route.database, plan.route.user),
        .by_autopilot = true});
}

void SizeDesk::begin_turn(const Settings& settings, Instant now) {
  if (now < next_look_) return;
  next_look_ = now + look_period;
  for (AdviceEntry& entry : effects_due(history_.state(), now, settings.advice.target_wait))
    keep(std::move(entry));
  for (AdviceEntry& entry : notes_due(history_.state(), now, settings.advice.target_wait))
    keep(std::move(entry));
}

void SizeDesk::keep(AdviceEntry entry) {
  LogLine line;
  line.text = std::string("size of a pool, ") + to_string(entry.kind) + ": " + std::to_string(entry.from) +
              " -> " + std::to_string(entry.to) + ", ";
  if (entry.effect != AdviceEntry::Effect::none) line.text += std::string(to_string(entry.effect)) + ": ";
  line.text += entry.text;
  line.database = entry.route.database;
  line.user = entry.route.user;
  host_.log(std::move(line));
  history_.add(std::move(entry));
}

}  // namespace pgweir
