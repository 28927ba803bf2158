#include "protocol/statements.h"

#include <algorithm>

namespace pgweir {

SharedStatement StatementCatalog::intern(Bytes parse_rest) {
  if (const auto known = statements_.find(parse_rest); known != statements_.end()) return known->second;
  if (statements_.size() >= sweep_at_ || bytes_ >= sweep_at_bytes_) {
    sweep();
    sweep_at_ = std::max<std::size_t>(64, statements_.size() * 2);
    sweep_at_bytes_ = std::max<std::size_t>(std::size_t{1} << 20, bytes_ * 2);
  }
  auto statement = std::make_shared<PreparedStatement>(parse_rest, statements_.hash_function()(parse_rest));
  statements_.emplace(statement->parse_rest(), statement);
  bytes_ += statement->bytes();
  return statement;
}

void StatementCatalog::retire(const PreparedStatement& statement) {
  const auto found = statements_.find(statement.parse_rest());
  if (found == statements_.end() || found->second.get() != &statement) return;
  bytes_ -= statement.bytes();
  statements_.erase(found);
}

void StatementCatalog::sweep() {
  std::erase_if(statements_, [this](const auto& entry) {
    if (entry.second.use_count() > 1) return false;
    bytes_ -= entry.second->bytes();
    return true;
  });
}

std::string statement_name(std::uint64_t id) { return "pgweir_" + std::to_string(id); }

}  // namespace pgweir
