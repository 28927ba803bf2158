#include "tests/support/wire_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace pgweir {
namespace {

// PostgreSQL's own limit of a message (PQ_LARGE_MESSAGE_LIMIT).
constexpr std::uint32_t largest_message = 0x3fffffff;

bool wait_for(int fd, short events, std::chrono::steady_clock::time_point end) {
  pollfd entry{fd, events, 0};
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    const int found = poll(&entry, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (found >= 0) return found > 0;
    if (errno != EINTR) return false;
  }
}

}  // namespace

std::uint32_t int32_at(const std::string& bytes, std::size_t at) {
  if (bytes.size() < at + 4) return 0;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

std::string wire_int32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

std::string wire_int16(std::uint16_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string wire_message(char type, const std::string& body) {
  return std::string(1, type) + wire_int32(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

WireClient::WireClient(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    close();
    throw std::system_error(error, std::generic_category(), "connect to port " + std::to_string(port));
  }
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

WireClient::~WireClient() { close(); }

WireClient::WireClient(WireClient&& other) noexcept
    : backend_pid(other.backend_pid),
      secret(std::move(other.secret)),
      fd_(std::exchange(other.fd_, -1)),
      piece_(other.piece_),
      received_(std::move(other.received_)) {}

void WireClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void WireClient::send_raw(const std::string& bytes) {
  const auto end = std::chrono::steady_clock::now() + patience;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t size = std::min(piece_ ? piece_ : bytes.size(), bytes.size() - at);
    const ssize_t sent = ::send(fd_, bytes.data() + at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      at += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      // A peer that answers while we send must be read, or both wait for ever.
      if (!wait_for(fd_, POLLIN | POLLOUT, end)) throw std::runtime_error("the peer takes no bytes");
      std::array<char, 65536> buffer;
      const ssize_t got = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got > 0) received_.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      return;
    }
  }
}

void WireClient::send(char type, const std::string& body) { send_raw(wire_message(type, body)); }

void WireClient::send_startup(std::uint32_t version,
                              const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string body = wire_int32(version);
  for (const auto& [name, value] : parameters) (((body += name) += '\0') += value) += '\0';
  body += '\0';
  send_raw(wire_int32(static_cast<std::uint32_t>(body.size() + 4)) + body);
}

// Until `size` bytes are there; false when the peer closed before.
bool WireClient::fill(std::size_t size, std::chrono::steady_clock::time_point end) {
  while (received_.size() < size) {
    if (!wait_for(fd_, POLLIN, end)) throw std::runtime_error("nothing came in time");
    std::array<char, 65536> buffer;
    const ssize_t got = recv(fd_, buffer.data(), buffer.size(), 0);
    if (got == 0 || (got < 0 && errno != EINTR)) return false;
    if (got > 0) received_.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return true;
}

WireMessage WireClient::read(std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  if (!fill(5, end)) {
    if (!received_.empty()) throw std::runtime_error("the peer closed inside of a message");
    return {};
  }
  const std::uint32_t length = int32_at(received_, 1);
  if (length < 4 || length > largest_message) throw std::runtime_error("a message with an absurd length");
  const std::size_t whole = std::size_t{length} + 1;
  if (!fill(whole, end)) throw std::runtime_error("the peer closed inside of a message");
  WireMessage message{received_[0], received_.substr(5, whole - 5)};
  received_.erase(0, whole);
  if (message.type == 'K' && message.body.size() >= 8) {
    backend_pid = int32_at(message.body, 0);
    secret = message.body.substr(4);
  }
  return message;
}

std::optional<char> WireClient::read_byte(std::chrono::milliseconds limit) {
  if (!fill(1, std::chrono::steady_clock::now() + limit)) return std::nullopt;
  const char byte = received_[0];
  received_.erase(0, 1);
  return byte;
}

bool WireClient::readable(std::chrono::milliseconds limit) const {
  return !received_.empty() || wait_for(fd_, POLLIN, std::chrono::steady_clock::now() + limit);
}

void WireClient::login(const std::string& user, const std::string& database) {
  send_startup(3 << 16, {{"user", user}, {"database", database}});
  for (;;) {
    const WireMessage message = read();
    if (message.type == 'Z') return;
    if (message.closed() || message.type == 'E') throw std::runtime_error("login refused: " + message.body);
  }
}

}  // namespace pgweir
