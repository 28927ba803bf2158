#pragma once
// What the sessions of a pool use that would matter in transaction mode, counted by application.
//
// Plain counters of one worker's part of a pool. Names come from clients: each of the first ones has
// an entry, and all others share one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "pool/state_kind.h"

namespace pgweir {

// What a statement, a transaction or a session uses.
struct SessionUses {
  StateKinds state{};
  bool named_statement = false;  // a prepared statement of the extended protocol, under a name
  bool unread = false;           // DO, CALL, or too large to be looked at: anything may be inside
};

struct UseCount {
  std::uint64_t sessions = 0, transactions = 0;
};

struct ApplicationUse {
  UseCount all;
  std::array<UseCount, state_kinds.size()> state{};
  UseCount named_statement, unread;

  void add(const ApplicationUse& other);
};

class ApplicationUses {
 public:
  static constexpr std::size_t most_names = 100;
  static constexpr std::size_t longest_name = 63;  // PostgreSQL cuts application_name here

  // The entry to count this application in; it stays where it is.
  ApplicationUse& of(std::string_view name);

  const std::map<std::string, ApplicationUse, std::less<>>& named() const { return named_; }
  const ApplicationUse& others() const { return others_; }

 private:
  std::map<std::string, ApplicationUse, std::less<>> named_;
  ApplicationUse others_;
};

// What one session has used so far, so that it and each of its transactions counts once.
class SessionUseNotes {
 public:
  // Whether a transaction has begun yet.
  bool started() const { return application_ != nullptr; }
  // A transaction begins: of a session that counts in `application`, which must outlive this.
  void begin_transaction(ApplicationUse& application);
  // Nothing happens before the first begin_transaction().
  void note(const SessionUses& uses);

 private:
  ApplicationUse* application_ = nullptr;
  SessionUses session_, transaction_;
};

}  // namespace pgweir
