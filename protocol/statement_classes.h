#pragma once
// The classes of the statements that clients send as plain text (fingerprint.h), found fast: a first pass
// over the bytes takes constants, blanks and comments out of a hash, and only the first text with that hash
// is read token by token.
//
// Bounded: it forgets all when it has seen too many texts, which then are read again. Belongs to one thread.

#include <cstdint>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/keyed_hash.h"

namespace pgweir {

class StatementClasses {
 public:
  // Texts that are known at a time; a power of two.
  static constexpr std::size_t slots = 8192;

  // The key is a secret of the process, since clients choose the texts.
  explicit StatementClasses(HashKey key) : key_(key) {}

  // statement_class(sql).
  std::uint64_t of(Bytes sql);

  // For tests: texts that were read token by token.
  std::uint64_t read() const { return read_; }

 private:
  struct Known {
    std::uint64_t sketch = 0;
    std::uint64_t statement = 0;
  };

  HashKey key_;
  std::vector<Known> known_;  // open addressing, at most half full; made at first use
  std::size_t used_ = 0;
  std::uint64_t read_ = 0;
};

}  // namespace pgweir
