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

// What one pass encrypts; the peer has room for no more anyway.
constexpr std::size_t bytes_per_pass = 256 * 1024;
constexpr std::size_t record_size = 16 * 1024;

// How much of the outbox is in `text` now.
std::size_t encrypt(TlsChannel& tls, const Outbox& outbox, std::string& text) {
  std::array<char, record_size> record;
  std::size_t filled = 0, total = 0;
  const auto flush = [&] {
    if (filled > 0) tls.write({record.data(), filled}, text);
    filled = 0;
  };
  const auto add = [&](Bytes bytes) {
    bytes = bytes.substr(0, bytes_per_pass - total);
    total += bytes.size();
    while (!bytes.empty()) {
      if (filled == 0 && bytes.size() >= record_size) {
        tls.write(bytes.substr(0, record_size), text);
        bytes.remove_prefix(record_size);
        continue;
      }
      const std::size_t size = bytes.copy(record.data() + filled, record_size - filled);
      bytes.remove_prefix(size);
      filled += size;
      if (filled == record_size) flush();
    }
  };
  for (const Chunk* c = outbox.kept().head(); c != nullptr && total < bytes_per_pass; c = c->next)
    add({c->data + c->begin, c->end - c->begin});
  for (const Slice* s = outbox.fresh(); s != nullptr && total < bytes_per_pass; s = s->next)
    add({s->data, s->size});
  flush();
  return total;
}

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
  std::string own;   // bytes taken over from a session that is gone, or encrypted ones
  std::string next;  // what TLS has to say behind these
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
  const std::span<char> space = tls_ ? owner_.cipher_space() : owner_.read_space();
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
  if (size > 0 && tls_) {
    on_cipher({owner_.cipher_space().data(), static_cast<std::size_t>(size)});
  } else if (size > 0) {
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
  if (tls_) {
    outbox_ = &outbox;
  } else if (in_flight_ == 0) {
    write_later(outbox);
  }
}

// True when nothing is left to do.
bool Stream::write_now(Outbox& outbox) { return tls_ ? write_encrypted(outbox) : write_clear(outbox); }

bool Stream::write_clear(Outbox& outbox) {
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

// In records as large as they may be: each costs a hash and a header. What was encrypted and not taken is the
// stream's own; the outbox keeps the rest.
bool Stream::write_encrypted(Outbox& outbox) {
  while (!outbox.empty() && in_flight_ == 0) {
    std::string& text = owner_.cipher_text();
    text.clear();
    const std::size_t size = encrypt(*tls_, outbox, text);
    outbox.consume(owner_.chunks(), size);
    if (tls_->state() != TlsChannel::State::open) {
      outbox.clear(owner_.chunks());
      break_off(UV_EPROTO);
      return true;
    }
    if (!send_cipher(text)) outbox.clear(owner_.chunks());
  }
  return in_flight_ == 0;
}

// False when the socket is of no use.
bool Stream::send_cipher(const std::string& text) {
  if (text.empty()) return true;
  if (in_flight_ > 0) {
    pending_->next += text;
    return true;
  }
  const uv_buf_t buffer = uv_buf_init(const_cast<char*>(text.data()), static_cast<unsigned>(text.size()));
  const int written = uv_try_write(stream(), &buffer, 1);
  if (written < 0 && written != UV_EAGAIN) {
    break_off(written);
    return false;
  }
  const auto done = static_cast<std::size_t>(std::max(written, 0));
  if (done < text.size()) send_later(text.substr(done));
  return state_ == State::open;
}

void Stream::send_later(std::string text) {
  if (!pending_) pending_ = std::make_unique<Pending>();
  pending_->own = std::move(text);
  const int failed = write_own();
  if (failed == 0) return;
  in_flight_ = 0;
  break_off(failed);
}

int Stream::write_own() {
  pending_->request.data = this;
  in_flight_ = pending_->own.size();
  const uv_buf_t buffer = uv_buf_init(pending_->own.data(), static_cast<unsigned>(in_flight_));
  return uv_write(&pending_->request, stream(), &buffer, 1, [](uv_write_t* request, int status) {
    static_cast<Stream*>(request->data)->on_written(status);
  });
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
    if (status < 0) return destroy();
    if (!pending_->next.empty()) {
      pending_->own = std::exchange(pending_->next, {});
      if (write_own() < 0) destroy();
      return;
    }
    pending_.reset();
    say_goodbye();
    return;
  }
  Outbox* const outbox = std::exchange(outbox_, nullptr);
  const std::size_t written = std::exchange(in_flight_, 0);
  if (status < 0) {
    if (outbox != nullptr) outbox->clear(owner_.chunks());
    break_off(status);
    return;
  }
  if (tls_) {
    const std::string next = std::exchange(pending_->next, {});
    if (!send_cipher(next)) {
      if (outbox != nullptr) outbox->clear(owner_.chunks());
      return;
    }
  } else {
    outbox->consume(owner_.chunks(), written);
  }
  if (outbox == nullptr) {
    if (in_flight_ == 0) pending_.reset();
    return;
  }
  if (write_now(*outbox)) {
    pending_.reset();
    if (state_ == State::open) owner_.on_drained(*this);
  } else if (tls_) {
    outbox_ = outbox;
  } else {
    outbox->keep(owner_.chunks());
    write_later(*outbox);
  }
}

bool Stream::start_tls(std::shared_ptr<TlsChannel> channel) {
  if (state_ != State::open || in_flight_ > 0) return false;
  tls_ = std::move(channel);
  std::string& text = owner_.cipher_text();
  text.clear();
  tls_->handshake(text);  // a client speaks first
  send_cipher(text);
  return true;
}

void Stream::receive(Bytes bytes) { on_cipher(bytes); }

void Stream::on_cipher(Bytes bytes) {
  std::string& text = owner_.cipher_text();
  text.clear();
  tls_->feed(bytes);
  if (tls_->state() == TlsChannel::State::handshake) {
    tls_->handshake(text);
    // An alert says why, if it still gets there.
    send_cipher(text);
    text.clear();
    if (tls_->state() == TlsChannel::State::handshake) return;
    const bool open = tls_->state() == TlsChannel::State::open;
    owner_.on_tls(*this, open ? std::string() : tls_->error());
    if (!open || state_ != State::open) return;
  }
  if (tls_->state() != TlsChannel::State::open) return;
  const std::span<char> space = owner_.read_space(bytes.size() + TlsChannel::held_back);
  const std::size_t size = tls_->read(space, text);
  send_cipher(text);
  const TlsChannel::State after = tls_->state();
  if (size > 0) owner_.on_read(*this, size);
  if (after == TlsChannel::State::open || state_ != State::open) return;
  owner_.on_end(*this, after == TlsChannel::State::ended ? 0 : UV_EPROTO);
}

ssize_t Stream::receive_rest() {
  const std::span<char> space = tls_ ? owner_.cipher_space() : owner_.read_space();
  const ssize_t size = ::recv(fd(), space.data(), space.size(), MSG_DONTWAIT);
  if (size <= 0) return size;
  if (!tls_) {
    owner_.on_read(*this, static_cast<std::size_t>(size));
    return size;
  }
  std::string& text = owner_.cipher_text();
  text.clear();
  tls_->feed({space.data(), static_cast<std::size_t>(size)});
  const std::span<char> plain = owner_.read_space(static_cast<std::size_t>(size) + TlsChannel::held_back);
  const std::size_t read = tls_->read(plain, text);
  const bool open = tls_->state() == TlsChannel::State::open;
  if (read > 0) owner_.on_read(*this, read);
  return open ? size : 0;
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
  if (tls_) {
    finish_encrypted(outbox);
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
  std::shared_ptr<TlsChannel> none;
  Descriptor socket(detach(none));
  if (!socket.valid()) return;
  auto* const heir = new Stream(loop, family, owner_);
  if (heir->open(socket.get()) < 0) {
    heir->destroy();
    return;
  }
  socket.release();
  heir->linger(std::move(left));
}

void Stream::finish_encrypted(Outbox& outbox) {
  std::string left;
  while (!outbox.empty()) outbox.consume(owner_.chunks(), encrypt(*tls_, outbox, left));
  outbox_ = nullptr;
  tls_->end(left);
  if (in_flight_ == 0) return linger(std::move(left));
  pending_->next += left;
  state_ = State::lingering;
  set_reading(true);
  owner_.on_linger(*this, linger_limit);
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
  pending_->own = std::move(left);
  if (write_own() < 0) destroy();
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

int Stream::detach(std::shared_ptr<TlsChannel>& tls) {
  tls = std::move(tls_);
  const int copy = ::fcntl(fd(), F_DUPFD_CLOEXEC, 0);
  const int result = copy < 0 ? -errno : copy;
  destroy();
  return result;
}

}  // namespace pgweir
