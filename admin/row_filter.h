#pragma once
// WHERE, ORDER BY and LIMIT behind a SHOW: which of its rows are sent, and in which order. Pure; any thread.
//
//   WHERE column = value AND other <> 'text' AND more >= 5 AND name LIKE 'shop%' AND note IS NOT NULL
//   ORDER BY column DESC, other
//   LIMIT 10 OFFSET 20
//
// Columns of numbers are compared as numbers, all others as text; LIKE as in PostgreSQL, without ESCAPE.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "admin/console_error.h"
#include "admin/statement.h"

namespace pgweir {

// How many of the tokens stand before the first of these words.
std::size_t tokens_before_filter(std::span<const Token> tokens);

class RowFilter {
 public:
  // From the tokens behind those; empty ones let everything pass.
  static tl::expected<RowFilter, ConsoleError> parse(std::span<const Token> tokens);

  // `answer` is RowDescription and DataRows; the same with the rows that are wanted. An error for a column
  // that is not there, or a number that is none.
  tl::expected<std::string, ConsoleError> apply(Bytes answer) const;

 private:
  enum class Operator : std::uint8_t {
    equal,
    unequal,
    less,
    less_equal,
    more,
    more_equal,
    like,
    unlike,
    is_null,
    is_not_null
  };
  struct Condition {
    std::string column;
    Operator op = Operator::equal;
    std::string value{};
  };
  struct Order {
    std::string column;
    bool descending = false;
  };
  class Parser;

  std::vector<Condition> conditions_;
  std::vector<Order> orders_;
  std::optional<std::size_t> limit_;
  std::size_t offset_ = 0;
};

}  // namespace pgweir
