#include "proxy/net/dialer.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

#include "proxy/net/address.h"
#include "proxy/net/handle.h"

namespace pgweir {

// Outlives its Dial when the look-up cannot be stopped.
struct Dial::Lookup {
  uv_getaddrinfo_t request;
  Dial* dial;
};

Dial::Dial(uv_loop_t* loop, DialOwner& owner, ConnId conn, Endpoint endpoint)
    : loop_(loop), owner_(owner), conn_(conn), endpoint_(std::move(endpoint)) {
  sockaddr_storage address{};
  if (endpoint_.host.starts_with('/')) {
    auto& local = reinterpret_cast<sockaddr_un&>(address);
    const std::string path = unix_socket_path(endpoint_.host, endpoint_.port);
    if (path.size() >= sizeof local.sun_path) {
      owner_.on_dial_failed(conn_, "the path of the Unix socket \"" + path + "\" is longer than " +
                                       std::to_string(sizeof local.sun_path - 1) + " bytes");
      return;
    }
    local.sun_family = AF_UNIX;
    std::memcpy(local.sun_path, path.c_str(), path.size() + 1);
  } else if (uv_ip4_addr(endpoint_.host.c_str(), endpoint_.port, reinterpret_cast<sockaddr_in*>(&address)) !=
                 0 &&
             uv_ip6_addr(endpoint_.host.c_str(), endpoint_.port, reinterpret_cast<sockaddr_in6*>(&address)) !=
                 0) {
    look_up();
    return;
  }
  addresses_.push_back(address);
  try_next();
}

Dial::~Dial() {
  if (stream_ != nullptr) stream_->destroy();
  if (lookup_ != nullptr) {
    lookup_->dial = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&lookup_->request));
  }
}

void Dial::look_up() {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  lookup_ = new Lookup{{}, this};
  lookup_->request.data = lookup_;
  const int failed = uv_getaddrinfo(
      loop_, &lookup_->request,
      [](uv_getaddrinfo_t* request, int status, addrinfo* found) {
        const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(request->data));
        if (lookup->dial != nullptr) lookup->dial->on_looked_up(status, found);
        uv_freeaddrinfo(found);
      },
      endpoint_.host.c_str(), nullptr, &hints);
  if (failed < 0) {
    delete std::exchange(lookup_, nullptr);
    owner_.on_dial_failed(
        conn_, "could not translate host name \"" + endpoint_.host + "\" to address: " + uv_strerror(failed));
  }
}

void Dial::on_looked_up(int error, const addrinfo* found) {
  lookup_ = nullptr;
  if (error < 0) {
    owner_.on_dial_failed(
        conn_, "could not translate host name \"" + endpoint_.host + "\" to address: " + uv_strerror(error));
    return;
  }
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
    sockaddr_storage address{};
    std::memcpy(&address, a->ai_addr, a->ai_addrlen);
    const auto port = htons(static_cast<std::uint16_t>(endpoint_.port));
    if (a->ai_family == AF_INET) {
      reinterpret_cast<sockaddr_in&>(address).sin_port = port;
    } else {
      reinterpret_cast<sockaddr_in6&>(address).sin6_port = port;
    }
    addresses_.push_back(address);
  }
  if (addresses_.empty()) errors_ = "host name \"" + endpoint_.host + "\" has no address";
  try_next();
}

void Dial::try_next() {
  while (next_ < addresses_.size()) {
    const sockaddr_storage& address = addresses_[next_++];
    stream_ = new Stream(loop_, address.ss_family, owner_);
    stream_->bind(conn_);
    const int failed = stream_->connect(reinterpret_cast<const sockaddr*>(&address));
    if (failed == 0) return;
    note_failure(failed);
  }
  owner_.on_dial_failed(conn_, errors_);
}

Stream* Dial::on_connected(int error) {
  if (error == 0) return std::exchange(stream_, nullptr);
  note_failure(error);
  try_next();
  return nullptr;
}

void Dial::note_failure(int error) {
  std::exchange(stream_, nullptr)->destroy();
  if (!errors_.empty()) errors_ += "; ";
  errors_ += "connection to server " + target() + " failed: " + error_text(error);
}

// As libpq words it.
std::string Dial::target() const {
  if (endpoint_.host.starts_with('/')) {
    return "on socket \"" + unix_socket_path(endpoint_.host, endpoint_.port) + "\"";
  }
  const std::string address = name_of(addresses_[next_ - 1]).address;
  std::string text = "at \"" + endpoint_.host + "\"";
  if (address != endpoint_.host) text += " (" + address + ")";
  return text + ", port " + std::to_string(endpoint_.port);
}

}  // namespace pgweir
