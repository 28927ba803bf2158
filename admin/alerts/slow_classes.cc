#include "admin/alerts/slow_classes.h"

#include <algorithm>

#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {
namespace {

constexpr std::size_t ten_minutes = 10;
constexpr Duration parts_come_within = std::chrono::seconds(10);  // after the end of their minute
constexpr std::size_t most_open = 64;                             // classes of one minute

// How much slower than ever before begins an alert: half of the transactions, or the slowest tenth.
constexpr double half_begins = 1.25, nine_begins = 1.5, goes_on = 1.1;
constexpr Duration noise = std::chrono::microseconds(200);
constexpr double equal_load = 0.75;  // at least this share of the present rate

double ratio(Duration now, Duration usual) {
  return static_cast<double>(now.count()) / static_cast<double>(std::max(usual, Duration(1)).count());
}

// The largest but one.
Duration worst_but_one(std::vector<Duration> values) {
  std::nth_element(values.begin(), values.end() - 2, values.end());
  return *(values.end() - 2);
}

}  // namespace

void SlowClasses::add(const TraceSegment& part, const std::vector<std::uint64_t>& classes) {
  const auto minute = std::chrono::duration_cast<std::chrono::minutes>(part.start.time_since_epoch()).count();
  if (minute < minute_) return;  // too late
  if (minute > minute_) {
    if (minute_ >= 0) close_minute();
    minute_ = minute;
  }
  end_ = std::max(end_, part.start + part.length);
  seconds_ = std::max(seconds_, in_seconds(part.length));
  for (const TraceRecord& record : part.records) {
    if (!record.served() || record.is(TraceRecord::running) || record.is(TraceRecord::failed)) continue;
    ++transactions_;
    if (record.statement_class >= classes.size() || classes[record.statement_class] == 0) continue;
    const std::uint64_t id = classes[record.statement_class];
    if (open_.size() >= most_open && !open_.contains(id)) continue;
    open_[id].record(std::chrono::microseconds(record.executing_us));
  }
}

void SlowClasses::settle(Instant now) {
  if (minute_ >= 0 && now - end_ >= parts_come_within) close_minute();
}

void SlowClasses::close_minute() {
  rates_.push_back(seconds_ > 0 ? transactions_ / seconds_ : 0);
  if (rates_.size() > ten_minutes) rates_.pop_front();
  for (auto& [id, times] : open_) {
    Class& one = classes_[id];
    one.load += in_seconds(times.sum());
    one.minutes.push_back({times.pack(), in_seconds(times.mean())});
    if (one.minutes.size() > ten_minutes) one.minutes.pop_front();
    look_at(one, end_);
  }
  for (auto& [id, one] : classes_) {
    one.load *= 0.98;
    if (!open_.contains(id)) one.slower.reset();  // it is not used any more
  }
  while (classes_.size() > most_classes) {
    classes_.erase(std::min_element(classes_.begin(), classes_.end(), [](const auto& a, const auto& b) {
      return a.second.load < b.second.load;
    }));
  }
  open_.clear();
  transactions_ = seconds_ = 0;
  end_ = {};
  minute_ = -1;
}

void SlowClasses::look_at(Class& one, Instant end) {
  if (one.minutes.size() < ten_minutes) return;
  const auto worst = std::max_element(one.minutes.begin(), one.minutes.end(),
                                      [](const Minute& a, const Minute& b) { return a.mean < b.mean; });
  Histogram times;
  for (auto it = one.minutes.begin(); it != one.minutes.end(); ++it) {
    if (it != worst) times.add(it->times);
  }
  if (times.count() < least_executions) return one.slower.reset();
  double rate = 0;
  for (const double it : rates_) rate += it / static_cast<double>(rates_.size());
  const Usual present{rate, times.quantile(0.5), times.quantile(0.9)};

  std::vector<Duration> halves, nines;
  for (const Usual& usual : one.usual) {
    if (usual.rate < rate * equal_load) continue;
    halves.push_back(usual.half);
    nines.push_back(usual.nine);
  }
  std::optional<Slower> slower;
  if (halves.size() >= least_usual) {
    const Duration usual_half = worst_but_one(halves), usual_nine = worst_but_one(nines);
    const auto beyond = [](Duration now, Duration usual, double factor) {
      return now - usual >= noise && ratio(now, usual) >= factor;
    };
    const bool begins =
        beyond(present.half, usual_half, half_begins) || beyond(present.nine, usual_nine, nine_begins);
    if (begins || beyond(present.half, usual_half, goes_on) || beyond(present.nine, usual_nine, goes_on)) {
      slower = Slower{.since = one.slower ? one.slower->since : end,
                      .holds = !begins,
                      .half = present.half,
                      .nine = present.nine,
                      .usual_half = usual_half,
                      .usual_nine = usual_nine,
                      .factor = std::max(ratio(present.half, usual_half), ratio(present.nine, usual_nine)),
                      .compared = halves.size()};
    }
  }
  one.slower = slower;
  // Ten minutes are remembered once; what is slower than usual becomes usual only when it stays.
  if (++one.since_usual < static_cast<int>(ten_minutes)) return;
  if (slower && end - slower->since < resigned) return;
  one.since_usual = 0;
  one.usual.push_back(present);
  if (one.usual.size() > most_usual) one.usual.pop_front();
}

std::vector<AlertFinding> SlowClasses::judge(const std::string& pool,
                                             const std::function<std::string(std::uint64_t)>& text_of,
                                             Instant now) const {
  std::vector<AlertFinding> findings;
  std::size_t slower = 0, known = 0;
  for (const auto& [id, one] : classes_) {
    slower += one.slower && !one.slower->holds;
    known += one.usual.size() >= least_usual;
  }
  for (const auto& [id, one] : classes_) {
    if (!one.slower) continue;
    const Slower& it = *one.slower;
    AlertFinding finding{.key = {AlertKind::slower, pool, std::to_string(id)},
                         .severity = AlertSeverity::warning,
                         .holds = it.holds,
                         .value = it.factor,
                         .limit = half_begins,
                         .unit = "times as long as usual"};
    finding.reason = text_of(id) + " takes " + number_text(it.factor, 1) + " times as long as usual for " +
                     duration_text(now - it.since) + " at the same load: half of its transactions execute " +
                     duration_text(it.half) + " or more (usual: up to " + duration_text(it.usual_half) +
                     "), a tenth " + duration_text(it.nine) + " or more (" + duration_text(it.usual_nine) +
                     "), against " + std::to_string(it.compared) + " stretches of ten minutes.";
    finding.action = slower * 2 > known
                         ? "Most kinds of queries are slower: look at the server (CPU, disk, vacuum) first."
                         : "Other queries are as usual: look for a lock or another plan (pg_stat_activity, "
                           "EXPLAIN), and at SHOW HOLDERS.";
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pgweir
