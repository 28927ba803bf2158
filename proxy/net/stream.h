#pragma once
// A connected socket, TCP or Unix, on a worker's loop.
//
// Reading goes into the owner's memory, so an idle stream has no buffer. Writing is one gathered write of an
// Outbox; what the peer does not take stays in the Outbox and is written on when it does. Neither needs a
// call to epoll_ctl, an allocation or a timer while the peer keeps up.
//
// With TLS (`start_tls`) what is read and written is what has been decrypted and is to be encrypted; the
// owner's memory is used for that, too.
//
// Life: `connecting` -> `open` -> (`broken`) -> destroyed, or `open` -> `lingering` -> destroyed.
// A stream is made with new and goes by `destroy`, which frees it when libuv has let go of it. Everything on
// the loop's thread.

#include <uv.h>

#include <memory>
#include <string>

#include "pool/ids.h"
#include "pool/time.h"
#include "proxy/net/tls_channel.h"
#include "proxy/session/outbox.h"

namespace pgweir {

class Stream;

class StreamOwner {
 public:
  virtual ChunkPool& chunks() = 0;
  // At least `least` bytes.
  virtual std::span<char> read_space(std::size_t least = TurnArena::least_read) = 0;
  // Memory for what is encrypted, shared by all streams: it is used only inside of a call.
  virtual std::span<char> cipher_space() = 0;
  virtual std::string& cipher_text() = 0;
  virtual void on_connected(Stream& stream, int error) = 0;
  // So many bytes of the latest read_space() were read.
  virtual void on_read(Stream& stream, std::size_t size) = 0;
  // The handshake of TLS has come to its end; `error` is empty when the stream is encrypted from now on.
  virtual void on_tls(Stream& stream, const std::string& error) = 0;
  // The peer closed (0) or reading failed. The owner destroys the stream.
  virtual void on_end(Stream& stream, int error) = 0;
  // A write failed. May come inside write(); the owner reads the rest and destroys the stream later.
  virtual void on_broken(Stream& stream) = 0;
  // What write() left over has been written.
  virtual void on_drained(Stream& stream) = 0;
  // The stream closes by itself, and is to be destroyed if that takes longer than this.
  virtual void on_linger(Stream& stream, Duration limit) = 0;
  // A lingering stream was destroyed.
  virtual void on_gone(Stream& stream) = 0;

 protected:
  ~StreamOwner() = default;
};

class Stream {
 public:
  enum class State : std::uint8_t { fresh, connecting, open, broken, lingering, destroyed };

  // How long a closed connection may take to hand over what is left, and then to see the peer's end.
  static constexpr Duration linger_limit = std::chrono::seconds(5);
  static constexpr Duration goodbye_limit = std::chrono::seconds(1);

  // `family` is the socket's address family.
  Stream(uv_loop_t* loop, int family, StreamOwner& owner);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // One of three ways to get a socket; negative: libuv's error. `open` owns the descriptor if it succeeds.
  int open(int fd);
  int accept(uv_stream_t* listener);
  int connect(const sockaddr* address);  // answered by on_connected if it is 0
  void destroy();

  ConnId id() const { return id_; }
  void bind(ConnId id) { id_ = id; }
  State state() const { return state_; }
  int error() const { return error_; }
  int fd() const;
  std::uint64_t linger_until = 0;  // the owner's note, in milliseconds of its clock

  // A stream reads as soon as it is wanted; when it is no longer wanted it may stop only at the next bytes,
  // since changing back and forth would cost system calls.
  void set_reading(bool wanted);
  // Encrypts from the next byte on; false when what was to be written in clear has not gone.
  bool start_tls(std::shared_ptr<TlsChannel> channel);
  // It has been encrypted elsewhere; null if not.
  void resume_tls(std::shared_ptr<TlsChannel> channel) { tls_ = std::move(channel); }
  const TlsChannel* tls() const { return tls_.get(); }
  // Bytes of the peer that belong to the handshake and were read before it began; may call the owner.
  void receive(Bytes bytes);
  // Reads what has come, though the stream is broken: so many bytes, 0 at the end, or an error of errno's.
  ssize_t receive_rest();
  // `outbox` stays where it is until it is empty or the stream is destroyed, detached or finished.
  void write(Outbox& outbox);
  // The socket is of no use: nothing is read or written any more, and the owner hears on_broken.
  void break_off(int error);
  // Takes over what is left, writes it, says goodbye and is gone: the owner hears on_linger and on_gone.
  // Afterwards `this` may be destroyed.
  void finish(Outbox& outbox);
  // The socket for somebody else, under another descriptor (negative: error), and its TLS. The stream is
  // destroyed.
  int detach(std::shared_ptr<TlsChannel>& tls);

 private:
  struct Pending;

  ~Stream() = default;
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle_); }
  bool tcp() const { return handle_.tcp.type == UV_TCP; }
  bool write_now(Outbox& outbox);
  bool write_clear(Outbox& outbox);
  bool write_encrypted(Outbox& outbox);
  bool send_cipher(const std::string& text);
  void send_later(std::string text);
  int write_own();
  void finish_encrypted(Outbox& outbox);
  void on_cipher(Bytes bytes);
  void write_later(Outbox& outbox);
  void on_written(int status);
  std::string unwritten(const Outbox& outbox);
  void linger(std::string left);
  void say_goodbye();
  void give_space(uv_buf_t* buffer);
  void on_input(ssize_t size);

  union {
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle_;
  StreamOwner& owner_;
  Outbox* outbox_ = nullptr;          // whose chunks are being written
  std::unique_ptr<Pending> pending_;  // a write that waits for the peer
  std::shared_ptr<TlsChannel> tls_;
  std::size_t in_flight_ = 0;
  ConnId id_;
  int error_ = 0;
  std::uint32_t discarded_ = 0;  // bytes read after the end
  State state_ = State::fresh;
  bool wanted_ = false;  // reading
  bool polled_ = false;
};

}  // namespace pgweir
