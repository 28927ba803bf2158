#include "admin/alerts/alert_book.h"

#include <algorithm>

namespace pgweir {

using namespace std::chrono_literals;

Duration alert_delay(AlertKind kind) {
  switch (kind) {
    case AlertKind::wait_promise:  // these look back by themselves
    case AlertKind::exhaustion:
    case AlertKind::growth:
    case AlertKind::slower:
    case AlertKind::pool_utilisation:
    case AlertKind::queue_full:
    case AlertKind::connection_budget:
      return 0s;
    case AlertKind::client_utilisation:
    case AlertKind::server_unreachable:
      return 2s;  // one lost attempt is no news
  }
  return 0s;
}

std::vector<AlertTransition> AlertBook::look(const std::vector<AlertFinding>& findings, Instant now,
                                             Duration after) {
  std::vector<AlertTransition> changes;
  std::map<AlertKey, const AlertFinding*> worst;
  for (const AlertFinding& finding : findings) {
    const AlertFinding*& kept = worst[finding.key];
    const bool worse = kept == nullptr || (kept->holds && !finding.holds) ||
                       (kept->holds == finding.holds && kept->severity < finding.severity);
    if (worse) kept = &finding;
  }

  for (const auto& [key, finding] : worst) {
    auto found = entries_.find(key);
    if (found == entries_.end()) {
      if (finding->holds) continue;
      if (entries_.size() >= most_active) {
        ++left_out_;
        continue;
      }
      found = entries_.emplace(key, Entry{.found_since = now}).first;
    }
    Entry& entry = found->second;
    entry.found_last = now;
    if (!entry.on) {
      if (finding->holds) {
        entries_.erase(found);  // a cause that is not strong without a break does not begin
        continue;
      }
      if (now - entry.found_since < alert_delay(key.kind)) continue;
      entry.on = true;
      entry.as_bad_last = now;
      entry.alert = {.id = ++ids_,
                     .finding = *finding,
                     .worst = finding->severity,
                     .since = now,
                     .changed = now,
                     .ended = {}};
      changes.push_back({AlertChange::began, entry.alert});
      continue;
    }
    Alert& alert = entry.alert;
    const AlertSeverity before = alert.finding.severity;
    AlertSeverity severity = std::max(before, finding->severity);
    if (finding->severity >= before) {
      entry.as_bad_last = now;
    } else if (now - entry.as_bad_last >= after) {
      severity = finding->severity;
      entry.as_bad_last = now;
    }
    alert.finding = *finding;
    alert.finding.severity = severity;
    alert.worst = std::max(alert.worst, severity);
    if (severity == before) continue;
    alert.changed = now;
    changes.push_back({AlertChange::changed, alert});
  }

  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    const bool over = entry.on ? now - entry.found_last >= after : entry.found_last < now;
    if (!over) {
      ++it;
      continue;
    }
    if (entry.on) {
      entry.alert.ended = now;
      changes.push_back({AlertChange::ended, entry.alert});
      if (ended_.size() >= most_ended) ended_.erase(ended_.begin());
      ended_.push_back(std::move(entry.alert));
    }
    it = entries_.erase(it);
  }
  return changes;
}

std::vector<Alert> AlertBook::list() const {
  std::vector<Alert> all;
  for (const auto& [key, entry] : entries_) {
    if (entry.on) all.push_back(entry.alert);
  }
  std::sort(all.begin(), all.end(), [](const Alert& a, const Alert& b) {
    if (a.finding.severity != b.finding.severity) return a.finding.severity > b.finding.severity;
    return a.id < b.id;
  });
  all.insert(all.end(), ended_.rbegin(), ended_.rend());
  return all;
}

std::size_t AlertBook::active() const {
  return static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const auto& entry) { return entry.second.on; }));
}

}  // namespace pgweir
