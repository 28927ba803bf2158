#include "pool/trace_recorder.h"

#include <algorithm>
#include <limits>

namespace pgweir {

namespace {

std::uint32_t whole_micros(Duration span) {
  const std::int64_t us = std::max<std::int64_t>(micros(span), 0);
  return static_cast<std::uint32_t>(std::min<std::int64_t>(us, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

TraceRecord TraceRecorder::record(const Use& use, std::uint8_t flags, Instant now) const {
  using Limits = std::numeric_limits<std::int32_t>;
  TraceRecord record;
  record.client = use.client;
  record.arrival_us = static_cast<std::int32_t>(
      std::clamp<std::int64_t>(micros(use.arrived - start_), Limits::min(), Limits::max()));
  record.flags = static_cast<std::uint8_t>(flags | (use.opening ? TraceRecord::opening : 0));
  if (const auto found = numbers_.find(use.longest_class); found != numbers_.end())
    record.statement_class = found->second;
  if (!record.served()) {
    record.wait_us = whole_micros(now - use.arrived);
    return record;
  }
  Duration executing = use.executing, thinking = use.idle_in_transaction;
  if (use.state == Use::State::executing) executing += now - use.state_since;
  if (use.state == Use::State::idle_in_transaction) thinking += now - use.state_since;
  record.wait_us = whole_micros(use.wait);
  record.executing_us = whole_micros(executing);
  record.think_us = whole_micros(thinking);
  record.set_other_us(whole_micros(now - use.served - executing - thinking));
  return record;
}

std::uint8_t TraceRecorder::number_of(std::uint64_t statement_class) {
  const auto found = numbers_.find(statement_class);
  if (found != numbers_.end()) return found->second;
  if (statement_class == 0 || classes_.size() == most_trace_classes) return 0;
  const auto number = static_cast<std::uint8_t>(classes_.size());
  classes_.push_back(statement_class);
  numbers_.emplace(statement_class, number);
  return number;
}

void TraceRecorder::ended(const Use& use, std::uint8_t flags, Instant now) {
  if (use.arrived >= full_) return;
  number_of(use.longest_class);
  if (size_ % chunk == 0 && size_ / chunk == chunks_.size())
    chunks_.push_back(std::make_unique<TraceRecord[]>(chunk));
  chunks_[size_ / chunk][size_ % chunk] = record(use, flags, now);
  ++size_;
  if (size_ == most_records) full_ = now;
}

TraceSegment TraceRecorder::segment(std::span<const Use* const> live, Instant now) const {
  TraceSegment segment;
  segment.start = start_;
  segment.length = std::min(now, full_) - start_;
  segment.records.reserve(size_ + live.size());
  for (std::size_t at = 0; at < size_; at += chunk) {
    const TraceRecord* const first = chunks_[at / chunk].get();
    segment.records.insert(segment.records.end(), first, first + std::min(chunk, size_ - at));
  }
  for (const Use* const use : live) {
    if (use->state == Use::State::none || use->arrived >= full_) continue;
    const bool waits = use->state == Use::State::arrived || use->state == Use::State::queued;
    segment.records.push_back(record(*use, waits ? TraceRecord::waiting : TraceRecord::running, now));
  }
  return segment;
}

void TraceRecorder::begin(Instant now) {
  start_ = now;
  full_ = never;
  size_ = 0;
  // A quiet minute does not keep the memory of a busy one.
  chunks_.clear();
}

}  // namespace pgweir
