#include "proxy/net/background.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

namespace pgweir {

namespace {

constexpr int niceness = 10;

}  // namespace

Background::~Background() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  more_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Background::run(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  more_.notify_one();
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
}

void Background::work() {
  // In Linux this is a thread's own; where it is refused the work is done all the same.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness);
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      more_.wait(lock, [this] { return ends_ || !jobs_.empty(); });
      if (ends_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace pgweir
