#pragma once
// Listening sockets. They are bound before any thread starts, so that an address in use is an error of the
// start; each worker then accepts on its own.

#include <sys/types.h>

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "admin/settings.h"
#include "proxy/net/handle.h"
#include "proxy/net/inherited.h"

namespace pgweir {

struct ListenSocket {
  Descriptor socket;
  int family = 0;  // AF_INET, AF_INET6, AF_UNIX
};

// The file of a Unix socket, removed with this object, unless another process has replaced it.
class SocketFile {
 public:
  SocketFile() = default;
  SocketFile(std::string path, dev_t device, ino_t inode)
      : path_(std::move(path)), device_(device), inode_(inode) {}
  SocketFile(SocketFile&& other) noexcept { *this = std::move(other); }
  SocketFile& operator=(SocketFile&& other) noexcept;
  ~SocketFile();
  // Of a socket that is there and is ours now.
  static SocketFile of(const std::string& path);
  // It is another's now.
  void forget() { path_.clear(); }

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

struct ListenSockets {
  std::vector<std::vector<ListenSocket>> workers;
  std::vector<std::string> names;  // "127.0.0.1:6432", for the log
  SocketFile file;
};

// Binds for all workers, or says in words what could not be bound and why. With several workers every TCP
// address has a socket for each, among which the system spreads the clients; the Unix socket is worker 0's.
// What is inherited is not bound again; with fewer sockets of an address than workers some share one. The
// file of an inherited Unix socket is its owner's until that gives it up.
tl::expected<ListenSockets, std::string> bind_listen_sockets(const ListenSettings& settings, int workers,
                                                             InheritedSockets& inherited);

// Those that are inherited, and no others.
ListenSockets adopt_listen_sockets(int workers, InheritedSockets& inherited);

// A Unix socket that does not listen yet, in place of one that nobody listens on any more.
struct UnixSocket {
  Descriptor socket;
  SocketFile file;
};
tl::expected<UnixSocket, std::string> bind_unix_socket(const std::string& path, int type, int mode);

// Clients can connect from now on: to every socket, since all are bound.
tl::expected<void, std::string> listen_on(const ListenSockets& sockets, int backlog);

}  // namespace pgweir
