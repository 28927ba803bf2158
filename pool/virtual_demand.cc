#include "pool/virtual_demand.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace pgweir {

namespace {

constexpr Duration cell_time = std::chrono::milliseconds(1);
constexpr std::int64_t cells =
    1 << 17;  // 131 s: the lag behind now, and what a client that gave up may reach ahead
constexpr Duration furthest_ahead = std::chrono::seconds(30);

std::size_t place_of(std::int64_t cell) { return static_cast<std::size_t>(cell & (cells - 1)); }

}  // namespace

std::int64_t VirtualDemand::cell_of(Instant t) {
  const std::int64_t ns = t.time_since_epoch().count();
  return ns >= 0 ? ns / cell_time.count() : -((-ns - 1) / cell_time.count()) - 1;
}

Instant VirtualDemand::start_of(std::int64_t cell) { return Instant(cell * cell_time); }

void VirtualDemand::queued(Instant now) {
  if (!on_) switch_on(now);
  ++waiting_;
}

void VirtualDemand::served(bool queued, Duration wait, Instant now) {
  if (on_) {
    advance(now - lag);
    place(now - wait, 1);
  } else {
    pass(now);
    ++level_;
  }
  ++in_use_;
  if (wait > Duration::zero()) ++late_;
  if (queued) --waiting_;
  if (on_ && quiet(now)) switch_off(now);
}

void VirtualDemand::released(Duration wait, Instant now) {
  if (on_) {
    advance(now - lag);
    place(now - wait, -1);
  } else {
    pass(now);
    --level_;
  }
  --in_use_;
  if (wait > Duration::zero()) --late_;
  if (on_ && quiet(now)) switch_off(now);
}

void VirtualDemand::gave_up(Duration wait, Duration typical_holding, Instant now) {
  advance(now - lag);
  --waiting_;
  if (typical_holding > Duration::zero()) {
    const Instant end = std::min(now - wait + typical_holding, now + furthest_ahead);
    place(now - wait, 1);
    place(end, -1);
    imputed_until_ = std::max(imputed_until_, end);
  }
  if (quiet(now)) switch_off(now);
}

void VirtualDemand::cut(Instant now) {
  cuts_.push_back(now);
  if (on_ && quiet(now)) switch_off(now);
  if (on_) {
    advance(now - lag);
  } else {
    pass(now);
    if (!used_) std::vector<std::int16_t>().swap(ring_);
    used_ = false;
  }
}

void VirtualDemand::record(bool wanted) {
  if (wanted == recorded_) return;
  recorded_ = wanted;
  recorder_.reset();
  if (wanted && !on_ && times_.total() == Duration::zero() && finished_.empty() && cuts_.empty())
    recorder_.emplace(static_cast<int>(level_), cursor_);
}

std::vector<VirtualDemand::Finished> VirtualDemand::take_finished() { return std::exchange(finished_, {}); }

std::vector<LevelTimes> VirtualDemand::preview(Instant until, Instant now) const {
  VirtualDemand rest(cursor_);
  if (on_) {
    rest = *this;
    rest.record(false);
    rest.advance(until);
  } else {
    rest.times_ = times_;
    rest.level_ = level_;
    rest.cuts_ = cuts_;
    rest.finished_ = finished_;
    rest.pass(now);
  }
  std::vector<LevelTimes> windows;
  for (Finished& it : rest.finished_) windows.push_back(std::move(it.times));
  windows.push_back(rest.times_.packed());
  windows.resize(windows.size() + rest.cuts_.size());
  return windows;
}

LevelSeriesRef VirtualDemand::series(Instant now) const {
  if (on_ || !recorder_ || !cuts_.empty()) return nullptr;
  LevelRecorder recorder = *recorder_;
  recorder.change(static_cast<int>(level_), cursor_);
  return std::make_shared<const LevelSeries>(recorder.take(now));
}

void VirtualDemand::switch_on(Instant now) {
  pass(now);
  if (ring_.empty()) ring_.resize(cells);
  level_ = in_use_;
  last_cell_ = cell_of(now);
  on_ = used_ = true;
}

void VirtualDemand::switch_off(Instant now) {
  advance(now);
  // What is left over stands in the cell of `now`, and is part of in_use_.
  ring_[place_of(cell_of(now))] = 0;
  level_ = in_use_;
  on_ = false;
}

void VirtualDemand::place(Instant t, int by) {
  const std::int64_t first = cell_of(cursor_);
  const std::int64_t cell = std::clamp(cell_of(t), first, first + cells - 1);
  std::int16_t& value = ring_[place_of(cell)];
  value = static_cast<std::int16_t>(std::clamp<int>(value + by, std::numeric_limits<std::int16_t>::min(),
                                                    std::numeric_limits<std::int16_t>::max()));
  last_cell_ = std::max(last_cell_, cell);
}

// Makes the cells before `limit` final.
void VirtualDemand::advance(Instant limit) {
  while (cursor_ < limit) {
    const std::int64_t cell = cell_of(cursor_);
    if (cell > last_cell_) return pass(limit);
    level_ += std::exchange(ring_[place_of(cell)], std::int16_t{0});
    std::int64_t next = cell + 1;
    while (next <= last_cell_ && ring_[place_of(next)] == 0 && start_of(next) < limit) ++next;
    pass(next > last_cell_ ? limit : std::min(start_of(next), limit));
  }
}

// The level stays until `to`.
void VirtualDemand::pass(Instant to) {
  const auto level = static_cast<int>(std::clamp<std::int64_t>(level_, 0, std::numeric_limits<int>::max()));
  if (recorder_ && to > cursor_) recorder_->change(level, cursor_);
  while (!cuts_.empty() && cuts_.front() <= to) {
    times_.add_time(level, cuts_.front() - cursor_);
    cursor_ = std::max(cursor_, cuts_.front());
    finished_.push_back({times_.packed(), {}});
    if (recorder_)
      finished_.back().series = std::make_shared<const LevelSeries>(recorder_->take(cursor_));
    else if (recorded_)
      recorder_.emplace(level, cursor_);
    times_.clear();
    cuts_.erase(cuts_.begin());
  }
  if (to <= cursor_) return;
  times_.add_time(level, to - cursor_);
  cursor_ = to;
}

}  // namespace pgweir
