#pragma once
// The prepared statements that one server connection has, the least recently used of them to be closed first.
// Names are numbers that the caller gives; a number is never used twice on a server, so that a Close and a
// Parse in flight never mean each other's statement. Everything takes constant time.

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "protocol/statement_shape.h"
#include "protocol/statements.h"

namespace pgweir {

// A statement that a server has, for whoever takes the server over.
struct PackedStatement {
  std::string parse_rest;
  ParseContext context;
  std::uint64_t id;
};

class ServerStatements {
 public:
  struct Entry {
    SharedStatement statement;
    std::uint64_t id;
  };

  // `most` may change at any time; what is too much is evicted by the caller.
  explicit ServerStatements(std::size_t most) : most_(most) {}
  void set_most(std::size_t most) { most_ = most; }

  // The statement's number on this server, if it has it. use() also makes it the most recent.
  std::optional<std::uint64_t> find(const PreparedStatement& statement) const;
  // What the server said of the shape of the statement, for as long as it has it under this number; else
  // null.
  StatementShape* shape(const PreparedStatement& statement, std::uint64_t id);
  std::optional<std::uint64_t> use(const PreparedStatement& statement);
  // As the most recent. A statement that is there already gets the new number.
  void insert(SharedStatement statement, std::uint64_t id);
  bool erase(const PreparedStatement& statement);
  void clear();

  // Whether something has to go before the next insert, and what.
  bool full() const { return entries_.size() >= most_; }
  std::optional<Entry> oldest() const;

  std::size_t size() const { return entries_.size(); }

  // The least recently used one first.
  template <class Function>
  void for_each(Function function) const {
    for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) function(*it->statement.get(), it->id);
  }

 private:
  struct Held {
    HeldStatement<&StatementUses::servers> statement;
    std::uint64_t id;
    StatementShape shape{};
  };
  using List = std::list<Held>;

  List entries_;  // the most recent first
  std::unordered_map<const PreparedStatement*, List::iterator> places_;
  std::size_t most_;
};

}  // namespace pgweir
