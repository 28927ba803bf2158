#pragma once
// What the classes of queries (protocol/fingerprint.h) cost in one worker's part of a pool. A query, here as
// for the meter, is what one ReadyForQuery ends.
//
// Bounded: when there are too many classes, those that took the least time are put together. Belongs to one
// thread. Counting allocates nothing; a new class does.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "pool/time.h"

namespace pgweir {

struct QueryUse {
  std::uint64_t calls = 0;
  std::uint64_t waited =
      0;  // calls that began a transaction and had to wait for a server, a microsecond or more
  Duration time{}, longest{};
  Duration wait{};

  void record(Duration query, Duration its_wait);
  void add(const QueryUse& other);
};

struct QueryClass {
  std::uint64_t id = 0;  // 0: all that have no entry of their own, together
  std::string text;
  QueryUse use;
};

class QueryClasses {
 public:
  static constexpr std::size_t most_classes = 1000;
  static constexpr std::size_t longest_text = 1000;  // bytes that are kept

  bool knows(std::uint64_t id) const { return classes_.contains(id); }
  // It is new.
  void add(std::uint64_t id, std::string text);
  // The text it was added with; empty for others.
  const std::string& text_of(std::uint64_t id) const;
  // A class that is not known, or 0, counts with the others.
  void record(std::uint64_t id, Duration query, Duration wait);

  // At most `most` of them, those that took the most time first, and the rest together as the last one.
  std::vector<QueryClass> top(std::size_t most) const;

 private:
  void make_room();

  struct Entry {
    std::string text;
    QueryUse use;
  };
  std::unordered_map<std::uint64_t, Entry> classes_;
  QueryUse others_;
};

// Puts what two workers have together; `most` as in top().
std::vector<QueryClass> merge_classes(std::vector<QueryClass> one, const std::vector<QueryClass>& other,
                                      std::size_t most);

}  // namespace pgweir
