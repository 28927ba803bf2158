#pragma once
// Listening sockets that another process has bound: the service manager (socket activation) or the pgweir
// that this one takes over from. Clients that have connected to them already wait there.

#include <sys/socket.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "proxy/net/handle.h"

namespace pgweir {

// "127.0.0.1:6432", or the path of a Unix socket; empty when it cannot be said.
std::string listening_name(int fd);

class InheritedSockets {
 public:
  struct Socket {
    Descriptor descriptor;
    int family = 0, type = 0;
    std::string name;
    ino_t inode = 0;
  };

  // Closes what does not listen, and what is here already under another number.
  void add(Descriptor descriptor);
  bool empty() const { return sockets_.empty(); }
  // All that have this name, of which there are several when workers share an address.
  std::vector<Socket> take(const std::string& name);
  std::string first_name() const { return sockets_.front().name; }

 private:
  std::vector<Socket> sockets_;
};

}  // namespace pgweir
