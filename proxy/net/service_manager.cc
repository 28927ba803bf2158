#include "proxy/net/service_manager.h"

#include <fcntl.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "proxy/net/turn.h"

namespace pgweir {
namespace {

constexpr int first_descriptor = 3;  // SD_LISTEN_FDS_START

// The variable, which is gone then.
std::string take_variable(const char* name) {
  const char* const found = std::getenv(name);
  std::string value = found == nullptr ? "" : found;
  ::unsetenv(name);
  return value;
}

// 0 when it is no number.
long long number_of(const std::string& text) {
  long long value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Meant for another process when it names one.
bool is_own(const std::string& pid) { return pid.empty() || number_of(pid) == ::getpid(); }

}  // namespace

ServiceManager::ServiceManager() : path_(take_variable("NOTIFY_SOCKET")) {
  const std::string listen_pid = take_variable("LISTEN_PID"), count = take_variable("LISTEN_FDS");
  take_variable("LISTEN_FDNAMES");
  if (!listen_pid.empty() && is_own(listen_pid)) {
    constexpr long long most = 1000;
    for (int i = 0; i < std::clamp(number_of(count), 0LL, most); ++i) {
      Descriptor descriptor(first_descriptor + i);
      ::fcntl(descriptor.get(), F_SETFD, FD_CLOEXEC);
      sockets_.add(std::move(descriptor));
    }
  }
  const std::string watchdog_pid = take_variable("WATCHDOG_PID"), micros = take_variable("WATCHDOG_USEC");
  if (is_own(watchdog_pid)) watchdog_ = std::chrono::microseconds(std::max(number_of(micros), 0LL));
}

void ServiceManager::tell(const std::string& state) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.empty() || path_.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // the abstract namespace
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
           reinterpret_cast<const sockaddr*>(&address), size);
}

void ServiceManager::tell_reloading() const {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(instant_now().time_since_epoch());
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(micros.count()));
}

}  // namespace pgweir
