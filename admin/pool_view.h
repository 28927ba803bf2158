#pragma once
// The pools as one sees them from outside: the parts that the workers hold, put together. Pure; any thread.

#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "admin/console_error.h"
#include "admin/statement.h"
#include "admin/world.h"
#include "pool/snapshot.h"

namespace pgweir {

// How much of the measures to put together: the minutes cost the most by far.
enum class MeasureDepth : std::uint8_t { none, sums, minutes };

// One for each database and user, by name: counts and slots added, the longest of the waits.
std::vector<PoolSnapshot> merge_pools(std::span<const WorkerSnapshot> workers, MeasureDepth depth);

// Those that an argument names, as "database" or "database/user"; all without an argument.
tl::expected<std::vector<PoolSnapshot>, ConsoleError> pools_named(std::span<const Token> argument,
                                                                  const World& world, MeasureDepth depth);

std::string pool_name(const PoolSnapshot& pool);  // "database/user"
int clients_of(const PoolCounts& counts);
int servers_of(const PoolCounts& counts);

}  // namespace pgweir
