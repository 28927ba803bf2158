#include "proxy/net/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <cstring>

#include "proxy/net/turn.h"

namespace pgweir {

namespace {

// How long somebody waits for a look-up when there is an older answer, in milliseconds.
constexpr std::uint64_t patience = 1000;
// More than anybody can try.
constexpr std::size_t most_addresses = 64;

std::string failure(const std::string& name, const std::string& why) {
  return "could not translate host name \"" + name + "\" to address: " + why;
}

}  // namespace

// Outlives the resolver when the look-up cannot be stopped.
struct Resolver::Lookup {
  uv_getaddrinfo_t request;
  Resolver* resolver;
  std::string name;
  std::vector<NameAsker*> askers;
  HandlePtr<uv_timer_t> timer;
};

Resolver::~Resolver() {
  for (const auto& [name, lookup] : lookups_) {
    lookup->resolver = nullptr;
    lookup->timer.reset();
    uv_cancel(reinterpret_cast<uv_req_t*>(&lookup->request));
  }
}

void Resolver::ask(const std::string& name, NameAsker& asker) {
  if (const Addresses* const fresh = cache_.fresh(name, instant_now())) return asker.on_addresses(*fresh);
  Lookup*& lookup = lookups_[name];
  if (lookup != nullptr) {
    lookup->askers.push_back(&asker);
    // It is slow, or somebody else's patience is about to end.
    if (!lookup->timer) return;
    if (uv_is_active(reinterpret_cast<uv_handle_t*>(lookup->timer.get())) == 0)
      answer(*lookup, cache_.last_good(name), {});
    return;
  }
  lookup = new Lookup{{}, this, name, {&asker}, {}};
  lookup->request.data = lookup;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  const int failed = uv_getaddrinfo(
      loop_, &lookup->request,
      [](uv_getaddrinfo_t* request, int status, addrinfo* found) {
        const std::unique_ptr<Lookup> done(static_cast<Lookup*>(request->data));
        if (done->resolver != nullptr) done->resolver->on_looked_up(*done, status, found);
        uv_freeaddrinfo(found);
      },
      name.c_str(), nullptr, &hints);
  if (failed < 0) {
    const std::unique_ptr<Lookup> done(lookup);
    return on_looked_up(*done, failed, nullptr);
  }
  if (cache_.last_good(name) == nullptr) return;
  lookup->timer = make_handle<uv_timer_t>(lookup, [&](uv_timer_t* h) { return uv_timer_init(loop_, h); });
  uv_timer_start(
      lookup->timer.get(),
      [](uv_timer_t* h) {
        Lookup& slow = *static_cast<Lookup*>(h->data);
        Resolver& self = *slow.resolver;
        self.log_.write(LogLevel::warning, "the look-up of host name \"" + slow.name +
                                               "\" takes long; its last addresses are used");
        self.answer(slow, self.cache_.last_good(slow.name), {});
      },
      patience, 0);
}

void Resolver::forget(const std::string& name, const NameAsker& asker) {
  const auto found = lookups_.find(name);
  if (found != lookups_.end()) std::erase(found->second->askers, &asker);
}

void Resolver::on_looked_up(Lookup& lookup, int error, const addrinfo* found) {
  lookups_.erase(lookup.name);
  Addresses addresses;
  for (const addrinfo* a = found; a != nullptr && addresses.size() < most_addresses; a = a->ai_next) {
    if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
    std::memcpy(&addresses.emplace_back(), a->ai_addr, a->ai_addrlen);
  }
  if (!addresses.empty()) {
    cache_.answered(lookup.name, std::move(addresses), instant_now());
    return answer(lookup, cache_.last_good(lookup.name), {});
  }
  const std::string why = failure(lookup.name, error < 0 ? uv_strerror(error) : "it has none");
  const Addresses* const last_good = cache_.last_good(lookup.name);
  if (last_good != nullptr) log_.write(LogLevel::warning, why + "; its last addresses are used");
  answer(lookup, last_good, why);
}

void Resolver::answer(Lookup& lookup, const Addresses* addresses, const std::string& error) {
  for (NameAsker* const asker : std::exchange(lookup.askers, {})) {
    if (addresses != nullptr) {
      asker->on_addresses(*addresses);
    } else {
      asker->on_no_addresses(error);
    }
  }
}

}  // namespace pgweir
