#pragma once
// Owners of what the system gives: a libuv loop, libuv handles, descriptors.
//
// A libuv handle never moves, and its memory may be freed only in its close callback, which runs in a later
// phase of the loop. So handles live on the heap, and the owner's destructor only asks libuv to close them.

#include <unistd.h>
#include <uv.h>

#include <memory>
#include <system_error>
#include <utility>

#include "pool/time.h"

namespace pgweir {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

struct HandleCloser {
  template <class H>
  void operator()(H* handle) const {
    uv_close(reinterpret_cast<uv_handle_t*>(handle),
             [](uv_handle_t* closed) { delete reinterpret_cast<H*>(closed); });
  }
};

// Belongs to the thread that runs the loop.
template <class H>
using HandlePtr = std::unique_ptr<H, HandleCloser>;

// `init` is libuv's init function for the handle, bound to its other arguments. Throws std::system_error,
// so it is for start-up and not for callbacks.
template <class H, class Init>
HandlePtr<H> make_handle(void* data, Init init) {
  auto raw = std::make_unique<H>();
  const int failed = init(raw.get());
  if (failed < 0) throw std::system_error(-failed, std::generic_category(), "event loop");
  raw->data = data;
  return HandlePtr<H>(raw.release());
}

// A loop. Its handles are to be closed before it is finished.
class Loop {
 public:
  Loop() {
    const int failed = uv_loop_init(&loop_);
    if (failed < 0) throw std::system_error(-failed, std::generic_category(), "event loop");
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() { finish(Duration::zero()); }

  uv_loop_t* get() { return &loop_; }
  // Runs what is still under way, at most so long; false when a request (a look-up of a name) does not end.
  // Then the loop's memory must stay, and the process can only leave by _Exit.
  bool finish(Duration limit) {
    const std::uint64_t end = uv_hrtime() + static_cast<std::uint64_t>(limit.count());
    while (!finished_) {
      uv_run(&loop_, UV_RUN_NOWAIT);
      finished_ = uv_loop_close(&loop_) == 0;
      if (finished_ || uv_hrtime() >= end) break;
      ::usleep(1000);
    }
    return finished_;
  }

 private:
  uv_loop_t loop_;
  bool finished_ = false;
};

// The system's words for a libuv error: "Connection refused".
inline std::string error_text(int uv_error) { return std::generic_category().message(-uv_error); }

}  // namespace pgweir
