#include "proxy/net/inherited.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>

#include "proxy/net/address.h"

namespace pgweir {
namespace {

int option_of(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

std::string listening_name(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  if (address.ss_family == AF_UNIX) {
    const auto& local = reinterpret_cast<const sockaddr_un&>(address);
    if (size <= offsetof(sockaddr_un, sun_path)) return {};
    const std::size_t length = size - offsetof(sockaddr_un, sun_path);
    return std::string(local.sun_path, strnlen(local.sun_path, length));
  }
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) return {};
  const NamedAddress name = name_of(address);
  return with_port(name.address, name.port);
}

void InheritedSockets::add(Descriptor descriptor) {
  struct stat status {};
  const int fd = descriptor.get();
  if (::fstat(fd, &status) != 0 || option_of(fd, SO_ACCEPTCONN) != 1) return;
  const auto same = [&](const Socket& it) { return it.inode == status.st_ino; };
  if (std::any_of(sockets_.begin(), sockets_.end(), same)) return;
  std::string name = listening_name(fd);
  if (name.empty()) return;
  sockets_.push_back({.descriptor = std::move(descriptor),
                      .family = option_of(fd, SO_DOMAIN),
                      .type = option_of(fd, SO_TYPE),
                      .name = std::move(name),
                      .inode = status.st_ino});
}

std::vector<InheritedSockets::Socket> InheritedSockets::take(const std::string& name) {
  std::vector<Socket> taken;
  for (Socket& socket : sockets_)
    if (socket.name == name) taken.push_back(std::move(socket));
  std::erase_if(sockets_, [](const Socket& it) { return !it.descriptor.valid(); });
  return taken;
}

}  // namespace pgweir
