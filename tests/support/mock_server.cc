#include "tests/support/mock_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <memory>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

namespace pgweir {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

nanoseconds scaled(nanoseconds time, double by) {
  return nanoseconds(std::llround(static_cast<double>(time.count()) * by));
}

struct Dice {
  explicit Dice(std::uint64_t seed) : bits(seed) {}
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  std::mt19937_64 bits;
};

void check(bool good, const char* what) {
  if (!good) throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

MockRate unlimited() {
  return [](int) { return 1.0; };
}
MockRate cores(int count) {
  return [=](int n) { return std::min(1.0, static_cast<double>(count) / n); };
}
MockRate slowdown(double contention, double coherency) {
  return [=](int n) { return 1 / (1 + contention * (n - 1) + coherency * n * (n - 1)); };
}

MockScript fixed_work(nanoseconds each) {
  return [=](const std::string&) { return MockReply{.work = each}; };
}
MockScript exponential_work(nanoseconds mean, std::uint64_t seed) {
  return [=, dice = std::make_shared<Dice>(seed)](const std::string&) {
    return MockReply{.work = scaled(mean, -std::log(1 - dice->uniform()))};
  };
}
MockScript bimodal_work(nanoseconds fast, nanoseconds slow, double share, std::uint64_t seed) {
  return [=, dice = std::make_shared<Dice>(seed)](const std::string&) {
    return MockReply{.work = dice->uniform() < share ? slow : fast};
  };
}
MockScript work_in_text() {
  return [](const std::string& sql) {
    MockReply reply;
    if (const auto at = sql.find("work "); at != std::string::npos)
      reply.work = std::chrono::microseconds(std::stol(sql.substr(at + 5)));
    if (const auto at = sql.find("fail "); at != std::string::npos) reply.sqlstate = sql.substr(at + 5, 5);
    reply.dies = sql.find("die") != std::string::npos;
    return reply;
  };
}

struct MockServer::Link {
  Link(int descriptor, MockSession::Key key, const MockScript& script)
      : fd(descriptor), session(key, script) {}
  ~Link() { close(fd); }

  int fd;
  MockSession session;
  bool counted = false;  // as open
  bool busy = false;     // its statement is among the executing
  double left = 0;       // of its work, nanoseconds
  Clock::time_point since{};
};

MockServer::MockServer(MockScript script, MockRate rate)
    : script_(std::move(script)), rate_(std::move(rate)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  check(listener_ >= 0 && wake_ >= 0, "mock server");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  check(bind(listener_, any, size) == 0 && listen(listener_, SOMAXCONN) == 0 &&
            getsockname(listener_, any, &size) == 0,
        "mock server");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

MockServer::~MockServer() {
  stopping_ = true;
  eventfd_write(wake_, 1);
  thread_.join();
  close(listener_);
  close(wake_);
}

BusyTimes MockServer::executed() const {
  const std::lock_guard lock(mutex_);
  return executed_;
}

void MockServer::drop_all() {
  dropping_ = true;
  eventfd_write(wake_, 1);
}

void MockServer::run() {
  while (!stopping_) {
    std::vector<pollfd> entries{{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    for (const auto& [fd, link] : links_) entries.push_back({fd, POLLIN, 0});
    const nanoseconds wait = until_next();
    const timespec limit{static_cast<time_t>(wait.count() / 1'000'000'000),
                         static_cast<long>(wait.count() % 1'000'000'000)};
    ppoll(entries.data(), entries.size(), executing_ > 0 ? &limit : nullptr, nullptr);
    eventfd_t ignored = 0;
    eventfd_read(wake_, &ignored);
    if (dropping_.exchange(false)) {
      // Answers to nobody: what they executed is not counted.
      links_.clear();
      executing_ = 0;
      open_ = 0;
      continue;
    }
    advance();
    for (std::size_t i = 2; i < entries.size(); ++i) {
      const auto found = links_.find(entries[i].fd);
      if (entries[i].revents != 0 && found != links_.end()) on_readable(*found->second);
    }
    if (entries[0].revents != 0) accept_new();
  }
  links_.clear();
}

void MockServer::accept_new() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const std::uint32_t pid = next_pid_++;
  links_.emplace(fd, std::make_unique<Link>(fd, MockSession::Key{pid, pid * 2654435761u}, script_));
}

void MockServer::on_readable(Link& link) {
  char buffer[16384];
  const ssize_t size = read(link.fd, buffer, sizeof buffer);
  if (size < 0 && errno == EAGAIN) return;
  if (size > 0) link.session.feed({buffer, static_cast<std::size_t>(size)});
  if (const auto& named = link.session.cancel_request()) {
    for (const auto& [fd, other] : links_) {
      if (!other->session.started() || other->session.key() != *named) continue;
      ++cancels_;
      other->session.cancel();
      settle(*other);
      break;
    }
  }
  if (size > 0) return settle(link);
  if (link.busy) --executing_;
  if (link.counted) --open_;
  links_.erase(link.fd);
}

// Enters and leaves the executing statements; advance() was called with the present time.
void MockServer::note_state(Link& link) {
  const bool runs = link.session.running().has_value();
  if (link.busy && !runs) {
    --executing_;
    const std::lock_guard lock(mutex_);
    executed_.add(link.since, Clock::now());
  }
  if (!link.busy && runs) {
    ++executing_;
    link.since = Clock::now();
    // What has passed since advance() will be taken off, but was not its own.
    link.left = static_cast<double>(link.session.running()->work.count()) +
                static_cast<double>(nanoseconds(link.since - advanced_).count()) * rate_(executing_);
  }
  link.busy = runs;
}

// Sends what the session says, after its state has been noted: whoever reads the answer finds it counted.
void MockServer::settle(Link& link) {
  note_state(link);
  if (link.session.started() && !link.counted) {
    link.counted = true;
    ++logins_;
    ++open_;
  }
  const std::string out = std::exchange(link.session.out, {});
  // Answers are small: what a socket does not take at once is the end of it.
  const bool sent =
      out.empty() || send(link.fd, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size());
  if (sent && !link.session.closed()) return;
  if (link.busy) --executing_;
  if (link.counted) --open_;
  links_.erase(link.fd);
}

void MockServer::advance() {
  const auto now = Clock::now();
  const double passed = static_cast<double>(nanoseconds(now - advanced_).count());
  advanced_ = now;
  if (executing_ == 0) return;
  const double done = passed * rate_(executing_);
  std::vector<Link*> finished;
  for (const auto& [fd, link] : links_) {
    if (link->busy && (link->left -= done) <= 0) finished.push_back(link.get());
  }
  for (Link* const link : finished) {
    link->session.finish();
    // Another statement of the same query may have begun.
    if (link->session.running()) {
      const std::lock_guard lock(mutex_);
      executed_.add(link->since, Clock::now());
      link->busy = false;
      --executing_;
    }
    settle(*link);
  }
}

nanoseconds MockServer::until_next() const {
  double least = 1e12;
  for (const auto& [fd, link] : links_) {
    if (link->busy) least = std::min(least, link->left);
  }
  if (executing_ == 0) return nanoseconds(0);
  return nanoseconds(static_cast<std::int64_t>(std::max(0.0, least) / rate_(executing_)) + 1);
}

}  // namespace pgweir
