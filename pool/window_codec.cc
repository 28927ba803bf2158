#include "pool/window_codec.h"

#include <algorithm>
#include <limits>
#include <memory>

namespace pgweir {

namespace {

constexpr Duration longest_window{std::int64_t{1} << 48};   // 3 days
constexpr Duration longest_measure{std::int64_t{1} << 58};  // 9 years
constexpr int most_connections = 1 << 20;
constexpr int most_shards = 64;
constexpr std::size_t most_records = std::size_t{1} << 20;
constexpr std::size_t most_samples = std::size_t{1} << 18;
constexpr std::size_t most_speed_classes = 4096;
constexpr std::size_t most_levels = 4096;
constexpr std::size_t most_levels_of_all = std::size_t{1} << 20;
// Beyond the longest segment, and so far from the ends of the type that a shift by a minute stays in it.
constexpr std::int64_t most_arrival_us = 2'000'000'000;

void write(ByteWriter& out, const PackedHistogram& histogram) {
  out.number(histogram.entries.size());
  std::size_t last = 0;
  for (const PackedHistogram::Entry& entry : histogram.entries) {
    out.number(entry.bucket - last);
    out.number(entry.count);
    last = entry.bucket;
  }
  out.span(histogram.sum);
  out.span(histogram.max);
}

PackedHistogram read_packed(ByteReader& in) {
  PackedHistogram histogram;
  const std::uint64_t entries = in.number(Histogram::buckets);
  std::uint64_t bucket = 0;
  for (std::uint64_t i = 0; i < entries && in.ok(); ++i) {
    const std::uint64_t step = in.number(Histogram::buckets);
    bucket += step;
    if (bucket >= Histogram::buckets || (i > 0 && step == 0)) in.fail();
    const auto count = static_cast<std::uint32_t>(in.number(std::numeric_limits<std::uint32_t>::max()));
    if (in.ok()) histogram.entries.push_back({static_cast<std::uint16_t>(bucket), count});
  }
  histogram.sum = in.span();
  histogram.max = in.span();
  return histogram;
}

void write(ByteWriter& out, const Histogram& histogram) {
  std::size_t used = 0, last = 0;
  for (std::size_t i = 0; i < Histogram::buckets; ++i) used += histogram.count_in(i) != 0 ? 1 : 0;
  out.number(used);
  for (std::size_t i = 0; i < Histogram::buckets; ++i) {
    if (histogram.count_in(i) == 0) continue;
    out.number(i - last);
    out.number(histogram.count_in(i));
    last = i;
  }
  out.span(histogram.sum());
  out.span(histogram.max());
}

Histogram read_histogram(ByteReader& in) {
  Histogram histogram;
  const std::uint64_t entries = in.number(Histogram::buckets);
  std::uint64_t bucket = 0;
  for (std::uint64_t i = 0; i < entries && in.ok(); ++i) {
    bucket += in.number(Histogram::buckets);
    if (bucket >= Histogram::buckets) in.fail();
    const std::uint64_t count = in.number(std::uint64_t{1} << 54);
    if (in.ok()) histogram.add_counts(static_cast<std::size_t>(bucket), count);
  }
  const Duration sum = in.span(), max = in.span();
  histogram.add_extremes(sum, max);
  return histogram;
}

void write(ByteWriter& out, const LevelTimes& levels) {
  const auto used = [&](std::size_t slot) {
    const int level = LevelTimes::level_of(slot);
    return levels.time_at(level) != Duration::zero() || levels.arrivals_at(level) != 0 ||
           levels.completions_at(level) != 0;
  };
  std::size_t count = 0, last = 0;
  for (std::size_t slot = 0; slot < LevelTimes::max_slots; ++slot) count += used(slot) ? 1 : 0;
  out.number(count);
  for (std::size_t slot = 0; slot < LevelTimes::max_slots; ++slot) {
    if (!used(slot)) continue;
    const int level = LevelTimes::level_of(slot);
    out.number(slot - last);
    out.span(levels.time_at(level));
    out.number(levels.arrivals_at(level));
    out.number(levels.completions_at(level));
    last = slot;
  }
}

// The times of all levels together are at most `most`.
LevelTimes read_levels(ByteReader& in, Duration most) {
  LevelTimes levels;
  const std::uint64_t count = in.number(LevelTimes::max_slots);
  std::uint64_t slot = 0;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    slot += in.number(LevelTimes::max_slots);
    if (slot >= LevelTimes::max_slots) in.fail();
    const Duration time = in.span(most);
    const std::uint64_t arrivals = in.number(), completions = in.number();
    if (!in.ok()) break;
    most -= time;
    const int level = LevelTimes::level_of(static_cast<std::size_t>(slot));
    levels.add_time(level, time);
    levels.add_counts(level, arrivals, completions);
  }
  return levels;
}

void write(ByteWriter& out, const std::array<WaitTotal, wait_reasons>& waits,
           const std::array<std::uint64_t, give_ups>& gave_up) {
  for (const WaitTotal& wait : waits) {
    out.number(wait.count);
    out.span(wait.time);
  }
  for (const std::uint64_t count : gave_up) out.number(count);
}

void read(ByteReader& in, std::array<WaitTotal, wait_reasons>& waits,
          std::array<std::uint64_t, give_ups>& gave_up) {
  for (WaitTotal& wait : waits) {
    wait.count = in.number();
    wait.time = in.span();
  }
  for (std::uint64_t& count : gave_up) count = in.number();
}

// The same fields in the same order for both directions.
template <class Totals, class Number, class Span>
void totals(Totals& totals, Number number, Span span) {
  number(totals.server_assignment_count);
  number(totals.xact_count);
  number(totals.query_count);
  span(totals.xact_time);
  span(totals.query_time);
  span(totals.wait_time);
  number(totals.received);
  number(totals.sent);
  number(totals.client_parse_count);
  number(totals.server_parse_count);
  number(totals.bind_count);
  number(totals.client_login_count);
}

}  // namespace

void WallClock::write(ByteWriter& out, Instant at) const {
  out.integer((at.time_since_epoch() + offset).count());
}

Instant WallClock::read(ByteReader& in) const {
  const std::int64_t wall = in.integer();
  // Until 2116; so far from the ends of the type that times can be added.
  constexpr std::int64_t furthest = std::int64_t{1} << 62;
  if (wall < -furthest || wall > furthest) in.fail();
  return in.ok() ? Instant(Duration(wall) - offset) : Instant{};
}

void write(ByteWriter& out, const MinuteWindow& window, const WallClock& clock) {
  clock.write(out, window.start);
  out.span(window.duration);
  out.span(window.idle);
  out.number(window.arrivals);
  out.number(window.completions);
  write(out, window.waits_by_reason, window.gave_up);
  write(out, window.waits);
  write(out, window.held);
  write(out, window.virtual_demand);
  out.byte(static_cast<std::uint8_t>((window.virtual_final ? 1 : 0) | (window.estimated ? 0 : 2)));
  out.span(window.executing);
  out.span(window.idle_in_transaction);
  out.real(window.holding_seconds);
  out.real(window.holding_seconds_squared);
  for (const double sum : {window.trend.time, window.trend.level_time, window.trend.level_squared_time,
                           window.trend.arrivals, window.trend.arrival_levels})
    out.real(sum);
  for (const int value : {window.highest_open, window.highest_waiting, window.highest_needing, window.clients,
                          window.pool_size, window.shards})
    out.number(static_cast<std::uint64_t>(std::max(value, 0)));
}

MinuteWindow read_window(ByteReader& in, const WallClock& clock) {
  MinuteWindow window;
  window.start = clock.read(in);
  window.duration = in.span(longest_window);
  window.idle = in.span(longest_window);
  if (window.idle > window.duration) in.fail();
  window.arrivals = in.number();
  window.completions = in.number();
  read(in, window.waits_by_reason, window.gave_up);
  window.waits = read_packed(in);
  window.held = read_levels(in, longest_window);
  window.virtual_demand = read_levels(in, longest_window);
  const auto flags = in.byte();
  window.virtual_final = (flags & 1) != 0;
  window.executing = in.span();
  window.idle_in_transaction = in.span();
  window.holding_seconds = in.real();
  window.holding_seconds_squared = in.real();
  for (double* const sum : {&window.trend.time, &window.trend.level_time, &window.trend.level_squared_time,
                            &window.trend.arrivals, &window.trend.arrival_levels})
    *sum = in.real();
  for (int* const value : {&window.highest_open, &window.highest_waiting, &window.highest_needing,
                           &window.clients, &window.pool_size})
    *value = in.small(most_connections);
  window.shards = in.small(most_shards);
  window.estimated = window.shards > 1 && (flags & 2) == 0;
  return window;
}

void write(ByteWriter& out, const Period& period, const WallClock& clock) {
  write(out, period.sum, clock);
  out.byte(static_cast<std::uint8_t>((period.busiest ? 1 : 0) | (period.worst ? 2 : 0) |
                                     (period.gap ? 4 : 0) | (period.busiest == period.worst ? 8 : 0)));
  if (period.busiest) write(out, *period.busiest, clock);
  if (period.worst && period.worst != period.busiest) write(out, *period.worst, clock);
}

Period read_period(ByteReader& in, const WallClock& clock) {
  Period period;
  period.sum = read_window(in, clock);
  const std::uint8_t flags = in.byte();
  period.gap = (flags & 4) != 0;
  if ((flags & 1) != 0) period.busiest = std::make_shared<const MinuteWindow>(read_window(in, clock));
  if ((flags & 8) != 0) {
    period.worst = period.busiest;
  } else if ((flags & 2) != 0) {
    period.worst = std::make_shared<const MinuteWindow>(read_window(in, clock));
  }
  return period;
}

void write(ByteWriter& out, const TraceSegment& segment, const WallClock& clock) {
  clock.write(out, segment.start);
  out.span(segment.length);
  out.number(static_cast<std::uint64_t>(std::max(segment.pool_size, 0)));
  out.number(static_cast<std::uint64_t>(std::max(segment.clients, 0)));
  out.byte(segment.incident ? 1 : 0);
  out.number(segment.records.size());
  std::int64_t last = 0;
  for (const TraceRecord& record : segment.records) {
    out.number(record.client);
    out.integer(record.arrival_us - last);
    last = record.arrival_us;
    out.number(record.wait_us);
    out.number(record.executing_us);
    out.number(record.think_us);
    out.number(record.other_code);
    out.byte(record.statement_class);
    out.byte(record.flags);
  }
  // The level changes seldom between two samples: the level, and how often it comes.
  out.number(segment.host_executing.size());
  for (std::size_t i = 0; i < segment.host_executing.size();) {
    std::size_t next = i;
    while (next < segment.host_executing.size() && segment.host_executing[next] == segment.host_executing[i])
      ++next;
    out.number(segment.host_executing[i]);
    out.number(next - i);
    i = next;
  }
}

TraceSegment read_trace(ByteReader& in, const WallClock& clock) {
  constexpr std::size_t least_record = 8;  // bytes
  constexpr std::uint64_t most32 = std::numeric_limits<std::uint32_t>::max();
  TraceSegment segment;
  segment.start = clock.read(in);
  segment.length = in.span(longest_window);
  segment.pool_size = in.small(most_connections);
  segment.clients = in.small(most_connections);
  segment.incident = in.byte() != 0;
  const std::uint64_t records = in.number(most_records);
  if (records > in.left() / least_record) in.fail();
  if (in.ok()) segment.records.reserve(static_cast<std::size_t>(records));
  std::int64_t arrival = 0;
  for (std::uint64_t i = 0; i < records && in.ok(); ++i) {
    TraceRecord record;
    record.client = static_cast<std::uint32_t>(in.number(most32));
    const std::int64_t step = in.integer();
    if (step < -2 * most_arrival_us || step > 2 * most_arrival_us) in.fail();
    if (!in.ok()) break;
    arrival += step;
    if (arrival < -most_arrival_us || arrival > most_arrival_us) in.fail();
    record.arrival_us = in.ok() ? static_cast<std::int32_t>(arrival) : 0;
    record.wait_us = static_cast<std::uint32_t>(in.number(most32));
    record.executing_us = static_cast<std::uint32_t>(in.number(most32));
    record.think_us = static_cast<std::uint32_t>(in.number(most32));
    record.other_code = static_cast<std::uint16_t>(in.number(0xffff));
    // set_other_us never shifts further.
    if (record.other_code >> 11 > 21) in.fail();
    record.statement_class = in.byte();
    record.flags = in.byte();
    if (in.ok()) segment.records.push_back(record);
  }
  const std::uint64_t samples = in.number(most_samples);
  while (segment.host_executing.size() < samples && in.ok()) {
    const auto level = static_cast<std::uint16_t>(in.number(0xffff));
    const std::uint64_t times = in.number(samples - segment.host_executing.size());
    if (times == 0) in.fail();
    if (in.ok()) segment.host_executing.insert(segment.host_executing.end(), times, level);
  }
  return segment;
}

void write(ByteWriter& out, const SpeedEvidence& evidence, const WallClock& clock) {
  clock.write(out, evidence.start);
  out.span(evidence.length);
  out.number(std::min(evidence.classes.size(), most_speed_classes));
  std::size_t written = 0;
  for (const auto& [fingerprint, levels] : evidence.classes) {
    if (++written > most_speed_classes) break;
    const auto used = [](const SpeedEvidence::Level& it) { return it.completions != 0 || it.exposure > 0; };
    out.number(fingerprint);
    const std::size_t size = std::min(levels.size(), most_levels);
    out.number(static_cast<std::uint64_t>(
        std::count_if(levels.begin(), levels.begin() + static_cast<std::ptrdiff_t>(size), used)));
    std::size_t last = 0;
    for (std::size_t i = 0; i < size; ++i) {
      if (!used(levels[i])) continue;
      out.number(i - last);
      out.number(levels[i].completions);
      out.real(levels[i].exposure);
      last = i;
    }
  }
}

SpeedEvidence read_evidence(ByteReader& in, const WallClock& clock) {
  SpeedEvidence evidence;
  evidence.start = clock.read(in);
  evidence.length = in.span(longest_measure);
  const std::uint64_t classes = in.number(most_speed_classes);
  std::size_t all = 0;
  for (std::uint64_t i = 0; i < classes && in.ok(); ++i) {
    std::vector<SpeedEvidence::Level>& levels = evidence.classes[in.number()];
    const std::uint64_t used = in.number(most_levels);
    std::uint64_t level = 0;
    for (std::uint64_t n = 0; n < used && in.ok(); ++n) {
      level += in.number(most_levels);
      if (level >= most_levels) in.fail();
      const std::uint64_t completions = in.number();
      const double exposure = in.real();
      if (in.ok() && level >= levels.size()) {
        all += level + 1 - levels.size();
        if (all > most_levels_of_all) in.fail();
        if (in.ok()) levels.resize(level + 1);
      }
      if (in.ok()) levels[level] = {completions, exposure};
    }
  }
  return evidence;
}

void write(ByteWriter& out, const PoolMeasure& measure, const WallClock& clock) {
  clock.write(out, measure.since);
  clock.write(out, measure.now);
  totals(
      measure.totals, [&](std::uint64_t it) { out.number(it); }, [&](Duration it) { out.span(it); });
  out.number(measure.arrivals);
  out.number(measure.completions);
  write(out, measure.waits_by_reason, measure.gave_up);
  for (const Histogram* const it : {&measure.waits, &measure.abandoned_waits, &measure.links,
                                    &measure.queries, &measure.transactions, &measure.holdings})
    write(out, *it);
  for (const LevelTimes* const it :
       {&measure.held, &measure.executing, &measure.idle_in_transaction, &measure.waiting, &measure.open})
    write(out, *it);
  write(out, measure.current, clock);
  out.span(measure.little.by_level);
  out.span(measure.little.by_holding);
  out.number(static_cast<std::uint64_t>(measure.shards));
}

PoolMeasure read_measure(ByteReader& in, const WallClock& clock) {
  PoolMeasure measure;
  measure.since = clock.read(in);
  measure.now = clock.read(in);
  totals(
      measure.totals, [&](std::uint64_t& it) { it = in.number(); }, [&](Duration& it) { it = in.span(); });
  measure.arrivals = in.number();
  measure.completions = in.number();
  read(in, measure.waits_by_reason, measure.gave_up);
  for (Histogram* const it : {&measure.waits, &measure.abandoned_waits, &measure.links, &measure.queries,
                              &measure.transactions, &measure.holdings})
    *it = read_histogram(in);
  for (LevelTimes* const it :
       {&measure.held, &measure.executing, &measure.idle_in_transaction, &measure.waiting, &measure.open})
    *it = read_levels(in, longest_measure);
  measure.current = read_window(in, clock);
  measure.little.by_level = in.span();
  measure.little.by_holding = in.span();
  measure.shards = in.small(most_shards);
  return measure;
}

}  // namespace pgweir
