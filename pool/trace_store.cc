#include "pool/trace_store.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace pgweir {

namespace {

using std::chrono::hours;
using std::chrono::minutes;

template <class Unit>
std::int64_t place_of(const TraceSegment& segment) {
  return std::chrono::floor<Unit>(segment.start.time_since_epoch()).count();
}

}  // namespace

double load_of(const TraceSegment& segment) {
  if (segment.length <= Duration::zero()) return 0;
  double held = 0;
  for (const TraceRecord& record : segment.records) held += static_cast<double>(record.held_us());
  return held / static_cast<double>(std::max<std::int64_t>(micros(segment.length), 1));
}

double mean_wait(const TraceSegment& segment) {
  double wait = 0;
  for (const TraceRecord& record : segment.records) wait += record.wait_us;
  return segment.records.empty() ? 0 : wait / 1e6 / static_cast<double>(segment.records.size());
}

void merge(TraceSegment& segment, const TraceSegment& other) {
  // They begin when each worker's clock came to the minute, some milliseconds apart.
  const Duration later = other.start - segment.start;
  const auto shift = static_cast<std::int32_t>(micros(later));
  const std::size_t first = segment.records.size();
  segment.records.insert(segment.records.end(), other.records.begin(), other.records.end());
  for (auto it = segment.records.begin() + static_cast<std::ptrdiff_t>(first); it != segment.records.end();
       ++it)
    it->arrival_us += shift;
  // A part that was cut short tells nothing of what came then.
  segment.length = std::min(segment.length, other.length + later);
  std::erase_if(segment.records,
                [&](const TraceRecord& record) { return record.arrival_us > micros(segment.length); });
  auto& levels = segment.host_executing;
  if (levels.size() < other.host_executing.size()) levels.resize(other.host_executing.size());
  for (std::size_t i = 0; i < other.host_executing.size(); ++i)
    levels[i] = static_cast<std::uint16_t>(levels[i] + other.host_executing[i]);
  segment.pool_size = std::max(segment.pool_size, other.pool_size);
  segment.clients += other.clients;
  segment.incident = segment.incident || other.incident;
}

void TraceStore::renumber(TraceSegment& part, const std::vector<std::uint64_t>& classes) {
  std::array<std::uint8_t, 256> numbers{};
  for (std::size_t i = 1; i < classes.size() && i < numbers.size(); ++i) {
    const auto found = std::find(classes_.begin(), classes_.end(), classes[i]);
    if (found != classes_.end()) {
      numbers[i] = static_cast<std::uint8_t>(found - classes_.begin());
    } else if (classes_.size() < most_trace_classes) {
      numbers[i] = static_cast<std::uint8_t>(classes_.size());
      classes_.push_back(classes[i]);
    }
  }
  for (TraceRecord& record : part.records) record.statement_class = numbers[record.statement_class];
}

void TraceStore::add(TraceSegment part, const std::vector<std::uint64_t>& classes) {
  renumber(part, classes);
  const auto same = std::find_if(segments_.begin(), segments_.end(), [&](const TraceRef& it) {
    return place_of<minutes>(*it) == place_of<minutes>(part);
  });
  if (same != segments_.end()) {
    merge(part, **same);
    *same = std::make_shared<const TraceSegment>(std::move(part));
  } else {
    segments_.push_back(std::make_shared<const TraceSegment>(std::move(part)));
    std::sort(segments_.begin(), segments_.end(),
              [](const TraceRef& a, const TraceRef& b) { return a->start < b->start; });
    judge_complete();
  }
  trim();
}

// Workers come to the end of a minute one after the other: the last but one may still lack parts.
void TraceStore::judge_complete() {
  for (std::size_t i = 0; i + 2 < segments_.size(); ++i) {
    const std::int64_t place = place_of<minutes>(*segments_[i]);
    if (place <= judged_) continue;
    judged_ = place;
    // One of an earlier process was judged there.
    judged(i, segments_[i]->incident || watch_.add(*segments_[i]));
  }
  const Instant oldest = segments_.back()->start - hours(7 * 24);
  std::erase_if(incidents_, [&](Instant at) { return at < oldest; });
}

void TraceStore::judge_open() {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (place_of<minutes>(*segments_[i]) > judged_) judged(i, watch_.is_incident(*segments_[i]));
  }
}

// An incident began in the minute before, if there is one, and has left its queue to the one behind it.
void TraceStore::judged(std::size_t i, bool incident) {
  const std::int64_t place = place_of<minutes>(*segments_[i]);
  if (!incident && last_incident_ + 1 != place) return;
  if (incident) {
    last_incident_ = place;
    const bool begins = i > 0 && !segments_[i - 1]->incident;
    if (begins && place_of<minutes>(*segments_[i - 1]) + 1 == place) mark(segments_[i - 1]);
  }
  mark(segments_[i]);
}

void TraceStore::mark(TraceRef& segment) {
  if (!segment->incident) {
    TraceSegment marked = *segment;
    marked.incident = true;
    segment = std::make_shared<const TraceSegment>(std::move(marked));
  }
  const Instant minute = std::chrono::floor<minutes>(segment->start);
  if (incidents_.empty() || incidents_.back() < minute) incidents_.push_back(minute);
}

void TraceStore::trim() {
  if (segments_.size() <= last_minutes) return;
  struct Kept {
    std::size_t place;
    double value;
  };
  const std::size_t old = segments_.size() - last_minutes;
  const std::int64_t hour = place_of<hours>(*segments_.back()), day = hour / 24;
  std::map<std::int64_t, Kept> busiest_of_hour, worst_of_hour, busiest_of_day;
  const auto keep = [](std::map<std::int64_t, Kept>& best, std::int64_t slot, Kept candidate) {
    const auto [it, fresh] = best.try_emplace(slot, candidate);
    if (!fresh && candidate.value > it->second.value) it->second = candidate;
  };
  std::vector<double> loads(old);
  for (std::size_t i = 0; i < old; ++i) {
    const TraceSegment& segment = *segments_[i];
    if (segment.incident) continue;
    const std::int64_t its_hour = place_of<hours>(segment);
    loads[i] = load_of(segment);
    if (hour - its_hour < 24) {
      keep(busiest_of_hour, its_hour, {i, loads[i]});
      keep(worst_of_hour, its_hour, {i, mean_wait(segment)});
    }
    if (day - its_hour / 24 < 7) keep(busiest_of_day, its_hour / 24, {i, loads[i]});
  }
  std::vector<bool> wanted(old, false);
  for (const auto* best : {&busiest_of_hour, &worst_of_hour, &busiest_of_day})
    for (const auto& [slot, it] : *best) wanted[it.place] = true;
  std::size_t records = 0;
  for (std::size_t i = old; i < segments_.size(); ++i) records += segments_[i]->records.size();
  // The busiest come first when there is not room for all.
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < old; ++i)
    if (wanted[i]) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return loads[a] > loads[b]; });
  for (const std::size_t i : order) {
    records += segments_[i]->records.size();
    wanted[i] = records <= most_records;
  }
  std::vector<TraceRef> kept;
  for (std::size_t i = 0; i < segments_.size(); ++i)
    if (i >= old || wanted[i]) kept.push_back(std::move(segments_[i]));
  segments_ = std::move(kept);
}

}  // namespace pgweir
