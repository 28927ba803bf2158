#pragma once
// One attempt to reach an endpoint: all addresses of its name, of both families, in the order of the
// look-up. When one fails, the next is tried at once; when it is silent, the next is tried beside it, and
// whichever connects first is taken (RFC 8305). Destroying a Dial ends the attempt without a word.
//
// Everything on the loop's thread.

#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "proxy/net/resolver.h"
#include "proxy/net/stream.h"
#include "proxy/session/host.h"

namespace pgweir {

class DialOwner : public StreamOwner {
 public:
  // May come inside the Dial's constructor.
  virtual void on_dial_failed(ConnId conn, std::string error) = 0;

 protected:
  ~DialOwner() = default;
};

class Dial final : private NameAsker {
 public:
  // The owner passes its on_connected for the streams of `conn` to `on_connected` here.
  Dial(uv_loop_t* loop, Resolver& resolver, DialOwner& owner, ConnId conn, Endpoint endpoint);
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;
  ~Dial();

  // The stream, which is the caller's from now on; null when the attempt goes on or has failed.
  Stream* on_connected(Stream& stream, int error);
  int port() const { return endpoint_.port; }

 private:
  struct Attempt {
    Stream* stream;
    std::size_t address;
  };

  void on_addresses(const Addresses& addresses) override;
  void on_no_addresses(const std::string& error) override;
  void try_next();
  void arm();
  void note_failure(std::size_t address, int error);
  std::string target(std::size_t address) const;

  uv_loop_t* loop_;
  Resolver& resolver_;
  DialOwner& owner_;
  ConnId conn_;
  Endpoint endpoint_;
  Addresses addresses_;
  std::size_t next_ = 0;           // address to try
  std::vector<Attempt> attempts_;  // under way
  std::string errors_;
  HandlePtr<uv_timer_t> timer_;  // when the next address is tried beside the silent ones
};

}  // namespace pgweir
