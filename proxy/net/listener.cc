#include "proxy/net/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "proxy/net/address.h"

namespace pgweir {
namespace {

using Failure = tl::unexpected<std::string>;

std::string reason() { return std::generic_category().message(errno); }

void set(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

// Linux hands options of a listening socket on to the accepted ones, which saves calls for each client.
void set_tcp_options(int fd, int family) {
  set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 5);
  if (family == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
}

Descriptor make_socket(int family, int type = SOCK_STREAM) {
  return Descriptor(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// One or more to each worker; the same one to several when there are too few.
void share_out(std::vector<InheritedSockets::Socket> found, ListenSockets& sockets) {
  const std::size_t there = found.size(), workers = sockets.workers.size();
  for (const InheritedSockets::Socket& it : found) {
    if (it.family != AF_UNIX) set_tcp_options(it.descriptor.get(), it.family);
  }
  for (std::size_t i = there; i < workers && found.front().family != AF_UNIX; ++i) {
    const auto& [descriptor, family, type, name, inode] = found[i % there];
    sockets.workers[i].push_back({Descriptor(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 0)), family});
  }
  for (std::size_t i = 0; i < there; ++i)
    sockets.workers[i % workers].push_back({std::move(found[i].descriptor), found[i].family});
}

tl::expected<Descriptor, std::string> bind_tcp(const addrinfo& address, bool share) {
  Descriptor socket = make_socket(address.ai_family);
  if (!socket.valid()) return Failure(reason());
  set_tcp_options(socket.get(), address.ai_family);
  if (share) set(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (::bind(socket.get(), address.ai_addr, address.ai_addrlen) != 0) return Failure(reason());
  return socket;
}

tl::expected<void, std::string> bind_all(ListenSockets& sockets, const addrinfo& address,
                                         InheritedSockets& inherited) {
  const bool share = sockets.workers.size() > 1;
  sockaddr_storage wanted{};
  std::memcpy(&wanted, address.ai_addr, address.ai_addrlen);
  const NamedAddress named = name_of(wanted);
  const std::string name = with_port(named.address, named.port);
  if (auto found = inherited.take(name); !found.empty()) {
    share_out(std::move(found), sockets);
    sockets.names.push_back(name);
    return {};
  }
  // A socket that does not share finds out whether another process, even a pgweir, has the address.
  if (share) {
    auto alone = bind_tcp(address, false);
    if (!alone) return Failure(alone.error());
  }
  for (auto& worker : sockets.workers) {
    auto socket = bind_tcp(address, share);
    if (!socket) return Failure(socket.error());
    worker.push_back({std::move(*socket), address.ai_family});
  }
  sockets.names.push_back(name);
  return {};
}

tl::expected<void, std::string> open_address(ListenSockets& sockets, const std::string& host,
                                             const ListenSettings& settings, InheritedSockets& inherited) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  const bool any = host == "*";
  const std::string where = with_port(host, settings.port);
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(any ? nullptr : host.c_str(), std::to_string(settings.port).c_str(), &hints, &found);
  if (failed != 0) return Failure("cannot listen on " + where + ": " + gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  std::string error = "no address";
  bool bound = false;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    errno = 0;
    const auto all_bound = bind_all(sockets, *a, inherited);
    if (all_bound) {
      bound = true;
      continue;
    }
    error = all_bound.error();
    // A name or "*" may stand for IPv6 as well, on a machine without it.
    const bool family_missing = errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL;
    if (!family_missing) return Failure("cannot listen on " + where + ": " + error);
  }
  if (!bound) return Failure("cannot listen on " + where + ": " + error);
  return {};
}

// A file of a socket that nobody listens on any more is in the way.
tl::expected<void, std::string> clear_stale(const sockaddr_un& address, int type) {
  struct stat there {};
  if (::lstat(address.sun_path, &there) != 0) return {};
  if (!S_ISSOCK(there.st_mode)) return Failure("the file exists and is not a socket");
  const Descriptor probe = make_socket(AF_UNIX, type);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN) {
    return Failure("another process listens on it");
  }
  if (errno != ECONNREFUSED) return Failure(reason());
  if (::unlink(address.sun_path) != 0) return Failure("cannot remove the stale file: " + reason());
  return {};
}

tl::expected<void, std::string> open_unix(ListenSockets& sockets, const ListenSettings& settings,
                                          InheritedSockets& inherited) {
  const std::string path = unix_socket_path(settings.unix_socket_dir, settings.port);
  sockets.names.push_back(path);
  if (auto found = inherited.take(path); !found.empty()) {
    share_out(std::move(found), sockets);
    return {};
  }
  auto opened = bind_unix_socket(path, SOCK_STREAM, settings.unix_socket_mode);
  if (!opened) return Failure("cannot listen on Unix socket \"" + path + "\": " + opened.error());
  sockets.file = std::move(opened->file);
  sockets.workers.front().push_back({std::move(opened->socket), AF_UNIX});
  return {};
}

}  // namespace

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  return *this;
}

SocketFile::~SocketFile() {
  struct stat there {};
  if (path_.empty() || ::lstat(path_.c_str(), &there) != 0) return;
  if (there.st_dev == device_ && there.st_ino == inode_) ::unlink(path_.c_str());
}

SocketFile SocketFile::of(const std::string& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) return {};
  return SocketFile(path, there.st_dev, there.st_ino);
}

tl::expected<UnixSocket, std::string> bind_unix_socket(const std::string& path, int type, int mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Failure("the path is longer than " + std::to_string(sizeof address.sun_path - 1) + " bytes");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (const auto cleared = clear_stale(address, type); !cleared) return Failure(cleared.error());
  UnixSocket bound{make_socket(AF_UNIX, type), {}};
  // Nobody can connect before listen(), so the mode is right from the first client on.
  if (!bound.socket.valid() ||
      ::bind(bound.socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Failure(reason());
  }
  bound.file = SocketFile::of(path);
  if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) return Failure(reason());
  return bound;
}

tl::expected<ListenSockets, std::string> bind_listen_sockets(const ListenSettings& settings, int workers,
                                                             InheritedSockets& inherited) {
  ListenSockets sockets;
  sockets.workers.resize(static_cast<std::size_t>(workers));
  for (const std::string& host : settings.addresses) {
    const auto opened = open_address(sockets, host, settings, inherited);
    if (!opened) return Failure(opened.error());
  }
  if (!settings.unix_socket_dir.empty()) {
    const auto opened = open_unix(sockets, settings, inherited);
    if (!opened) return Failure(opened.error());
  }
  if (sockets.names.empty())
    return Failure("nothing to listen on: listen.addresses and listen.unix_socket_dir are empty");
  return sockets;
}

ListenSockets adopt_listen_sockets(int workers, InheritedSockets& inherited) {
  ListenSockets sockets;
  sockets.workers.resize(static_cast<std::size_t>(workers));
  while (!inherited.empty()) {
    sockets.names.push_back(inherited.first_name());
    share_out(inherited.take(sockets.names.back()), sockets);
  }
  return sockets;
}

tl::expected<void, std::string> listen_on(const ListenSockets& sockets, int backlog) {
  for (const auto& worker : sockets.workers) {
    for (const ListenSocket& it : worker)
      if (::listen(it.socket.get(), backlog) != 0) return Failure("cannot listen: " + reason());
  }
  return {};
}

}  // namespace pgweir
