#include "admin/applied_sizes.h"

namespace pgweir {

std::map<Route, AdviceEntry> applied_entries(const State& state) {
  std::map<Route, AdviceEntry> entries;
  for (const AdviceEntry& entry : state.advice()) {
    switch (entry.kind) {
      case AdviceEntry::Kind::set:
        entries[entry.route] = entry;
        break;
      case AdviceEntry::Kind::reset:
        entries.erase(entry.route);
        break;
      case AdviceEntry::Kind::advised:
      case AdviceEntry::Kind::followed:
      case AdviceEntry::Kind::checked:
        break;
    }
  }
  return entries;
}

AppliedSizes applied_under(const std::map<Route, AdviceEntry>& entries, const Settings& settings) {
  AppliedSizes applied;
  for (const auto& [route, entry] : entries) {
    const int configured = settings.configured_size(route.database, route.user);
    if (configured == entry.configured) {
      applied.sizes[route] = entry.to;
      continue;
    }
    applied.lost.push_back({AdviceEntry::Kind::reset, route, entry.to, configured,
                            "pool_size in the file was changed from " + std::to_string(entry.configured) +
                                " to " + std::to_string(configured) + ", and counts"});
  }
  return applied;
}

}  // namespace pgweir
