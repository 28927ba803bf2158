#include "pool/host_meter.h"

#include <algorithm>
#include <limits>

#include "pool/time.h"

namespace pgweir {

namespace {

// Statements up to this are put to the levels of their first and last moment.
constexpr Duration short_time = std::chrono::milliseconds(2);

}  // namespace

std::int64_t HostMeter::cell_of(Instant at) {
  return std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
}

// Writes the samples whose moment has come since the last change.
void HostMeter::pass(Instant now) {
  const std::int64_t cell = cell_of(now);
  if (ring_.empty()) {
    ring_.resize(cells);
    last_cell_ = cell;
  }
  const auto level = static_cast<std::uint16_t>(
      std::min(level_, static_cast<int>(std::numeric_limits<std::uint16_t>::max())));
  for (std::int64_t i = std::max(last_cell_ + 1, cell - cells + 1); i <= cell; ++i)
    ring_[static_cast<std::size_t>(i & (cells - 1))] = level;
  last_cell_ = std::max(last_cell_, cell);
}

// 0 for what is not known any more, or not yet.
int HostMeter::sample(std::int64_t cell) const {
  if (ring_.empty() || cell <= last_cell_ - cells) return 0;
  return cell > last_cell_ ? level_ : ring_[static_cast<std::size_t>(cell & (cells - 1))];
}

SpeedEvidence::Level& HostMeter::at(std::vector<SpeedEvidence::Level>& levels, int level) {
  const auto place = static_cast<std::size_t>(std::clamp(level, 1, SpeedEvidence::highest_level));
  if (levels.size() <= place) levels.resize(place + 1);
  return levels[place];
}

HostMeter::HostMeter(Instant now, bool shared) {
  evidence_.start = std::chrono::floor<std::chrono::microseconds>(now);
  if (shared) shared_.emplace(now);
}

std::uint16_t HostMeter::begun(Instant now) {
  pass(now);
  ++level_;
  if (shared_) shared_->level(level_, now);
  return static_cast<std::uint16_t>(
      std::min(level_, static_cast<int>(std::numeric_limits<std::uint16_t>::max())));
}

void HostMeter::ended(std::uint64_t statement_class, Instant start, std::uint16_t level, Instant now) {
  pass(now);
  if (shared_) {
    shared_->ended(statement_class, start, level, level_, now);
    shared_->level(--level_, now);
    return;
  }
  const bool told_apart =
      evidence_.classes.size() < SpeedEvidence::most_classes || evidence_.classes.contains(statement_class);
  auto& levels = evidence_.classes[told_apart ? statement_class : 0];
  const Duration span = std::max(now - start, Duration::zero());
  if (span <= short_time) {
    at(levels, level).exposure += in_seconds(span) / 2;
    at(levels, level_).exposure += in_seconds(span) / 2;
  } else {
    const std::int64_t first = cell_of(start), last = cell_of(now);
    const std::int64_t known = std::max(first, last - cells + 1);
    // Longer than the samples reach back: as it was when it began.
    if (known > first) at(levels, level).exposure += 1e-3 * static_cast<double>(known - first);
    const double share = in_seconds(span) / (1e-3 * static_cast<double>(last - first));
    for (std::int64_t cell = known + 1; cell <= last; ++cell)
      at(levels, sample(cell)).exposure += 1e-3 * share;
  }
  ++at(levels, level_).completions;
  --level_;
}

std::vector<std::uint16_t> HostMeter::samples(Instant from, Instant to) const {
  std::vector<std::uint16_t> samples;
  if (ring_.empty()) return samples;
  const std::int64_t first = cell_of(from), end = cell_of(to);
  samples.reserve(static_cast<std::size_t>(std::max<std::int64_t>(end - first, 0)));
  for (std::int64_t cell = first; cell < end; ++cell)
    samples.push_back(static_cast<std::uint16_t>(sample(cell)));
  return samples;
}

SpeedEvidence HostMeter::evidence(Instant now) const {
  SpeedEvidence evidence = evidence_;
  evidence.length = now - evidence.start;
  return evidence;
}

std::optional<HostPart> HostMeter::take_part(Instant now) {
  if (!shared_ || !shared_->is_due(now)) return {};
  return shared_->take(now);
}

std::optional<HostPart> HostMeter::part(Instant now) const {
  if (!shared_) return {};
  return shared_->so_far(now);
}

}  // namespace pgweir
