#pragma once
// What the text of a query does to the session that runs it: a lexer and the leading words of each statement,
// no grammar. It only says when there is a reason to ask the server, or to keep it: the server's own word
// (command tags, ParameterStatus, transaction status) comes first. So the scanner may see an effect where
// there is none, and cannot see what functions do inside of the server.
//
// Pure, linear in the length of the text, which must stay valid during the call only; scan_sql() allocates
// nothing. Encodings in which letters can be second bytes (sql_lexer.h) may hide or invent a word; what
// answers in the server's place is in sql_commands.h and refuses such text.

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir {

enum class SqlEffect : std::uint32_t {
  set = 1u << 0,                 // SET, RESET, set_config() for the session; see set_parameters()
  reset_all = 1u << 1,           // RESET ALL; with set
  set_local = 1u << 2,           // SET LOCAL, SET TRANSACTION, SET CONSTRAINTS: tag SET, the session stays
  temp_table = 1u << 3,          // creates something in pg_temp
  hold_cursor = 1u << 4,         // DECLARE ... WITH HOLD
  close_cursor = 1u << 5,        // CLOSE
  advisory_lock = 1u << 6,       // a session-level advisory lock may be taken
  advisory_unlock = 1u << 7,     //
  prepare = 1u << 8,             // SQL's own PREPARE, EXECUTE and DEALLOCATE
  execute = 1u << 9,             //
  deallocate_one = 1u << 10,     //
  deallocate_all = 1u << 11,     //
  discard_all = 1u << 12,        // DISCARD ALL, and so on
  discard_plans = 1u << 13,      //
  discard_sequences = 1u << 14,  //
  discard_temp = 1u << 15,       //
  listen = 1u << 16,             //
  unlisten = 1u << 17,           //
  notify = 1u << 18,             // NOTIFY, not pg_notify()
  drop = 1u << 19,               // any DROP
  load = 1u << 20,               // LOAD of a library
  begin = 1u << 21,              // BEGIN, START TRANSACTION, AND CHAIN
  commit = 1u << 22,             // COMMIT, END
  rollback = 1u << 23,           // ROLLBACK, ABORT
  rollback_to = 1u << 24,        // ROLLBACK TO a savepoint
  prepare_transaction = 1u << 25,
  // DO, CALL, or text that cannot be read for certain: any of the above may happen. Comes with set.
  opaque = 1u << 26,
  // What is set, for the session or locally, matters_to_parser() or cannot be told.
  set_for_parser = 1u << 27,
};

class SqlEffects {
 public:
  bool has(SqlEffect effect) const { return (bits_ & static_cast<std::uint32_t>(effect)) != 0; }
  // Nothing above happens, for all that the scanner can see.
  bool none() const { return bits_ == 0; }
  void add(SqlEffect effect) { bits_ |= static_cast<std::uint32_t>(effect); }
  // Of several queries, one after the other.
  void add(const SqlEffects& others);

  // How many statements there are, without empty ones.
  std::uint32_t statements() const { return statements_; }
  // How many of them get the tag SET but leave the session as it is.
  std::uint32_t local_sets() const { return local_sets_; }

  friend bool operator==(const SqlEffects&, const SqlEffects&) = default;

 private:
  friend class SqlScanner;

  std::uint32_t bits_ = 0;
  std::uint32_t statements_ = 0;
  std::uint32_t local_sets_ = 0;
};

// Of all statements of the string together.
SqlEffects scan_sql(Bytes sql);

// Which parameters the string's SqlEffect::set is about.
struct SetParameters {
  // In lower case and in the order of the text, each once. TIME ZONE is timezone, NAMES is client_encoding,
  // SESSION CHARACTERISTICS are the default_transaction_ parameters.
  std::vector<std::string> names;
  // Whether one of them is reset, which means: to what the startup packet asked for.
  bool resets = false;
  // Others that cannot be told (RESET ALL, DO, CALL, set_config() with a computed name), or too many.
  bool others = false;
};
inline constexpr std::size_t max_set_parameters = 64;

SetParameters set_parameters(Bytes sql);

}  // namespace pgweir
