#include "admin/replay_load.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "pool/time.h"
#include "pool/trace.h"

namespace pgweir {

namespace {

// Others on the host count from so many of their executing connections for each of the pool's own.
constexpr double rest_that_matters = 0.05;

struct Stretch {
  double from, to;
};

// Where in a transaction PostgreSQL worked: before and after the client thought.
int stretches_of(const TraceRecord& it, Stretch (&out)[2]) {
  const double start = (it.arrival_us + static_cast<double>(it.wait_us)) * microsecond;
  const double executing = it.executing_us * microsecond, think = it.think_us * microsecond;
  if (executing <= 0) return 0;
  if (think <= 0) {
    out[0] = {start, start + executing};
    return 1;
  }
  out[0] = {start, start + executing / 2};
  out[1] = {start + executing / 2 + think, start + executing + think};
  return 2;
}

// What other pools executed on the host, on average in each step; empty when it does not matter.
std::vector<float> rest_of(const TraceSegment& segment, double length) {
  if (segment.host_executing.empty()) return {};
  const double step = ReplayLoad::rest_step;
  std::vector<double> own(static_cast<std::size_t>(std::ceil(length / step))), host(own.size());
  std::vector<double> samples(own.size());
  double own_total = 0, rest_total = 0;
  for (const TraceRecord& it : segment.records) {
    Stretch stretches[2];
    const int count = it.served() ? stretches_of(it, stretches) : 0;
    for (int i = 0; i < count; ++i) {
      const double from = std::clamp(stretches[i].from, 0.0, length);
      const double to = std::clamp(stretches[i].to, 0.0, length);
      for (auto slot = static_cast<std::size_t>(from / step); slot < own.size(); ++slot) {
        const double begin = static_cast<double>(slot) * step;
        if (begin >= to) break;
        own[slot] += (std::min(to, begin + step) - std::max(from, begin)) / step;
      }
    }
  }
  const double sample = in_seconds(TraceSegment::level_step);
  for (std::size_t i = 0; i < segment.host_executing.size(); ++i) {
    const auto slot = static_cast<std::size_t>(static_cast<double>(i) * sample / step);
    if (slot >= host.size()) break;
    host[slot] += segment.host_executing[i];
    samples[slot] += 1;
  }
  std::vector<float> rest(own.size());
  for (std::size_t slot = 0; slot < rest.size(); ++slot) {
    const double mean = samples[slot] > 0 ? host[slot] / samples[slot] : own[slot];
    rest[slot] = static_cast<float>(std::max(0.0, mean - own[slot]));
    own_total += own[slot];
    rest_total += static_cast<double>(rest[slot]);
  }
  if (rest_total <= rest_that_matters * own_total) return {};
  return rest;
}

// The work of each record: its executing time, weighted with the speed of the host.
std::vector<double> works_of(const TraceSegment& segment, const std::vector<float>& rest,
                             const SpeedCurve& curve) {
  std::vector<double> works(segment.records.size());
  if (!curve.found) {
    for (std::size_t i = 0; i < works.size(); ++i)
      works[i] = segment.records[i].served() ? segment.records[i].executing_us * microsecond : 0;
    return works;
  }
  struct Event {
    double at;
    int change;  // of the level; 0: the rest changes
    std::uint32_t record;
  };
  std::vector<Event> events;
  events.reserve(2 * works.size() + rest.size());
  for (std::uint32_t i = 0; i < works.size(); ++i) {
    Stretch stretches[2];
    const int count = segment.records[i].served() ? stretches_of(segment.records[i], stretches) : 0;
    for (int part = 0; part < count; ++part) {
      events.push_back({stretches[part].from, 1, i});
      events.push_back({stretches[part].to, -1, i});
    }
  }
  for (std::uint32_t slot = 0; slot < rest.size(); ++slot)
    events.push_back({slot * ReplayLoad::rest_step, 0, slot});
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    if (a.at != b.at) return a.at < b.at;
    return a.change != b.change ? a.change > b.change : a.record < b.record;
  });
  double done = 0, last = 0, others = rest.empty() ? 0 : static_cast<double>(rest.front());
  int level = 0;
  std::vector<double> speeds{1};
  for (const Event& event : events) {
    const auto n = static_cast<std::size_t>(std::max(0L, std::lround(level + others)));
    while (speeds.size() <= n) speeds.push_back(curve.speed(static_cast<double>(speeds.size())));
    done += (event.at - last) * speeds[n];
    last = event.at;
    level += event.change;
    if (event.change == 0) {
      others = static_cast<double>(rest[event.record]);
    } else {
      works[event.record] -= event.change * done;
    }
  }
  return works;
}

void fill_gaps(std::vector<ReplayJob>& jobs, const std::vector<double>& ends) {
  std::vector<std::uint32_t> order(jobs.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return jobs[a].client < jobs[b].client; });
  std::size_t first = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    ReplayJob& job = jobs[order[i]];
    if (i == 0 || jobs[order[i - 1]].client != job.client) first = i;
    const bool last = i + 1 == order.size() || jobs[order[i + 1]].client != job.client;
    if (!last) {
      job.gap = std::max(0.0, jobs[order[i + 1]].arrival - ends[order[i]]);
    } else if (i > first) {
      job.gap = jobs[order[first]].gap;
    }
  }
}

}  // namespace

ReplayLoad replay_load(const TraceSegment& segment, const SpeedCurve& curve) {
  ReplayLoad load;
  load.length = in_seconds(segment.length);
  if (!(load.length > 0) || segment.records.empty()) return load;
  load.rest = rest_of(segment, load.length);
  const std::vector<double> works = works_of(segment, load.rest, curve);
  if (!curve.found) load.rest.clear();

  const auto& records = segment.records;
  std::vector<std::uint32_t> order(records.size()), served;
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return records[a].arrival_us < records[b].arrival_us;
  });
  for (const std::uint32_t i : order)
    if (records[i].served() && !records[i].is(TraceRecord::running)) served.push_back(i);
  if (served.empty())
    for (const std::uint32_t i : order)
      if (records[i].served()) served.push_back(i);

  std::vector<double> ends;
  std::size_t imputed = 0;
  for (const std::uint32_t i : order) {
    const TraceRecord& it = records[i];
    std::uint32_t source = i;
    if (!it.served()) {
      if (served.empty()) continue;
      source = served[imputed++ * 7919 % served.size()];
    }
    ReplayJob job;
    job.arrival = it.arrival_us * microsecond;
    job.work = std::max(works[source], microsecond);
    job.think = records[source].think_us * microsecond;
    job.other = records[source].other_us() * microsecond;
    job.client = it.client;
    job.statement_class = records[source].statement_class;
    load.jobs.push_back(job);
    ends.push_back(static_cast<double>(it.end_us()) * microsecond);
  }
  fill_gaps(load.jobs, ends);
  return load;
}

ReplayLoad with_hidden_slow(const ReplayLoad& load, std::uint64_t slow_half) {
  constexpr std::uint64_t enough = 300;
  ReplayLoad more = load;
  const auto slow = std::min<std::size_t>(static_cast<std::size_t>(slow_half), load.jobs.size());
  if (slow == 0 || slow_half >= enough) return more;
  std::vector<std::uint32_t> order(load.jobs.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto holding = [&](std::uint32_t i) {
    return load.jobs[i].work + load.jobs[i].think + load.jobs[i].other;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(slow), order.end(),
                    [&](std::uint32_t a, std::uint32_t b) {
                      return holding(a) != holding(b) ? holding(a) > holding(b) : a < b;
                    });
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(slow));
  const auto extra =
      std::max<std::size_t>(1, static_cast<std::size_t>(1.5 * std::sqrt(2.0 * static_cast<double>(slow))));
  std::uint32_t client = 0;
  for (const ReplayJob& job : load.jobs) client = std::max(client, job.client);
  for (std::size_t i = 0; i < extra; ++i) {
    ReplayJob job = load.jobs[order[i * slow / extra]];
    // Half a stretch later, by a client of its own.
    job.arrival += job.arrival < load.length / 2 ? load.length / 2 : -load.length / 2;
    job.client = ++client;
    job.gap = -1;
    more.jobs.push_back(job);
  }
  std::stable_sort(more.jobs.begin(), more.jobs.end(),
                   [](const ReplayJob& a, const ReplayJob& b) { return a.arrival < b.arrival; });
  return more;
}

ReplayLoad without_think(ReplayLoad load) {
  for (ReplayJob& job : load.jobs) job.think = 0;
  return load;
}

ReplayLoad without_other(ReplayLoad load) {
  for (ReplayJob& job : load.jobs) job.other = 0;
  return load;
}

ReplayLoad without_class(const ReplayLoad& load, std::uint8_t statement_class) {
  ReplayLoad kept;
  kept.length = load.length;
  kept.rest = load.rest;
  for (const ReplayJob& job : load.jobs)
    if (job.statement_class != statement_class) kept.jobs.push_back(job);
  return kept;
}

}  // namespace pgweir
