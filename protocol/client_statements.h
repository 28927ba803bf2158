#pragma once
// The names that one client has for prepared statements, and the changes to them that are on their way.
//
// A change is pushed when its message is sent, with a number that grows, and settled in the same order when
// the replies come: confirmed, failed (the server ran it and reported an error) or skipped (it never ran,
// as behind an error until Sync). find() answers for a message that is sent next, as if every change on its
// way succeeded; that is right wherever an error in front of the message makes the server skip it too. When a
// Sync is behind newest_pending(), so that the message runs whatever became of the changes, wait until they
// are settled.
//
// As in PostgreSQL: a named statement must not be defined while it exists (42P05), the unnamed one, "", is
// replaced, and a Parse of it that fails removes it. The same goes for every simple Query, which the caller
// tells by close(number, "").
//
// A client without statements costs one pointer. Not thread-safe; nothing is looked up slower than in the
// logarithm of the number of names.

#include <cstdint>
#include <memory>
#include <optional>

#include "protocol/statement_shape.h"
#include "protocol/statements.h"

namespace pgweir {

class ClientStatements {
 public:
  ClientStatements();
  ClientStatements(ClientStatements&&) noexcept;
  ClientStatements& operator=(ClientStatements&&) noexcept;
  ~ClientStatements();

  // Nothing, if there is no statement of this name.
  SharedStatement find(Bytes name) const { return look_up(name).statement; }
  // The same with what the client was told of its shape; nothing of one that is on its way.
  struct Found {
    SharedStatement statement;
    StatementShape told;
  };
  Found look_up(Bytes name) const;
  // The client has been told this of the statement, if it has this name now; changes on their way do not
  // count.
  void tell(Bytes name, const PreparedStatement& statement, const StatementShape& shape);
  // The numbers of the first and of the last change on its way that are about this name.
  std::optional<std::uint64_t> oldest_pending(Bytes name) const;
  std::optional<std::uint64_t> newest_pending(Bytes name) const;

  // Each number is greater than all before.
  void define(std::uint64_t number, Bytes name, SharedStatement statement);
  void close(std::uint64_t number, Bytes name);
  void clear_all(std::uint64_t number);  // DISCARD ALL, DEALLOCATE ALL

  // False, and nothing done, unless the number is that of the oldest change on its way.
  bool confirm(std::uint64_t number);
  bool fail(std::uint64_t number);
  bool skip(std::uint64_t number);
  // The server is gone: whatever is on its way never ran.
  void skip_all();

  // Names and what they cost in bytes, those on their way included; a statement counts once for each name.
  std::size_t size() const;
  std::size_t bytes() const;
  bool empty() const { return guts_ == nullptr; }

 private:
  struct Guts;

  Guts& guts();
  void release_if_empty();

  std::unique_ptr<Guts> guts_;
};

}  // namespace pgweir
