#include "proxy/net/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "proxy/net/turn.h"

namespace pgweir {

namespace {

constexpr auto sync_period = std::chrono::minutes(10);
// Each a few KB; traces are shared with who holds them anyway.
constexpr std::size_t most_waiting = 20'000;
// No file of ours is longer.
constexpr off_t longest_file = off_t{1} << 30;

std::string failure(const std::string& what) { return what + ": " + std::strerror(errno); }

tl::expected<std::string, std::string> read_all(int fd, const std::string& path) {
  struct stat found {};
  if (::fstat(fd, &found) != 0) return tl::unexpected(failure(path));
  if (!S_ISREG(found.st_mode)) return tl::unexpected(path + ": not a regular file");
  if (found.st_size > longest_file) return tl::unexpected(path + ": longer than any state of pgweir");
  std::string bytes(static_cast<std::size_t>(found.st_size), '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::pread(fd, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected(failure(path));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

tl::expected<StateRead, std::string> read_ours(int fd, const std::string& path, Duration wall_offset,
                                               std::size_t* size = nullptr) {
  const auto bytes = read_all(fd, path);
  if (!bytes) return tl::unexpected(bytes.error());
  StateRead read = read_state(*bytes, wall_offset);
  if (size != nullptr) *size = bytes->size();
  switch (read.kind) {
    case StateRead::Kind::ours:
      return read;
    case StateRead::Kind::other:
      return tl::unexpected(path + ": not a state or profile of pgweir");
    case StateRead::Kind::newer:
      return tl::unexpected(path + ": written by a newer pgweir, which this one cannot read");
  }
  return read;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

void sync_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() >= 0) ::fsync(opened.get());
}

// Opens the file, locked, and still the one that has this name.
tl::expected<Descriptor, std::string> open_locked(const std::string& path) {
  for (;;) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) return tl::unexpected(failure(path));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return tl::unexpected(path + ": another process uses it");
      return tl::unexpected(failure(path));
    }
    struct stat mine {
    }, named{};
    if (::fstat(file.get(), &mine) == 0 && ::stat(path.c_str(), &named) == 0 && mine.st_ino == named.st_ino)
      return file;
  }
}

std::string encode(const State& state) {
  std::string bytes = state_header();
  state.for_each([&](const StateEntry& entry) { append_record(bytes, entry, state.wall_offset()); });
  return bytes;
}

}  // namespace

Duration wall_offset_now() {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<Duration>(wall) - instant_now().time_since_epoch();
}

tl::expected<StateRead, std::string> load_state(const std::string& path, Duration wall_offset) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return tl::unexpected(failure(path));
  return read_ours(file.get(), path, wall_offset);
}

std::unique_ptr<StateFile> StateFile::open(const std::string& path, Duration wall_offset, Log& log,
                                           Limits limits) {
  const auto refuse = [&](const std::string& why) {
    log.write(LogLevel::error, "state_file: " + why + "; nothing will be kept over a restart");
    return nullptr;
  };
  auto file = open_locked(path);
  if (!file) return refuse(file.error());
  std::size_t size = 0;
  auto read = read_ours(file->get(), path, wall_offset, &size);
  if (!read) return refuse(read.error());
  if (size > read->good) {
    log.write(LogLevel::warning, "state_file: " + path + ": the last " + std::to_string(size - read->good) +
                                     " of " + std::to_string(size) +
                                     " bytes are not whole, as after a crash; they are cut off");
    if (::ftruncate(file->get(), static_cast<off_t>(read->good)) != 0) return refuse(failure(path));
  }
  if (read->good == 0) {
    const std::string header = state_header();
    if (!write_all(file->get(), header)) return refuse(failure(path));
    read->good = header.size();
  }
  log.write(LogLevel::info,
            "state_file: " + path + ": " + std::to_string(read->records) + " records of " +
                std::to_string(read->state.pools().size()) + " pools" +
                (read->skipped == 0 ? std::string()
                                    : ", " + std::to_string(read->skipped) + " skipped as not understood"));
  return std::unique_ptr<StateFile>(
      new StateFile(path, std::move(*file), read->good, std::move(read->state), log, limits));
}

StateFile::StateFile(std::string path, Descriptor file, std::size_t size, State state, Log& log,
                     Limits limits)
    : path_(std::move(path)),
      wall_offset_(state.wall_offset()),
      limits_(limits),
      log_(log),
      state_(std::move(state)),
      file_(std::move(file)),
      size_(size),
      needed_(encode(state_).size()),
      thread_([this] { run(); }) {}

StateFile::~StateFile() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void StateFile::write(StateEntry entry) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= most_waiting) {
      ++dropped_;
      return;
    }
    queue_.push_back(std::move(entry));
  }
  work_.notify_one();
}

void StateFile::settle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return queue_.empty() && !writing_; });
}

void StateFile::run() {
  auto sync_due = std::chrono::steady_clock::now() + sync_period;
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait_until(lock, sync_due, [this] { return stop_ || !queue_.empty(); });
    std::deque<StateEntry> entries = std::exchange(queue_, {});
    const std::size_t dropped = std::exchange(dropped_, 0);
    const bool stop = stop_;
    writing_ = true;
    lock.unlock();
    if (dropped > 0) {
      log_.write(LogLevel::warning, "state_file: " + path_ + ": the disk is too slow, " +
                                        std::to_string(dropped) + " entries were dropped");
    }
    if (!entries.empty()) append(entries);
    if (size_ > 2 * needed_ + limits_.slack) rewrite();
    if (stop || std::chrono::steady_clock::now() >= sync_due) {
      sync();
      sync_due = std::chrono::steady_clock::now() + sync_period;
    }
    lock.lock();
    writing_ = false;
    if (queue_.empty()) idle_.notify_all();
    if (stop && queue_.empty()) return;
  }
}

void StateFile::append(const std::deque<StateEntry>& entries) {
  std::string bytes;
  for (const StateEntry& entry : entries) append_record(bytes, entry, wall_offset_);
  if (put(bytes)) {
    failing_ = false;
    return;
  }
  if (!std::exchange(failing_, true)) {
    log_.write(LogLevel::error, "state_file: " + failure(path_) + "; what is measured now is not kept");
  }
}

// Whole or not at all.
bool StateFile::put(const std::string& bytes) {
  if (write_all(file_.get(), bytes)) {
    size_ += bytes.size();
    dirty_ = true;
    return true;
  }
  const int error = errno;
  // Should this fail as well, the next start cuts off what is not whole.
  if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) dirty_ = true;
  errno = error;
  return false;
}

void StateFile::rewrite() {
  const auto give_up = [this](const std::string& why) {
    log_.write(LogLevel::error, "state_file: cannot be written anew: " + why);
    // Not again before it has grown as much once more.
    needed_ = size_;
  };
  auto read = read_ours(file_.get(), path_, wall_offset_);
  if (!read) return give_up(read.error());
  std::string bytes = encode(read->state);
  if (bytes.size() > limits_.most) {
    read->state.drop_traces();
    bytes = encode(read->state);
  }
  while (bytes.size() > limits_.most && read->state.drop_oldest_pool()) bytes = encode(read->state);
  read->state = State(wall_offset_);

  const std::string fresh = path_ + ".new";
  ::unlink(fresh.c_str());
  Descriptor file(::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() < 0 || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 || !write_all(file.get(), bytes) ||
      ::fsync(file.get()) != 0 || ::rename(fresh.c_str(), path_.c_str()) != 0) {
    const std::string why = failure(fresh);
    ::unlink(fresh.c_str());
    return give_up(why);
  }
  sync_directory_of(path_);
  file_ = std::move(file);
  size_ = needed_ = bytes.size();
  dirty_ = false;
}

void StateFile::sync() {
  if (!std::exchange(dirty_, false)) return;
  if (::fsync(file_.get()) != 0) log_.write(LogLevel::error, "state_file: fsync: " + failure(path_));
}

}  // namespace pgweir
