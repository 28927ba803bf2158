#pragma once
// Prepared statements of the extended protocol, interned: one object for each text and parameter types,
// however many clients have prepared it and under whatever names.
//
// A catalog, its statements and the maps below belong to one thread.

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/sql_scanner.h"

namespace pgweir {

class PreparedStatement {
 public:
  explicit PreparedStatement(Bytes parse_rest);

  // The body of its Parse behind the name: the query, the parameter types.
  Bytes parse_rest() const { return rest_; }
  Bytes query() const { return Bytes(rest_).substr(0, rest_.find('\0')); }
  const SqlEffects& effects() const { return effects_; }
  std::size_t bytes() const { return rest_.size(); }

  // Counted since it was interned.
  std::uint64_t uses = 0;            // Bind
  std::uint64_t parses_avoided = 0;  // Parse that no server had to do
  int clients = 0;                   // names of clients for it, now
  int servers = 0;                   // servers that have it, now

 private:
  const std::string rest_;
  const SqlEffects effects_;
};

using StatementPtr = std::shared_ptr<PreparedStatement>;

// Finds the statement of a text. Statements live as long as somebody holds them.
class StatementCatalog {
 public:
  using Hash = std::size_t (*)(Bytes);

  explicit StatementCatalog(Hash hash = [](Bytes text) { return std::hash<Bytes>{}(text); }) : hash_(hash) {}

  StatementPtr intern(Bytes parse_rest);
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [key, statement] : statements_) {
      if (const StatementPtr alive = statement.lock()) visit(*alive);
    }
  }
  // Of those that are alive, and some that no longer are.
  std::size_t size() const { return statements_.size(); }

 private:
  void sweep();

  Hash hash_;
  std::unordered_multimap<std::size_t, std::weak_ptr<PreparedStatement>> statements_;
  std::size_t sweep_at_ = 1024;
};

// The statements that one server has, each with the number that is its name there; the one used longest ago
// is the first to go.
class ServerStatements {
 public:
  struct Entry {
    StatementPtr statement;
    std::uint64_t id;
  };

  ServerStatements() = default;
  ServerStatements(const ServerStatements&) = delete;
  ServerStatements& operator=(const ServerStatements&) = delete;
  ~ServerStatements() { clear(); }

  // 0 when it does not have it. Counts as a use.
  std::uint64_t find(const PreparedStatement& statement);
  // It has none of this text yet.
  void insert(StatementPtr statement, std::uint64_t id);
  // Whatever it was called.
  void erase(const PreparedStatement& statement);
  // There is one.
  const Entry& oldest() const { return order_.back(); }
  std::size_t size() const { return order_.size(); }
  // The most recently used one first.
  const std::list<Entry>& entries() const { return order_; }
  // The numbers of all that it had.
  std::vector<std::uint64_t> clear();
  // Forgets those for whose number `wanted` is false.
  template <class Wanted>
  void keep(Wanted wanted) {
    for (auto it = order_.begin(); it != order_.end();) {
      const auto entry = it++;
      if (wanted(entry->id)) continue;
      const StatementPtr statement = entry->statement;
      erase(*statement);
    }
  }

 private:
  std::list<Entry> order_;
  std::unordered_map<const PreparedStatement*, std::list<Entry>::iterator> places_;
};

// The names that one client has given, "" for the unnamed statement. A change is pending, under the number of
// the request that makes it, until the server has confirmed it; what follows in the pipeline sees it already.
class ClientStatements {
 public:
  ClientStatements() = default;
  ClientStatements(const ClientStatements&) = delete;
  ClientStatements& operator=(const ClientStatements&) = delete;
  ~ClientStatements() { clear(); }

  // As seen by a request that comes behind all that are pending; null if there is none of this name.
  StatementPtr find(Bytes name) const;
  void define(std::uint64_t sequence, Bytes name, StatementPtr statement);
  void close(std::uint64_t sequence, Bytes name);
  // The oldest pending change has been made, or will never be; numbers come in order.
  void settle(std::uint64_t sequence, bool made);
  // At once, and nothing pending of it is left.
  void drop_unnamed();
  // All that is not pending, or one of it.
  void clear();
  void forget(const std::string& name);

  std::size_t count() const { return guts_ ? guts_->names.size() : 0; }
  std::size_t bytes() const { return guts_ ? guts_->bytes : 0; }

 private:
  struct Change {
    std::uint64_t sequence;
    std::string name;
    StatementPtr statement;  // null: closed
  };
  struct Guts {
    std::unordered_map<std::string, StatementPtr> names;
    std::vector<Change> pending;
    std::size_t bytes = 0;
  };

  void apply(const std::string& name, StatementPtr statement);

  std::unique_ptr<Guts> guts_;  // null while there is nothing: most clients are idle
};

}  // namespace pgweir
