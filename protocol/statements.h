#pragma once
// Prepared statements of the extended protocol, interned: equal text with equal parameter types, parsed in
// the same context, is one object, whatever names clients give it. A server holds it under a name of ours,
// statement_name().
//
// A catalog, its statements' counters and all that hold them belong to one thread. The text never changes and
// may be read wherever a shared_ptr keeps it alive.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "protocol/bytes.h"
#include "protocol/fingerprint.h"
#include "protocol/keyed_hash.h"
#include "protocol/sql_scanner.h"

namespace pgweir {

// How a statement is used now and was used so far. `clients` and `servers` are kept by those who hold it, the
// rest by those who run it.
struct StatementUses {
  std::uint32_t clients = 0;  // names that clients have for it, also those not confirmed yet
  std::uint32_t servers = 0;  // servers that have it
  std::uint64_t executions = 0;
  std::uint64_t parses_avoided = 0;
  std::uint64_t evictions = 0;
};

// Stands for the settings under which a text is parsed: PostgreSQL reads its constants then, by the session's
// encoding, time zone and the like, and a prepared statement keeps what was read. Equal settings are equal
// numbers; 0 where they do not matter.
using ParseContext = std::uint64_t;

class PreparedStatement {
 public:
  explicit PreparedStatement(Bytes parse_rest, ParseContext context = 0, std::uint64_t hash = 0)
      : parse_rest_(parse_rest),
        context_(context),
        effects_(scan_sql(parse_rest.substr(0, parse_rest.find('\0')))),
        statement_class_(pgweir::statement_class(parse_rest.substr(0, parse_rest.find('\0')))),
        hash_(hash) {}

  // What a Parse has behind the name: query, zero byte, parameter types.
  Bytes parse_rest() const { return parse_rest_; }
  Bytes query() const { return Bytes(parse_rest_).substr(0, parse_rest_.find('\0')); }
  ParseContext context() const { return context_; }
  const SqlEffects& effects() const { return effects_; }
  std::uint64_t statement_class() const { return statement_class_; }
  // Of the text, by the catalog's hash: equal in catalogs of the same key.
  std::uint64_t hash() const { return hash_; }
  // What it costs in memory, about.
  std::size_t bytes() const { return sizeof *this + parse_rest_.size(); }

  StatementUses uses{};

 private:
  const std::string parse_rest_;
  const ParseContext context_;
  const SqlEffects effects_;
  const std::uint64_t statement_class_;
  const std::uint64_t hash_;
};

using SharedStatement = std::shared_ptr<PreparedStatement>;

// A statement that is held, and counted as held.
template <std::uint32_t StatementUses::*counter>
class HeldStatement {
 public:
  HeldStatement() = default;
  explicit HeldStatement(SharedStatement statement) : statement_(std::move(statement)) {
    if (statement_) ++(statement_->uses.*counter);
  }
  HeldStatement(HeldStatement&& other) noexcept = default;
  HeldStatement& operator=(HeldStatement&& other) noexcept {
    std::swap(statement_, other.statement_);
    return *this;
  }
  ~HeldStatement() {
    if (statement_) --(statement_->uses.*counter);
  }

  const SharedStatement& get() const { return statement_; }
  explicit operator bool() const { return statement_ != nullptr; }

 private:
  SharedStatement statement_;
};

class StatementCatalog {
 public:
  using Hash = std::uint64_t (*)(HashKey, Bytes);

  // The key is a secret of the process, since clients choose the texts.
  explicit StatementCatalog(HashKey key, Hash hash = keyed_hash) : statements_(0, Hasher{key, hash}) {}

  // `parse_rest` is the rest of a Parse that read_parse_head() accepted.
  SharedStatement intern(Bytes parse_rest, ParseContext context = 0);

  // Servers may have it with the shape of another time: who prepares its text from now on gets another
  // statement.
  void retire(const PreparedStatement& statement);

  // Forgets what nobody holds any more. intern() does so by itself each time that the catalog has doubled;
  // who has to know exactly, or to make room, calls it before.
  void sweep();

  // Statements and their bytes, with those that nobody holds and that are not swept yet.
  std::size_t size() const { return statements_.size(); }
  std::size_t bytes() const { return bytes_; }

  template <class Function>
  void for_each(Function function) const {
    for (const auto& [text, statement] : statements_) function(*statement);
  }

 private:
  struct Key {
    Bytes parse_rest;  // the statement's own
    ParseContext context;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hasher {
    HashKey key;
    Hash hash;
    std::size_t operator()(const Key& it) const { return hash(key, it.parse_rest) ^ it.context; }
  };

  std::unordered_map<Key, SharedStatement, Hasher> statements_;
  std::size_t bytes_ = 0;
  std::size_t sweep_at_ = 64;
  std::size_t sweep_at_bytes_ = std::size_t{1} << 20;
};

// "pgweir_17": what a statement is called on a server.
std::string statement_name(std::uint64_t id);

}  // namespace pgweir
