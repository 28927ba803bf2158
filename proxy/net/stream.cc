#include "proxy/net/stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>

#include "proxy/net/handle.h"

namespace pgweir {
namespace {

constexpr std::size_t buffers_per_write = 64;
constexpr std::size_t bytes_per_write = 16 * 1024 * 1024;
// What a peer may still send after we closed; it only has to last until it sees the end.
constexpr std::uint32_t discard_limit = 1024 * 1024;
// After this many idle seconds the system asks whether the peer is still there.
constexpr unsigned keepalive_idle = 60;

struct Gathered {
  std::array<uv_buf_t, buffers_per_write> buffers;
  unsigned count = 0;
  std::size_t size = 0;

  bool full() const { return count == buffers_per_write || size >= bytes_per_write; }
  void add(const char* data, std::size_t length) {
    buffers[count++] = uv_buf_init(const_cast<char*>(data), static_cast<unsigned>(length));
    size += length;
  }
};

void gather(Gathered& gathered, const Outbox& outbox) {
  for (const Chunk* c = outbox.kept().head(); c != nullptr && !gathered.full(); c = c->next) {
    gathered.add(c->data + c->begin, c->end - c->begin);
  }
  for (const Slice* s = outbox.fresh(); s != nullptr && !gathered.full(); s = s->next) {
    gathered.add(s->data, s->size);
  }
}

}  // namespace

struct Stream::Pending {
  uv_write_t request;
  std::string own;  // bytes taken over from a session that is gone
};

Stream::Stream(uv_loop_t* loop, int family, StreamOwner& owner) : owner_(owner) {
  if (family == AF_UNIX) {
    uv_pipe_init(loop, &handle_.pipe, 0);
  } else {
    uv_tcp_init(loop, &handle_.tcp);
  }
  stream()->data = this;
}

int Stream::open(int fd) {
  const int failed = tcp() ? uv_tcp_open(&handle_.tcp, fd) : uv_pipe_open(&handle_.pipe, fd);
  if (failed == 0) state_ = State::open;
  return failed;
}

int Stream::accept(uv_stream_t* listener) {
  const int failed = uv_accept(listener, stream());
  if (failed == 0) state_ = State::open;
  return failed;
}

int Stream::connect(const sockaddr* address) {
  auto request = std::make_unique<uv_connect_t>();
  const auto done = [](uv_connect_t* answered, int status) {
    const std::unique_ptr<uv_connect_t> owned(answered);
    if (status == UV_ECANCELED) return;  // destroyed meanwhile
    Stream& self = *static_cast<Stream*>(answered->handle->data);
    if (status == 0) {
      self.state_ = State::open;
      if (self.tcp()) {
        uv_tcp_nodelay(&self.handle_.tcp, 1);
        uv_tcp_keepalive(&self.handle_.tcp, 1, keepalive_idle);
      }
    }
    self.owner_.on_connected(self, status);
  };
  state_ = State::connecting;
  if (tcp()) {
    const int failed = uv_tcp_connect(request.get(), &handle_.tcp, address, done);
    if (failed < 0) return failed;
  } else {
    uv_pipe_connect(request.get(), &handle_.pipe, reinterpret_cast<const sockaddr_un*>(address)->sun_path,
                    done);
  }
  request.release();
  return 0;
}

void Stream::destroy() {
  if (state_ == State::destroyed) return;
  const bool was_lingering = state_ == State::lingering;
  state_ = State::destroyed;
  outbox_ = nullptr;
  if (was_lingering) owner_.on_gone(*this);
  uv_close(reinterpret_cast<uv_handle_t*>(stream()),
           [](uv_handle_t* closed) { delete static_cast<Stream*>(closed->data); });
}

int Stream::fd() const {
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<const uv_handle_t*>(&handle_), &fd);
  return fd;
}

void Stream::set_reading(bool wanted) {
  wanted_ = wanted;
  if (!wanted || polled_) return;
  polled_ = true;
  uv_read_start(
      stream(),
      [](uv_handle_t* h, std::size_t, uv_buf_t* buffer) {
        static_cast<Stream*>(h->data)->give_space(buffer);
      },
      [](uv_stream_t* s, ssize_t size, const uv_buf_t*) { static_cast<Stream*>(s->data)->on_input(size); });
}

void Stream::give_space(uv_buf_t* buffer) {
  // An empty buffer makes libuv come back with UV_ENOBUFS instead of reading.
  *buffer = uv_buf_init(nullptr, 0);
  if (!wanted_) return;
  const std::span<char> space = owner_.read_space();
  *buffer = uv_buf_init(space.data(), static_cast<unsigned>(space.size()));
}

void Stream::on_input(ssize_t size) {
  if (size == 0) return;  // nothing there after all
  if (size == UV_ENOBUFS) {
    uv_read_stop(stream());
    polled_ = false;
    return;
  }
  if (state_ == State::lingering) {
    if (size > 0) discarded_ += static_cast<std::uint32_t>(size);
    if (size < 0 || discarded_ > discard_limit) destroy();
    return;
  }
  if (size > 0) {
    owner_.on_read(*this, static_cast<std::size_t>(size));
  } else {
    owner_.on_end(*this, size == UV_EOF ? 0 : static_cast<int>(size));
  }
}

void Stream::write(Outbox& outbox) {
  if (state_ != State::open) {
    outbox.clear(owner_.chunks());  // broken, and the owner knows
    return;
  }
  if (in_flight_ == 0 && write_now(outbox)) return;
  outbox.keep(owner_.chunks());
  if (in_flight_ == 0) write_later(outbox);
}

// True when nothing is left to do.
bool Stream::write_now(Outbox& outbox) {
  while (!outbox.empty()) {
    Gathered gathered;
    gather(gathered, outbox);
    const int written = uv_try_write(stream(), gathered.buffers.data(), gathered.count);
    if (written == UV_EAGAIN) return false;
    if (written < 0) {
      outbox.clear(owner_.chunks());
      break_off(written);
      return true;
    }
    outbox.consume(owner_.chunks(), static_cast<std::size_t>(written));
    if (static_cast<std::size_t>(written) < gathered.size) return false;
  }
  return true;
}

// The outbox has no slices any more: its chunks stay where they are until they are consumed.
void Stream::write_later(Outbox& outbox) {
  Gathered gathered;
  gather(gathered, outbox);
  if (!pending_) pending_ = std::make_unique<Pending>();
  pending_->request.data = this;
  const int failed = uv_write(
      &pending_->request, stream(), gathered.buffers.data(), gathered.count,
      [](uv_write_t* request, int status) { static_cast<Stream*>(request->data)->on_written(status); });
  if (failed < 0) {
    outbox.clear(owner_.chunks());
    break_off(failed);
    return;
  }
  outbox_ = &outbox;
  in_flight_ = gathered.size;
}

void Stream::on_written(int status) {
  if (state_ == State::destroyed) return;
  if (state_ == State::lingering) {
    in_flight_ = 0;
    pending_.reset();
    if (status < 0) {
      destroy();
    } else {
      say_goodbye();
    }
    return;
  }
  Outbox& outbox = *std::exchange(outbox_, nullptr);
  const std::size_t written = std::exchange(in_flight_, 0);
  if (status < 0) {
    outbox.clear(owner_.chunks());
    break_off(status);
    return;
  }
  outbox.consume(owner_.chunks(), written);
  if (write_now(outbox)) {
    pending_.reset();
    if (state_ == State::open) owner_.on_drained(*this);
  } else {
    outbox.keep(owner_.chunks());
    write_later(outbox);
  }
}

void Stream::break_off(int error) {
  state_ = State::broken;
  error_ = error;
  uv_read_stop(stream());
  polled_ = false;
  owner_.on_broken(*this);
}

// What the peer has not got of the outbox, whose first bytes may be in flight.
std::string Stream::unwritten(const Outbox& outbox) {
  std::size_t skip = in_flight_ == 0 ? 0 : in_flight_ - uv_stream_get_write_queue_size(stream());
  std::string left;
  left.reserve(outbox.size() - skip);
  const auto add = [&](Bytes bytes) {
    const std::size_t passed = std::min(skip, bytes.size());
    skip -= passed;
    left += bytes.substr(passed);
  };
  for (const Chunk* c = outbox.kept().head(); c != nullptr; c = c->next) {
    add({c->data + c->begin, c->end - c->begin});
  }
  for (const Slice* s = outbox.fresh(); s != nullptr; s = s->next) add({s->data, s->size});
  return left;
}

void Stream::finish(Outbox& outbox) {
  if (state_ != State::open) {
    outbox.clear(owner_.chunks());
    destroy();
    return;
  }
  if (in_flight_ == 0) {
    if (write_now(outbox)) {
      if (state_ == State::broken) {
        destroy();
      } else {
        linger({});
      }
      return;
    }
    std::string left = unwritten(outbox);
    outbox.clear(owner_.chunks());
    linger(std::move(left));
    return;
  }
  // libuv refers to chunks that go away now, and lets go of them only when the handle closes: the socket
  // goes on under another handle.
  std::string left = unwritten(outbox);
  outbox.clear(owner_.chunks());
  const int family = tcp() ? AF_INET : AF_UNIX;
  uv_loop_t* const loop = stream()->loop;
  Descriptor socket(detach());
  if (!socket.valid()) return;
  auto* const heir = new Stream(loop, family, owner_);
  if (heir->open(socket.get()) < 0) {
    heir->destroy();
    return;
  }
  socket.release();
  heir->linger(std::move(left));
}

void Stream::linger(std::string left) {
  state_ = State::lingering;
  if (left.empty()) {
    say_goodbye();
    return;
  }
  // Reading goes on, or the peer and we might wait for each other.
  set_reading(true);
  owner_.on_linger(*this, linger_limit);
  pending_ = std::make_unique<Pending>();
  pending_->request.data = this;
  pending_->own = std::move(left);
  const uv_buf_t buffer = uv_buf_init(pending_->own.data(), static_cast<unsigned>(pending_->own.size()));
  in_flight_ = pending_->own.size();
  const int failed = uv_write(&pending_->request, stream(), &buffer, 1, [](uv_write_t* request, int status) {
    static_cast<Stream*>(request->data)->on_written(status);
  });
  if (failed < 0) destroy();
}

// A socket that is closed with unread input is reset, and the reset may overtake our last words: so we end
// only our side and wait a little for the peer's end.
void Stream::say_goodbye() {
  const std::span<char> space = owner_.read_space();
  const ssize_t size = ::recv(fd(), space.data(), space.size(), MSG_DONTWAIT);
  const bool peer_done = size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
  if (peer_done || ::shutdown(fd(), SHUT_WR) != 0) {
    destroy();
    return;
  }
  owner_.on_linger(*this, goodbye_limit);
  set_reading(true);
}

int Stream::detach() {
  const int copy = ::fcntl(fd(), F_DUPFD_CLOEXEC, 0);
  const int result = copy < 0 ? -errno : copy;
  destroy();
  return result;
}

}  // namespace pgweir
