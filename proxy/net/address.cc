#include "proxy/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace pgweir {

NamedAddress name_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return {text, ntohs(v4.sin_port)};
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof text);
    } else {
      inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    }
    return {text, ntohs(v6.sin6_port)};
  }
  return {"unix", 0};
}

PeerAddress ends_of(int fd, int unix_port) {
  sockaddr_storage peer{}, local{};
  socklen_t peer_size = sizeof peer, local_size = sizeof local;
  getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_size);
  if (local.ss_family == AF_UNIX) {
    ucred process{};
    socklen_t size = sizeof process;
    const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &size) == 0;
    return {"unix", unix_port, "unix", unix_port, known ? process.pid : 0, known && process.uid == geteuid()};
  }
  const NamedAddress there = name_of(peer), here = name_of(local);
  return {there.address, there.port, here.address, here.port};
}

std::string with_port(const std::string& address, int port) {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

std::string unix_socket_path(const std::string& directory, int port) {
  return directory + "/.s.PGSQL." + std::to_string(port);
}

}  // namespace pgweir
