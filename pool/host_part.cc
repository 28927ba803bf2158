#include "pool/host_part.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace pgweir {

namespace {

// Statements up to this are put to the levels of their first and last moment.
constexpr std::int64_t short_us = 2000;

std::uint32_t whole_us(Duration span) {
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(micros(span), 0, std::numeric_limits<std::int32_t>::max()));
}

// splitmix64: which statements are listed must not follow a pattern of the traffic.
std::uint64_t scramble(std::uint64_t n) {
  n += 0x9e3779b97f4a7c15u;
  n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
  n = (n ^ n >> 27) * 0x94d049bb133111ebu;
  return n ^ n >> 31;
}

std::vector<LevelSeries::Step>::const_iterator after(const LevelSeries& series, std::int64_t us) {
  return std::upper_bound(series.steps.begin(), series.steps.end(), us,
                          [](std::int64_t at, const LevelSeries::Step& it) { return at < it.at_us; });
}

int level_at(const LevelSeries& series, std::int64_t us) {
  const auto next = after(series, us);
  return next == series.steps.begin() ? series.first : std::prev(next)->level;
}

SpeedEvidence::Level& level_of(std::vector<SpeedEvidence::Level>& levels, int level) {
  const auto place = static_cast<std::size_t>(std::clamp(level, 1, SpeedEvidence::highest_level));
  if (levels.size() <= place) levels.resize(place + 1);
  return levels[place];
}

void add_part(SpeedEvidence& evidence, const HostPart& part, std::span<const HostPart* const> parts,
              const LevelSeries& all) {
  const std::int64_t later = micros(part.level.start - all.start);
  const double stands_for = part.mask + 1.0;
  for (const HostPart::Statement& it : part.statements) {
    const std::uint64_t id = part.classes[it.statement_class];
    const bool told_apart =
        evidence.classes.size() < SpeedEvidence::most_classes || evidence.classes.contains(id);
    auto& levels = evidence.classes[told_apart ? id : 0];
    const auto others = [&](std::int64_t us) {
      int sum = 0;
      for (const HostPart* const other : parts)
        if (other != &part) sum += level_at(other->level, us + micros(part.level.start - other->level.start));
      return sum;
    };
    const int end_level = it.end_level + others(it.end_us > 0 ? it.end_us - 1 : 0);
    const std::int64_t seen = std::int64_t{it.end_us} - it.begin_us;
    if (it.span_us <= short_us || seen <= 0) {
      const double half = stands_for * it.span_us * 1e-6 / 2;
      level_of(levels, it.begin_level + others(it.begin_us)).exposure += half;
      level_of(levels, end_level).exposure += half;
    } else {
      // What of it was before this minute is taken to have been like the rest.
      const double each = stands_for * it.span_us / static_cast<double>(seen) * 1e-6;
      std::int64_t from = it.begin_us + later;
      const std::int64_t to = it.end_us + later;
      auto next = after(all, from);
      int level = next == all.steps.begin() ? all.first : std::prev(next)->level;
      while (from < to) {
        const std::int64_t until = next == all.steps.end() ? to : std::min<std::int64_t>(next->at_us, to);
        level_of(levels, level).exposure += each * static_cast<double>(until - from);
        from = until;
        if (next != all.steps.end()) level = (next++)->level;
      }
    }
    level_of(levels, end_level).completions += std::uint64_t{part.mask} + 1;
  }
}

}  // namespace

void HostPartRecorder::begin(Instant now) {
  part_ = HostPart{};
  numbers_.clear();
  start_ = std::chrono::floor<std::chrono::microseconds>(now);
  due_ = std::chrono::floor<std::chrono::minutes>(now) + std::chrono::minutes(1);
}

std::uint8_t HostPartRecorder::number_of(std::uint64_t statement_class) {
  if (statement_class == 0) return 0;
  const auto found = numbers_.find(statement_class);
  if (found != numbers_.end()) return found->second;
  if (part_.classes.size() >= SpeedEvidence::most_classes) return 0;
  const auto number = static_cast<std::uint8_t>(part_.classes.size());
  part_.classes.push_back(statement_class);
  numbers_.emplace(statement_class, number);
  return number;
}

void HostPartRecorder::ended(std::uint64_t statement_class, Instant start, int begin_level, int end_level,
                             Instant now) {
  const auto pick = static_cast<std::uint16_t>(scramble(++count_));
  if ((pick & part_.mask) != 0) return;
  auto& statements = part_.statements;
  statements.push_back({whole_us(start - start_), whole_us(now - start_), whole_us(now - start),
                        narrow(begin_level), narrow(end_level), pick, number_of(statement_class)});
  if (statements.size() < most_statements || part_.mask == std::numeric_limits<std::uint16_t>::max()) return;
  part_.mask = static_cast<std::uint16_t>(part_.mask << 1 | 1);
  std::erase_if(statements, [this](const HostPart::Statement& it) { return (it.pick & part_.mask) != 0; });
}

HostPart HostPartRecorder::take(Instant now) {
  HostPart done = std::move(part_);
  done.level = level_.take(now);
  begin(now);
  return done;
}

HostPart HostPartRecorder::so_far(Instant now) const {
  HostPart copy = part_;
  copy.level = level_.so_far(now);
  return copy;
}

void add(SpeedEvidence& evidence, std::span<const HostPart* const> parts) {
  if (parts.empty()) return;
  LevelSeries all = parts.front()->level;
  for (const HostPart* const part : parts.subspan(1)) all = sum(all, part->level);
  const bool fresh = evidence.length == Duration::zero() && evidence.classes.empty();
  const Instant end = std::max(evidence.start + evidence.length, all.start + all.length);
  evidence.start = fresh ? all.start : std::min(evidence.start, all.start);
  evidence.length = end - evidence.start;
  for (const HostPart* const part : parts) add_part(evidence, *part, parts, all);
}

void merge(SpeedEvidence& evidence, const SpeedEvidence& other) {
  const Instant end = std::max(evidence.start + evidence.length, other.start + other.length);
  evidence.start = std::min(evidence.start, other.start);
  evidence.length = end - evidence.start;
  for (const auto& [statement_class, levels] : other.classes) {
    auto& mine = evidence.classes[statement_class];
    if (mine.size() < levels.size()) mine.resize(levels.size());
    for (std::size_t i = 0; i < levels.size(); ++i) {
      mine[i].completions += levels[i].completions;
      mine[i].exposure += levels[i].exposure;
    }
  }
}

void HostParts::add(const std::string& host, HostPart part, Instant now) {
  const Instant middle = part.level.start + part.level.length / 2;
  const auto minute = std::chrono::floor<std::chrono::minutes>(middle.time_since_epoch()).count();
  auto& open = open_[host];
  Minute& its = open[minute];
  if (its.parts.empty()) its.first = now;
  its.parts.push_back(std::move(part));
  close(now);
}

void HostParts::close(Instant now) {
  for (auto& entry : open_) {
    const std::string& host = entry.first;
    std::erase_if(entry.second, [&](const auto& minute) {
      const Minute& it = minute.second;
      if (static_cast<int>(it.parts.size()) < workers_ && now - it.first < lateness) return false;
      std::vector<const HostPart*> parts;
      for (const HostPart& part : it.parts) parts.push_back(&part);
      pgweir::add(evidence_[host], parts);
      return true;
    });
  }
}

}  // namespace pgweir
