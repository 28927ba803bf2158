#include "proxy/net/log.h"

#include <poll.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <mutex>
#include <unordered_map>

#include "proxy/net/log_text.h"
#include "proxy/net/turn.h"

namespace pgweir {
namespace {

// A pipe that polls as writable takes this much without blocking (PIPE_BUF).
constexpr std::size_t line_limit = 4095;
constexpr int patience_ms = 200;

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// Lines of the same words that one second may bring; 0: as many as there are.
int limit_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return 0;
    case LogLevel::info:
      return 200;
    case LogLevel::warning:
    case LogLevel::error:
      return 10;
  }
  return 10;
}

}  // namespace

class Log::Sink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit Sink(int fd) : fd_(fd) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (dropped_ > 0) {
      const std::string note = std::to_string(dropped_) + " log lines were dropped here: stderr took none\n";
      if (!put(note, 0)) {
        ++dropped_;
        return;
      }
      dropped_ = 0;
    }
    std::string line(message.payload.data(), std::min(message.payload.size(), line_limit));
    line += '\n';
    if (!put(line, patience_ms)) ++dropped_;
  }
  void flush_() override {}

  bool put(const std::string& line, int patience) {
    pollfd waiting{fd_, POLLOUT, 0};
    if (::poll(&waiting, 1, patience) <= 0) return false;
    return ::write(fd_, line.data(), line.size()) >= 0;
  }

  int fd_;
  std::size_t dropped_ = 0;
};

// Counts lines of the same words within a second of the process's clock.
class Log::Limiter {
 public:
  struct LeftOut {
    LogLine line;
    int count = 0;
  };

  // Whether the line may pass. `over` gets what the second before left out.
  bool admit(const LogLine& line, std::vector<LeftOut>& over) {
    const int limit = limit_of(line.level);
    const std::lock_guard lock(mutex_);
    turn_over(over);
    if (limit == 0 || seen_.size() >= most_words) return true;
    Seen& seen = seen_[std::string(1, static_cast<char>('0' + static_cast<int>(line.level))) + line.text];
    if (++seen.count <= limit) return true;
    seen.level = line.level;
    return false;
  }
  void settle(std::vector<LeftOut>& over) {
    const std::lock_guard lock(mutex_);
    turn_over(over);
  }

 private:
  static constexpr std::size_t most_words = 1000;
  struct Seen {
    int count = 0;
    LogLevel level{};
  };

  void turn_over(std::vector<LeftOut>& over) {
    const auto second = std::chrono::floor<std::chrono::seconds>(instant_now());
    if (second == second_) return;
    second_ = second;
    for (const auto& [key, seen] : seen_) {
      const int limit = limit_of(seen.level);
      if (seen.count <= limit || limit == 0) continue;
      LogLine line;
      line.level = seen.level;
      line.text = key.substr(1);
      over.push_back({std::move(line), seen.count - limit});
    }
    seen_.clear();
  }

  std::mutex mutex_;
  std::chrono::time_point<Timeline, std::chrono::seconds> second_{};
  std::unordered_map<std::string, Seen> seen_;
};

Log::Log(const LogSettings& settings, int fd)
    : limiter_(std::make_unique<Limiter>()),
      sink_(std::make_shared<Sink>(fd)),
      logger_(std::make_shared<spdlog::logger>("pgweir", sink_)) {
  configure(settings);
}

Log::~Log() = default;

void Log::configure(const LogSettings& settings) {
  logger_->set_level(spdlog_level(settings.level));
  format_ = settings.format;
}

bool Log::wants(LogLevel level) const { return logger_->should_log(spdlog_level(level)); }

void Log::write(const LogLine& line) {
  if (!wants(line.level)) return;
  std::vector<Limiter::LeftOut> over;
  const bool admitted = limiter_->admit(line, over);
  for (auto& [left_out, count] : over) {
    left_out.text = std::to_string(count) + " more lines like this were left out: " + left_out.text;
    emit(left_out);
  }
  if (admitted) emit(line);
}

void Log::write(LogLevel level, std::string text) {
  LogLine line;
  line.level = level;
  line.text = std::move(text);
  write(line);
}

void Log::settle() {
  std::vector<Limiter::LeftOut> over;
  limiter_->settle(over);
  for (auto& [left_out, count] : over) {
    left_out.text = std::to_string(count) + " more lines like this were left out: " + left_out.text;
    emit(left_out);
  }
}

void Log::emit(const LogLine& line) {
  const WallTime now = std::chrono::system_clock::now();
  const std::string text = format_ == LogFormat::json ? json_line(line, now) : text_line(line, now);
  // As a string view: never a format.
  logger_->log(spdlog_level(line.level), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace pgweir
