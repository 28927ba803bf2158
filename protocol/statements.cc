#include "protocol/statements.h"

#include <algorithm>

namespace pgweir {

SharedStatement StatementCatalog::intern(Bytes parse_rest, ParseContext context) {
  if (const auto known = statements_.find(Key{parse_rest, context}); known != statements_.end())
    return known->second;
  if (statements_.size() >= sweep_at_ || bytes_ >= sweep_at_bytes_) {
    sweep();
    sweep_at_ = std::max<std::size_t>(64, statements_.size() * 2);
    sweep_at_bytes_ = std::max<std::size_t>(std::size_t{1} << 20, bytes_ * 2);
  }
  const Hasher hasher = statements_.hash_function();
  auto statement =
      std::make_shared<PreparedStatement>(parse_rest, context, hasher.hash(hasher.key, parse_rest));
  statements_.emplace(Key{statement->parse_rest(), context}, statement);
  bytes_ += statement->bytes();
  return statement;
}

void StatementCatalog::retire(const PreparedStatement& statement) {
  const auto found = statements_.find(Key{statement.parse_rest(), statement.context()});
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
