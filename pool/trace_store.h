#pragma once
// The traces that are kept of one pool, of all workers together: the last minutes, the busiest and the worst
// minute of each of the last 24 hours, and the busiest of each of the last 7 days, incidents left out.
// Bounded in memory. Belongs to one thread; the segments themselves may go anywhere.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "pool/incident_watch.h"
#include "pool/trace.h"

namespace pgweir {

class TraceStore {
 public:
  static constexpr std::size_t last_minutes = 3;
  static constexpr std::size_t most_records = std::size_t{1} << 20;  // 24 MiB

  // One worker's part of a minute; its statement classes are numbered by `classes`. Parts of the same minute
  // are put together, in whatever order they come.
  void add(TraceSegment part, const std::vector<std::uint64_t>& classes);

  const std::vector<TraceRef>& segments() const { return segments_; }  // oldest first
  // Judges the last minutes, of which parts are to come, as all others were when they had come: see
  // IncidentWatch. For a copy that is looked at and thrown away.
  void judge_open();
  // Starts of the minutes that were incidents, with those before and behind, in whole minutes, oldest first;
  // of the last 7 days.
  const std::vector<Instant>& incidents() const { return incidents_; }
  // What TraceRecord::statement_class counts in them.
  const std::vector<std::uint64_t>& classes() const { return classes_; }

 private:
  void renumber(TraceSegment& part, const std::vector<std::uint64_t>& classes);
  void judge_complete();
  void mark(TraceRef& segment);
  void judged(std::size_t i, bool incident);
  void trim();

  std::vector<TraceRef> segments_;
  std::vector<std::uint64_t> classes_{0};
  IncidentWatch watch_;
  std::int64_t judged_ = std::numeric_limits<std::int64_t>::min();  // the last minute that is
  // That was one itself, and not the edge of one; far before all others at first.
  std::int64_t last_incident_ = std::numeric_limits<std::int64_t>::min() / 2;
  std::vector<Instant> incidents_;
};

// Two parts of the same stretch of time, as one.
void merge(TraceSegment& segment, const TraceSegment& other);
// Servers in use on average, and seconds that a transaction waited on average.
double load_of(const TraceSegment& segment);
double mean_wait(const TraceSegment& segment);

}  // namespace pgweir
