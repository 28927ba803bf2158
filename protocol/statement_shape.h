#pragma once
// What the rows and the parameters of a prepared statement look like, as far as it was described: enough to
// tell whether what a client was told by one server is what another server would tell it now.
//
// As for PostgreSQL (equalTupleDescs in RevalidateCachedQuery), rows are equal when names, types, sizes and
// modifiers of the columns are; which tables they come from, and in which formats a portal sends them, does
// not count.

#include <cstdint>

#include "protocol/bytes.h"

namespace pgweir {

struct StatementShape {
  // Digests; 0 for what was not described.
  std::uint64_t parameters = 0;
  std::uint64_t row = 0;

  bool any() const { return parameters != 0 || row != 0; }
  void add(const StatementShape& other) {
    if (other.parameters != 0) parameters = other.parameters;
    if (other.row != 0) row = other.row;
  }
  // Whether both have described something, and differently.
  bool row_differs(const StatementShape& other) const {
    return row != 0 && other.row != 0 && row != other.row;
  }
  bool parameters_differ(const StatementShape& other) const {
    return parameters != 0 && other.parameters != 0 && parameters != other.parameters;
  }
  // Whether this one has described all that `other` has.
  bool covers(const StatementShape& other) const {
    return (row != 0 || other.row == 0) && (parameters != 0 || other.parameters == 0);
  }
};

// Adds what a backend's message tells: ParameterDescription ('t'), RowDescription ('T') or NoData ('n').
// False when it cannot be read; then nothing is added.
bool add_description(StatementShape& shape, char type, Bytes body);

}  // namespace pgweir
