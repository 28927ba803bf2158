#include "tests/sim/schedule.h"

#include <algorithm>
#include <cstdarg>
#include <tuple>

namespace pgweir::sim {

// Not at zero, so that code which takes a zero instant for "not set" is on its normal path.
Schedule::Schedule(std::uint64_t seed, bool verbose)
    : now_(std::chrono::hours(1)), random_(seed), verbose_(verbose) {}

bool Schedule::later(const Event& a, const Event& b) {
  return std::tie(a.when, a.order, a.sequence) > std::tie(b.when, b.order, b.sequence);
}

void Schedule::at(Instant when, Task task) {
  heap_.push_back({std::max(when, now_), random_.next(), sequence_++, std::move(task)});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool Schedule::run_one() {
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end(), later);
  const Event event = std::move(heap_.back());
  heap_.pop_back();
  now_ = event.when;
  ++events_;
  event.task();
  return true;
}

void Schedule::trace(const char* format, ...) {
  char line[400];
  const long long us = micros(now_.time_since_epoch());
  const int head = std::snprintf(line, sizeof line, "%lld.%06lld ", us / 1000000, us % 1000000);
  std::va_list arguments;
  va_start(arguments, format);
  const int body =
      std::vsnprintf(line + head, sizeof line - static_cast<std::size_t>(head), format, arguments);
  va_end(arguments);
  const auto length = std::min(sizeof line - 1, static_cast<std::size_t>(head + body));
  std::string& slot = trace_[traced_++ % trace_length];
  slot.assign(line, length);
  for (const char c : slot) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  if (verbose_) std::printf("%s\n", slot.c_str());
}

void Schedule::fail(const std::string& reason) {
  if (!failure_.empty()) return;
  failure_ = reason;
  trace("FAILURE %s", reason.c_str());
}

void Schedule::print_trace(std::FILE* out) const {
  const std::uint64_t first = traced_ > trace_length ? traced_ - trace_length : 0;
  for (std::uint64_t i = first; i < traced_; ++i)
    std::fprintf(out, "  %s\n", trace_[i % trace_length].c_str());
}

}  // namespace pgweir::sim
