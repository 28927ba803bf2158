#pragma once
// One attempt to reach an endpoint: its addresses are looked up off the loop when it has a name, and tried
// one after the other. Destroying a Dial ends the attempt without a word.
//
// Everything on the loop's thread.

#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

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

class Dial {
 public:
  // The owner passes its on_connected for the stream of `conn` to `on_connected` here.
  Dial(uv_loop_t* loop, DialOwner& owner, ConnId conn, Endpoint endpoint);
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;
  ~Dial();

  // The stream, which is the caller's from now on; null when the attempt goes on or has failed.
  Stream* on_connected(int error);
  int port() const { return endpoint_.port; }

 private:
  struct Lookup;

  void look_up();
  void on_looked_up(int error, const addrinfo* found);
  void try_next();
  void note_failure(int error);
  std::string target() const;

  uv_loop_t* loop_;
  DialOwner& owner_;
  ConnId conn_;
  Endpoint endpoint_;
  std::vector<sockaddr_storage> addresses_;
  std::size_t next_ = 0;  // address to try after the present one
  std::string errors_;
  Stream* stream_ = nullptr;
  Lookup* lookup_ = nullptr;
};

}  // namespace pgweir
