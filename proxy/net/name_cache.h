#pragma once
// The addresses that names had when they were last looked up. A good answer is used as it is for `fresh_for`,
// and kept beyond that for when a look-up fails or takes long. Pure; one thread.

#include <sys/socket.h>

#include <map>
#include <string>
#include <vector>

#include "pool/time.h"

namespace pgweir {

// Without ports.
using Addresses = std::vector<sockaddr_storage>;

class NameCache {
 public:
  // As PgBouncer's dns_max_ttl: getaddrinfo() does not tell for how long an answer is meant.
  static constexpr Duration fresh_for = std::chrono::seconds(15);
  // Names stand in the settings; those of earlier settings are not kept for ever.
  static constexpr std::size_t most_names = 1000;

  // Nothing when it has to be looked up.
  const Addresses* fresh(const std::string& name, Instant now) const {
    const auto found = names_.find(name);
    return found == names_.end() || now - found->second.since >= fresh_for ? nullptr
                                                                           : &found->second.addresses;
  }
  const Addresses* last_good(const std::string& name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : &found->second.addresses;
  }
  void answered(const std::string& name, Addresses addresses, Instant now) {
    if (names_.size() >= most_names && !names_.contains(name)) {
      std::erase_if(names_, [&](const auto& it) { return now - it.second.since >= fresh_for; });
    }
    names_[name] = {std::move(addresses), now};
  }

 private:
  struct Known {
    Addresses addresses;
    Instant since;
  };

  std::map<std::string, Known> names_;
};

}  // namespace pgweir
