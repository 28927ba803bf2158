#include "proxy/session/alert_desk.h"

#include <utility>

#include "admin/alerts/alert_json.h"

namespace pgweir {
namespace {

constexpr std::size_t most_lines = 20;  // in the log from one look

LogLevel level_of(const AlertTransition& transition) {
  if (transition.change == AlertChange::ended) return LogLevel::info;
  switch (transition.alert.finding.severity) {
    case AlertSeverity::notice:
      return LogLevel::info;
    case AlertSeverity::warning:
      return LogLevel::warning;
    case AlertSeverity::critical:
      return LogLevel::error;
  }
  return LogLevel::error;
}

}  // namespace

bool AlertDesk::due(Instant now) {
  if (now < next_look_) return false;
  next_look_ = now + AlertWatch::period;
  return !std::exchange(asked_, true);
}

void AlertDesk::look(std::span<const WorkerSnapshot> workers, const Settings& settings, Instant now) {
  asked_ = false;
  const std::vector<AlertTransition> transitions = watch_.look(workers, settings, budgets_, now);
  if (transitions.empty()) return;
  log(transitions);
  if (settings.alerts.command.empty()) return;
  for (const AlertTransition& transition : transitions) queue_.push(transition);
  run_hook(settings);
}

void AlertDesk::hook_ended(const Settings& settings) {
  hook_running_ = false;
  run_hook(settings);
}

void AlertDesk::run_hook(const Settings& settings) {
  if (hook_running_ || queue_.empty()) return;
  std::string input;
  for (const AlertTransition& transition : queue_.take())
    input += alert_json(transition, wall_offset_) + "\n";
  if (settings.alerts.command.empty()) return;  // a reload took it away
  if (const std::uint64_t left_out = queue_.take_left_out(); left_out > 0) {
    say(LogLevel::warning, "alerts.command was not told of " + std::to_string(left_out) +
                               " events, because too many waited; SHOW ALERTS has the alerts");
  }
  hook_running_ = true;
  host_.run_hook({settings.alerts.command, std::move(input), settings.alerts.command_timeout});
}

void AlertDesk::say(LogLevel level, std::string text) {
  LogLine line;
  line.level = level;
  line.text = std::move(text);
  host_.log(std::move(line));
}

void AlertDesk::log(std::span<const AlertTransition> transitions) {
  std::size_t lines = 0;
  for (const AlertTransition& transition : transitions) {
    if (++lines > most_lines) {
      say(LogLevel::warning,
          std::to_string(transitions.size() - most_lines) + " more alerts: see SHOW ALERTS");
      return;
    }
    const AlertFinding& finding = transition.alert.finding;
    std::string text =
        "alert #" + std::to_string(transition.alert.id) + " " + std::string(word_of(transition.change)) +
        ": " + std::string(word_of(finding.severity)) + " " + std::string(row(finding.key.kind).label);
    if (!finding.key.subject.empty()) text += " " + finding.key.subject;
    if (transition.change != AlertChange::ended) text += ": " + finding.reason + " " + finding.action;
    say(level_of(transition), std::move(text));
  }
}

}  // namespace pgweir
