#pragma once
// TLS of one connection, as a machine: ciphertext in, plaintext out, and the other way round. It knows no
// socket. What it has to send goes into the text that the caller passes; what it has not got as a whole it
// keeps, and nothing else: an idle channel has no buffer.
//
// One thread at a time; it may move to another thread with its connection.

#include <openssl/ssl.h>

#include <memory>
#include <span>
#include <string>

#include "proxy/session/tls.h"

namespace pgweir {

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslPtr = std::unique_ptr<SSL, FreeSsl>;

class TlsChannel {
 public:
  enum class State : std::uint8_t { handshake, open, ended, failed };

  // The longest record (RFC 8446, 5.2) with what OpenSSL keeps of one that has come in part: no more than
  // this comes out of `read` beyond what was fed.
  static constexpr std::size_t held_back = 17 * 1024;

  explicit TlsChannel(SslPtr ssl);
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  State state() const { return state_; }
  // Of a state `failed`: why, in words.
  const std::string& error() const { return error_; }

  // What the peer has sent; it is used up by the calls below, before `bytes` go away.
  void feed(Bytes bytes) { input_ = bytes; }
  // Goes on with the handshake, which is over when the state is no longer `handshake`.
  void handshake(std::string& out);
  // All plaintext that is there.
  std::size_t read(std::span<char> space, std::string& out);
  void write(Bytes plain, std::string& out);
  // Says goodbye.
  void end(std::string& out);

  // Of an open channel.
  TlsInfo info() const;

 private:
  static BIO_METHOD* bio_method();
  void fail(int result);

  SslPtr ssl_;
  State state_ = State::handshake;
  Bytes input_;
  std::string* out_ = nullptr;  // while a call lasts
  std::string error_;
};

}  // namespace pgweir
