#pragma once
// What SHOW PREPARED_STATEMENTS is to know of a worker's statements, with bounds on what is copied and read.

#include "pool/snapshot.h"
#include "protocol/statements.h"

namespace pgweir {

void add_statements(const StatementCatalog& catalog, WorkerSnapshot& snapshot);

}  // namespace pgweir
