#pragma once
// Look-ups of names, in libuv's thread pool: one at a time for each name, whoever asks. While the name server
// fails or is slow, the last good answer is given.
//
// Everything on the loop's thread. Gone before the loop is finished; those who asked are gone before it.

#include <uv.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/net/handle.h"
#include "proxy/net/log.h"
#include "proxy/net/name_cache.h"

namespace pgweir {

class NameAsker {
 public:
  // One of the two, once, possibly inside ask().
  virtual void on_addresses(const Addresses& addresses) = 0;
  virtual void on_no_addresses(const std::string& error) = 0;

 protected:
  ~NameAsker() = default;
};

class Resolver {
 public:
  Resolver(uv_loop_t* loop, Log& log) : loop_(loop), log_(log) {}
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  void ask(const std::string& name, NameAsker& asker);
  // It is gone and wants no answer. Also for one that has not asked, or has its answer.
  void forget(const std::string& name, const NameAsker& asker);

 private:
  struct Lookup;

  void on_looked_up(Lookup& lookup, int error, const addrinfo* found);
  void answer(Lookup& lookup, const Addresses* addresses, const std::string& error);

  uv_loop_t* loop_;
  Log& log_;
  NameCache cache_;
  std::map<std::string, Lookup*> lookups_;  // under way; each frees itself
};

}  // namespace pgweir
