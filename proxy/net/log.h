#pragma once
// The log: lines to stderr, as text or JSON.
//
// Shared by all threads; spdlog's sink has the lock. A reader of stderr that stands still delays a thread by
// a fraction of a second at most, then lines are dropped and counted. The same words again and again are
// cut to a few per second, and the number of those left out is said.

#include <atomic>
#include <memory>
#include <string>

#include "admin/settings.h"
#include "proxy/session/host.h"

namespace spdlog {
class logger;
}

namespace pgweir {

class Log {
 public:
  // `fd` stays the caller's.
  explicit Log(const LogSettings& settings, int fd = 2);
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log();

  void configure(const LogSettings& settings);
  bool wants(LogLevel level) const;
  void write(const LogLine& line);
  void write(LogLevel level, std::string text);
  // Says what the limits left out, when a second is over; to be called about once a second.
  void settle();

 private:
  class Limiter;
  class Sink;

  void emit(const LogLine& line);

  std::atomic<LogFormat> format_{LogFormat::text};
  std::unique_ptr<Limiter> limiter_;
  std::shared_ptr<Sink> sink_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace pgweir
