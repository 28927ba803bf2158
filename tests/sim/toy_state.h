#pragma once
// What one toy session keeps beyond a transaction: parameters with where they come from, temporary tables,
// advisory locks. PostgreSQL's rules (guc.c, lock.c): parameters and tables go back with the transaction,
// session locks do not; the values of the startup packet are what RESET goes back to.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir::sim {

// Which client sent a statement, and its running number; client 0 for statements without a mark.
struct Owner {
  int client = 0;
  int serial = 0;
  bool known() const { return client != 0; }
};

// Session parameters by their proper names.
using ToySettings = std::map<std::string, std::string>;
// What a server starts with, before the startup packet is applied.
const ToySettings& default_settings();
// The proper name of a parameter in any case; empty when there is none.
std::string setting_name(Bytes name);
// Whether the server reports it by ParameterStatus.
bool is_reported(const std::string& name);

class ToyState {
 public:
  explicit ToyState(const ToySettings& settings)
      : start_(settings),
        current_(settings),
        session_{.values = settings, .set = {}, .tables = {}, .channels = {}} {}

  // As a client sees a session behind the proxy: on servers RESET goes back to `server`; where the client's
  // startup packet said something else, the proxy restores that at the end of the transaction (unreported
  // parameters always, reported ones after RESET ALL and DISCARD ALL).
  void behind_proxy(const ToySettings& server);

  const ToySettings& settings() const { return current_; }
  void set(const std::string& name, const std::string& value, bool local);
  void reset(const std::string& name);
  void reset_all();
  // False when it is there already, or not.
  bool create_table(const std::string& name, Owner owner);
  bool drop_table(const std::string& name);
  void lock(int number, Owner owner) { locks_[number].push_back(owner); }
  bool unlock(int number);
  void unlock_all() { locks_.clear(); }
  void listen(const std::string& channel, Owner owner) { session_.channels.emplace(channel, owner); }
  void unlisten(const std::string& channel) { session_.channels.erase(channel); }
  void unlisten_all() { session_.channels.clear(); }
  // With the changes of an open transaction.
  const std::map<std::string, Owner>& channels() const { return session_.channels; }
  void discard_all();

  void begin() { saved_ = session_; }
  // The parameters and tables are as they were at begin().
  void roll_back();
  void end();

  // A server that has such things must not serve anybody else.
  bool holds() const { return !locks_.empty() || !session_.tables.empty() || !session_.channels.empty(); }
  // What another client has left here, in words; empty when there is nothing.
  std::string foreign(Owner owner) const;
  // What no ParameterStatus tells, for rows.
  std::string unreported() const;
  // The rows of the proxy's question about these things.
  std::vector<std::vector<std::string>> inspect(Bytes sql, int prepared) const;
  // Reported parameters that the proxy was to restore since the last call, with the server's value.
  ToySettings take_restored() { return std::exchange(restored_, {}); }

 private:
  // What goes back with the transaction.
  struct Transactional {
    ToySettings values;
    std::set<std::string> set;  // parameters whose value comes from the session
    std::map<std::string, Owner> tables;
    std::map<std::string, Owner> channels;  // of LISTEN
  };

  void compose();
  void restore_startup();

  ToySettings start_, startup_;  // what RESET goes back to; and, behind a proxy, what that goes back to
  ToySettings current_, local_;
  Transactional session_, saved_;
  std::map<int, std::vector<Owner>> locks_;
  bool all_reset_ = false;
  ToySettings restored_;
};

}  // namespace pgweir::sim
