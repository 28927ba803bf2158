#include "proxy/net/dialer.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "proxy/net/address.h"
#include "proxy/net/handle.h"

namespace pgweir {

namespace {

// RFC 8305: the recommended Connection Attempt Delay, in milliseconds.
constexpr std::uint64_t silence_limit = 250;

void set_port(sockaddr_storage& address, int port) {
  const auto wire = htons(static_cast<std::uint16_t>(port));
  if (address.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in&>(address).sin_port = wire;
  } else {
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = wire;
  }
}

}  // namespace

Dial::Dial(uv_loop_t* loop, Resolver& resolver, DialOwner& owner, ConnId conn, Endpoint endpoint)
    : loop_(loop), resolver_(resolver), owner_(owner), conn_(conn), endpoint_(std::move(endpoint)) {
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
    resolver_.ask(endpoint_.host, *this);
    return;
  }
  addresses_.push_back(address);
  try_next();
}

Dial::~Dial() {
  resolver_.forget(endpoint_.host, *this);
  for (const Attempt& attempt : attempts_) attempt.stream->destroy();
}

void Dial::on_addresses(const Addresses& addresses) {
  addresses_ = addresses;
  for (sockaddr_storage& address : addresses_) set_port(address, endpoint_.port);
  try_next();
}

void Dial::on_no_addresses(const std::string& error) { owner_.on_dial_failed(conn_, error); }

void Dial::try_next() {
  while (next_ < addresses_.size()) {
    const std::size_t at = next_++;
    auto* const stream = new Stream(loop_, addresses_[at].ss_family, owner_);
    stream->bind(conn_);
    const int failed = stream->connect(reinterpret_cast<const sockaddr*>(&addresses_[at]));
    if (failed == 0) {
      attempts_.push_back({stream, at});
      return arm();
    }
    stream->destroy();
    note_failure(at, failed);
  }
  if (attempts_.empty()) owner_.on_dial_failed(conn_, errors_);
}

void Dial::arm() {
  if (next_ == addresses_.size()) return timer_.reset();
  if (!timer_) timer_ = make_handle<uv_timer_t>(this, [&](uv_timer_t* h) { return uv_timer_init(loop_, h); });
  uv_timer_start(
      timer_.get(), [](uv_timer_t* h) { static_cast<Dial*>(h->data)->try_next(); }, silence_limit, 0);
}

Stream* Dial::on_connected(Stream& stream, int error) {
  const auto attempt = std::find_if(attempts_.begin(), attempts_.end(),
                                    [&](const Attempt& it) { return it.stream == &stream; });
  const std::size_t address = attempt->address;
  attempts_.erase(attempt);
  if (error == 0) return &stream;
  stream.destroy();
  note_failure(address, error);
  try_next();
  return nullptr;
}

void Dial::note_failure(std::size_t address, int error) {
  if (!errors_.empty()) errors_ += "; ";
  errors_ += "connection to server " + target(address) + " failed: " + error_text(error);
}

// As libpq words it.
std::string Dial::target(std::size_t at) const {
  if (endpoint_.host.starts_with('/')) {
    return "on socket \"" + unix_socket_path(endpoint_.host, endpoint_.port) + "\"";
  }
  const std::string address = name_of(addresses_[at]).address;
  std::string text = "at \"" + endpoint_.host + "\"";
  if (address != endpoint_.host) text += " (" + address + ")";
  return text + ", port " + std::to_string(endpoint_.port);
}

}  // namespace pgweir
