#include "protocol/server_statements.h"

namespace pgweir {

std::optional<std::uint64_t> ServerStatements::find(const PreparedStatement& statement) const {
  const auto place = places_.find(&statement);
  return place == places_.end() ? std::nullopt : std::optional(place->second->id);
}

StatementShape* ServerStatements::shape(const PreparedStatement& statement, std::uint64_t id) {
  const auto place = places_.find(&statement);
  return place == places_.end() || place->second->id != id ? nullptr : &place->second->shape;
}

std::optional<std::uint64_t> ServerStatements::use(const PreparedStatement& statement) {
  const auto place = places_.find(&statement);
  if (place == places_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, place->second);
  return place->second->id;
}

void ServerStatements::insert(SharedStatement statement, std::uint64_t id) {
  if (use(*statement)) {
    entries_.front().id = id;
    entries_.front().shape = {};
    return;
  }
  const PreparedStatement* const key = statement.get();
  entries_.push_front({HeldStatement<&StatementUses::servers>(std::move(statement)), id});
  places_.emplace(key, entries_.begin());
}

bool ServerStatements::erase(const PreparedStatement& statement) {
  const auto place = places_.find(&statement);
  if (place == places_.end()) return false;
  const auto entry = place->second;
  places_.erase(place);
  entries_.erase(entry);
  return true;
}

void ServerStatements::clear() {
  places_.clear();
  entries_.clear();
}

std::optional<ServerStatements::Entry> ServerStatements::oldest() const {
  if (entries_.empty()) return std::nullopt;
  return Entry{entries_.back().statement.get(), entries_.back().id};
}

}  // namespace pgweir
