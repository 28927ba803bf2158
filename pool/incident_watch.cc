#include "pool/incident_watch.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "pool/time.h"

namespace pgweir {

namespace {

double median_of(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

IncidentWatch::Minute IncidentWatch::measure(const TraceSegment& segment) {
  Minute minute;
  std::map<std::uint8_t, std::vector<double>> times;
  std::size_t arrivals = 0;
  for (const TraceRecord& record : segment.records) {
    if (record.arrival_us >= 0) ++arrivals;
    if (record.served() && !record.is(TraceRecord::failed))
      times[record.statement_class].push_back(record.executing_us);
  }
  minute.rate = static_cast<double>(arrivals) / std::max(1.0, in_seconds(segment.length));
  for (auto& [number, all] : times) {
    double sum = 0;
    for (const double it : all) sum += it;
    const std::size_t count = all.size();
    minute.classes[number] = {count, median_of(all), sum / static_cast<double>(count)};
  }
  return minute;
}

bool IncidentWatch::is_incident(const Minute& minute) const {
  if (usual_.size() < least_usual) return false;
  double busiest = 0;
  for (const Minute& it : usual_) busiest = std::max(busiest, it.rate);
  if (minute.rate > busiest * more_traffic) return false;
  double executing = 0, excess = 0;
  for (const auto& [number, now] : minute.classes) {
    executing += now.mean * static_cast<double>(now.count);
    if (number == 0 || now.count < least_executions) continue;
    std::vector<double> medians, means;
    for (const Minute& it : usual_) {
      const auto found = it.classes.find(number);
      if (found == it.classes.end() || found->second.count < least_executions) continue;
      medians.push_back(found->second.median);
      means.push_back(found->second.mean);
    }
    if (medians.size() < least_usual || now.median < slower * median_of(medians)) continue;
    excess += (now.mean - median_of(means)) * static_cast<double>(now.count);
  }
  return executing > 0 && excess >= excess_share * executing;
}

bool IncidentWatch::is_incident(const TraceSegment& minute) const {
  return minute.pool_size == pool_size_ && is_incident(measure(minute));
}

bool IncidentWatch::add(const TraceSegment& segment) {
  if (segment.pool_size != pool_size_) {
    usual_.clear();
    pool_size_ = segment.pool_size;
  }
  Minute minute = measure(segment);
  if (is_incident(minute) && ++lasting_ < resigned) return true;
  if (lasting_ == resigned) usual_.clear();
  lasting_ = 0;
  usual_.push_back(std::move(minute));
  if (usual_.size() > most_usual) usual_.pop_front();
  return false;
}

}  // namespace pgweir
