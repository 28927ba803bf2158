#pragma once
// What systemd asks of a service and gives to it: readiness and the watchdog (sd_notify(3)), and listening
// sockets (sd_listen_fds(3)). Both protocols are a few environment variables and one datagram, so no library
// stands between. Without systemd all of this does nothing.
//
// Made before any thread starts, since it takes the variables out of the environment: programs that pgweir
// starts are not meant. `tell` may be called by any thread.

#include <string>

#include "proxy/net/inherited.h"

namespace pgweir {

class ServiceManager {
 public:
  ServiceManager();

  // Once: the sockets of socket activation.
  InheritedSockets take_sockets() { return std::move(sockets_); }
  // How often `tell("WATCHDOG=1")` is waited for; zero: never.
  Duration watchdog() const { return watchdog_; }
  void tell(const std::string& state) const;
  // The configuration is being read; `tell("READY=1")` when it has been.
  void tell_reloading() const;

 private:
  InheritedSockets sockets_;
  std::string path_;  // of the manager's socket; empty: none
  Duration watchdog_{};
};

}  // namespace pgweir
