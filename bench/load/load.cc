#include "bench/load/load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace pgweir::load {
namespace {

constexpr nanoseconds tolerance = std::chrono::milliseconds(1);
constexpr std::size_t largest_message = 1 << 28;

std::string int32_bytes(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

std::string message(char type, const std::string& body) {
  return type + int32_bytes(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

// The messages of a statement without parameters; `name` is empty for the unnamed one.
std::string parse_message(const std::string& name, const std::string& sql) {
  return message('P', name + '\0' + sql + '\0' + std::string(2, '\0'));
}
std::string execute_messages(const std::string& name) {
  return message('B', '\0' + name + '\0' + std::string(6, '\0')) + message('D', std::string("P\0", 2)) +
         message('E', std::string(5, '\0')) + message('S', "");
}

struct Connection {
  int fd = -1;
  int number = 0;
  bool ready = false;  // has logged in
  std::string in;
  const Job* job = nullptr;
  std::size_t step = 0;
  bool failed = false, rolling_back = false;
  JobTimes times;
  std::unordered_set<const Step*> prepared;
};

class Runner {
 public:
  explicit Runner(const Plan& plan) : plan_(plan) {}
  ~Runner() {
    for (const auto& it : connections_) {
      if (it->fd >= 0) close(it->fd);
    }
    if (epoll_ >= 0) close(epoll_);
    if (timer_ >= 0) close(timer_);
  }

  Result run() {
    if (plan_.jobs.empty() || plan_.connections < 1) {
      result_.error = "a plan needs jobs and connections";
    } else if (log_in()) {
      play();
    }
    return std::move(result_);
  }

  std::string hold(const std::function<void()>& opened) {
    if (log_in()) opened();
    return std::move(result_.error);
  }

 private:
  enum class Due { job, step, pause };
  struct Timer {
    Clock::time_point at;
    Due due;
    Connection* connection;
    bool operator>(const Timer& other) const { return at > other.at; }
  };

  bool fail(const std::string& what) {
    result_.error = what + ": " + std::strerror(errno);
    return false;
  }

  bool log_in() {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (epoll_ < 0 || timer_ < 0) return fail("epoll");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event);
    for (int i = 0; i < plan_.connections; ++i) {
      if (!open_connection()) return false;
    }
    const auto end = Clock::now() + plan_.patience;
    while (logged_in_ < plan_.connections) {
      if (!result_.error.empty()) return false;
      if (Clock::now() > end) {
        result_.error = "logging in took too long";
        return false;
      }
      arm(end);
      look();
    }
    return true;
  }

  bool open_connection() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(plan_.port));
    if (inet_pton(AF_INET, plan_.host.c_str(), &address.sin_addr) != 1) {
      result_.error = "not an IPv4 address: " + plan_.host;
      return false;
    }
    auto& it = *connections_.emplace_back(std::make_unique<Connection>());
    it.number = static_cast<int>(connections_.size()) - 1;
    it.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (it.fd < 0 || connect(it.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      return fail("connect to " + plan_.host + ":" + std::to_string(plan_.port));
    const int on = 1;
    setsockopt(it.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &it;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, it.fd, &event);
    std::string body = int32_bytes(3 << 16);
    const std::string user =
        plan_.users > 0 ? plan_.user + "_" + std::to_string(it.number % plan_.users) : plan_.user;
    for (const auto& text : {std::string("user"), user, std::string("database"), plan_.database})
      body += text + '\0';
    return send_all(it, int32_bytes(static_cast<std::uint32_t>(body.size() + 5)) + body + '\0') ||
           fail("startup");
  }

  bool send_all(const Connection& it, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ::send(it.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }

  void play() {
    start_ = result_.start = Clock::now();
    for (auto& it : connections_) {
      if (plan_.open_loop) {
        free_.push_back(it.get());
      } else {
        pause(*it);
      }
    }
    if (plan_.open_loop) timers_.push({start_ + plan_.jobs[0].at, Due::job, nullptr});
    const auto last = start_ + (plan_.open_loop ? plan_.jobs.back().at : plan_.length);
    const auto end = last + plan_.patience;
    while (!(timers_.empty() && active_ == 0 && queue_.empty())) {
      auto now = Clock::now();
      if (now > end || alive() == 0) break;
      while (!timers_.empty() && timers_.top().at <= now) {
        const Timer timer = timers_.top();
        timers_.pop();
        on_timer(timer);
        now = Clock::now();
      }
      arm(timers_.empty() ? end : std::min(end, timers_.top().at));
      look();
    }
    result_.unfinished =
        static_cast<std::size_t>(active_) + queue_.size() + (plan_.open_loop ? plan_.jobs.size() - next_ : 0);
  }

  int alive() const { return plan_.connections - lost_; }

  void arm(Clock::time_point at) {
    if (std::exchange(armed_, at) == at) return;
    const auto since = std::max<std::int64_t>(at.time_since_epoch().count(), 1);
    itimerspec spec{};
    spec.it_value.tv_sec = since / 1'000'000'000;
    spec.it_value.tv_nsec = since % 1'000'000'000;
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &spec, nullptr);
  }

  void look() {
    epoll_event events[256];
    const int count = epoll_wait(epoll_, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      if (auto* const it = static_cast<Connection*>(events[i].data.ptr)) {
        on_readable(*it);
      } else {
        std::uint64_t ignored = 0;
        [[maybe_unused]] const ssize_t size = read(timer_, &ignored, sizeof ignored);
        armed_ = {};
      }
    }
  }

  void on_timer(const Timer& timer) {
    switch (timer.due) {
      case Due::job: {
        // All that are due, so that one late turn of the loop does not add up.
        const auto now = Clock::now();
        while (next_ < plan_.jobs.size() && start_ + plan_.jobs[next_].at <= now) {
          const Job& job = plan_.jobs[next_++];
          if (now - (start_ + job.at) <= tolerance) ++result_.on_time;
          if (free_.empty()) {
            ++result_.no_connection;
            queue_.push_back(&job);
          } else {
            Connection& it = *free_.back();
            free_.pop_back();
            begin(it, job, start_ + job.at);
          }
        }
        if (next_ < plan_.jobs.size()) timers_.push({start_ + plan_.jobs[next_].at, Due::job, nullptr});
        return;
      }
      case Due::step:
        if (timer.connection->fd >= 0) send_step(*timer.connection);
        return;
      case Due::pause: {
        Connection& it = *timer.connection;
        if (it.fd >= 0 && timer.at - start_ <= plan_.length) begin(it, *it.job, timer.at);
        return;
      }
    }
  }

  void pause(Connection& it) {
    it.job = &plan_.jobs[next_++ % plan_.jobs.size()];
    if (it.job->at == nanoseconds::zero()) return begin(it, *it.job, Clock::now());
    timers_.push({Clock::now() + it.job->at, Due::pause, &it});
  }

  void begin(Connection& it, const Job& job, Clock::time_point intended) {
    ++active_;
    it.job = &job;
    it.step = 0;
    it.failed = it.rolling_back = false;
    it.times = {intended, Clock::now(), {}, false, it.number};
    send_step(it);
  }

  void send_step(Connection& it) {
    const Step& step = it.job->steps[it.step];
    switch (plan_.protocol) {
      case Protocol::simple:
        return send_query(it, step.sql);
      case Protocol::extended:
        return send(it, parse_message("", step.sql) + execute_messages(""));
      case Protocol::prepared: {
        const std::string& name =
            names_.try_emplace(&step, "s" + std::to_string(names_.size())).first->second;
        const bool first = it.prepared.insert(&step).second;
        return send(it, (first ? parse_message(name, step.sql) : std::string()) + execute_messages(name));
      }
    }
  }

  void send_query(Connection& it, const std::string& sql) { send(it, message('Q', sql + '\0')); }

  void send(Connection& it, const std::string& messages) {
    if (!send_all(it, messages)) lose(it);
  }

  void on_readable(Connection& it) {
    if (it.fd < 0) return;
    char buffer[65536];
    const ssize_t size = recv(it.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return lose(it);
    it.in.append(buffer, static_cast<std::size_t>(size));
    std::size_t at = 0;
    while (it.fd >= 0 && it.in.size() - at >= 5) {
      std::size_t length = 0;
      for (std::size_t i = 1; i <= 4; ++i) length = length << 8 | static_cast<unsigned char>(it.in[at + i]);
      if (length < 4 || length > largest_message) return lose(it);
      if (it.in.size() - at < 1 + length) break;
      const char type = it.in[at];
      const char first = length > 4 ? it.in[at + 5] : '\0';
      if (type == 'E' && !it.ready) {
        result_.error = "login refused";
        return;
      }
      at += 1 + length;
      if (type == 'E') it.failed = true;
      if (type == 'Z') on_ready(it, first);
    }
    if (it.fd >= 0) it.in.erase(0, at);
  }

  void on_ready(Connection& it, char status) {
    if (!it.ready) {
      it.ready = true;
      ++logged_in_;
      return;
    }
    if (!it.job) return;
    if (it.failed && status != 'I' && !it.rolling_back) {
      it.rolling_back = true;
      return send_query(it, "ROLLBACK");
    }
    const Step& done = it.job->steps[it.step];
    if (it.failed || ++it.step == it.job->steps.size()) return end(it);
    if (done.think > nanoseconds::zero()) {
      timers_.push({Clock::now() + done.think, Due::step, &it});
    } else {
      send_step(it);
    }
  }

  void end(Connection& it) {
    it.times.done = Clock::now();
    it.times.failed = it.failed;
    result_.jobs.push_back(it.times);
    --active_;
    it.job = nullptr;
    if (!plan_.open_loop) {
      if (Clock::now() - start_ < plan_.length) pause(it);
    } else if (queue_.empty()) {
      free_.push_back(&it);
    } else {
      const Job& job = *queue_.front();
      queue_.pop_front();
      begin(it, job, start_ + job.at);
    }
  }

  void lose(Connection& it) {
    close(it.fd);
    it.fd = -1;
    ++lost_;
    std::erase(free_, &it);
    if (!it.ready) {
      result_.error = "the server closed the connection during the login";
      return;
    }
    // A closed-loop client that pauses has a job that has not begun.
    const bool active =
        it.job && it.times.sent != Clock::time_point{} && it.times.done == Clock::time_point{};
    if (!active) return;
    it.times.done = Clock::now();
    it.times.failed = true;
    result_.jobs.push_back(it.times);
    --active_;
    it.job = nullptr;
  }

  const Plan& plan_;
  Result result_;
  int epoll_ = -1, timer_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> free_;
  std::deque<const Job*> queue_;
  std::unordered_map<const Step*, std::string> names_;  // of prepared statements
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  Clock::time_point start_{}, armed_{};
  std::size_t next_ = 0;
  int logged_in_ = 0, active_ = 0, lost_ = 0;
};

}  // namespace

Result run(const Plan& plan) { return Runner(plan).run(); }

std::string hold(const Plan& plan, const std::function<void()>& opened) { return Runner(plan).hold(opened); }

}  // namespace pgweir::load
