#include "protocol/statements.h"

#include <algorithm>
#include <utility>

namespace pgweir {

PreparedStatement::PreparedStatement(Bytes parse_rest) : rest_(parse_rest), effects_(scan_sql(query())) {}

// ---- the catalog ----

StatementPtr StatementCatalog::intern(Bytes parse_rest) {
  const std::size_t key = hash_(parse_rest);
  const auto [begin, end] = statements_.equal_range(key);
  for (auto it = begin; it != end; ++it) {
    StatementPtr alive = it->second.lock();
    if (alive && alive->parse_rest() == parse_rest) return alive;
  }
  if (statements_.size() >= sweep_at_) sweep();
  auto statement = std::make_shared<PreparedStatement>(parse_rest);
  statements_.emplace(key, statement);
  return statement;
}

void StatementCatalog::sweep() {
  std::erase_if(statements_, [](const auto& entry) { return entry.second.expired(); });
  sweep_at_ = std::max<std::size_t>(1024, statements_.size() * 2);
}

// ---- a server's ----

std::uint64_t ServerStatements::find(const PreparedStatement& statement) {
  const auto place = places_.find(&statement);
  if (place == places_.end()) return 0;
  order_.splice(order_.begin(), order_, place->second);
  return place->second->id;
}

void ServerStatements::insert(StatementPtr statement, std::uint64_t id) {
  ++statement->servers;
  const PreparedStatement* const key = statement.get();
  order_.push_front({std::move(statement), id});
  places_[key] = order_.begin();
}

void ServerStatements::erase(const PreparedStatement& statement) {
  const auto place = places_.find(&statement);
  if (place == places_.end()) return;
  const auto entry = place->second;
  places_.erase(place);
  --entry->statement->servers;
  order_.erase(entry);
}

std::vector<std::uint64_t> ServerStatements::clear() {
  std::vector<std::uint64_t> ids;
  for (const Entry& entry : order_) {
    ids.push_back(entry.id);
    --entry.statement->servers;
  }
  places_.clear();
  order_.clear();
  return ids;
}

// ---- a client's ----

StatementPtr ClientStatements::find(Bytes name) const {
  if (!guts_) return nullptr;
  const auto& pending = guts_->pending;
  const auto latest = std::find_if(pending.rbegin(), pending.rend(),
                                   [&](const Change& change) { return change.name == name; });
  if (latest != pending.rend()) return latest->statement;
  const auto found = guts_->names.find(std::string(name));
  return found == guts_->names.end() ? nullptr : found->second;
}

void ClientStatements::define(std::uint64_t sequence, Bytes name, StatementPtr statement) {
  if (!guts_) guts_ = std::make_unique<Guts>();
  guts_->pending.push_back({sequence, std::string(name), std::move(statement)});
}

void ClientStatements::close(std::uint64_t sequence, Bytes name) {
  if (guts_) guts_->pending.push_back({sequence, std::string(name), nullptr});
}

void ClientStatements::settle(std::uint64_t sequence, bool made) {
  if (!guts_ || guts_->pending.empty() || guts_->pending.front().sequence != sequence) return;
  Change change = std::move(guts_->pending.front());
  guts_->pending.erase(guts_->pending.begin());
  if (made) apply(change.name, std::move(change.statement));
}

void ClientStatements::apply(const std::string& name, StatementPtr statement) {
  auto& names = guts_->names;
  const auto old = names.find(name);
  if (old != names.end()) {
    guts_->bytes -= old->second->bytes();
    --old->second->clients;
    names.erase(old);
  }
  if (statement) {
    guts_->bytes += statement->bytes();
    ++statement->clients;
    names.emplace(name, std::move(statement));
  }
  if (names.empty() && guts_->pending.empty()) guts_.reset();
}

void ClientStatements::drop_unnamed() {
  if (!guts_) return;
  std::erase_if(guts_->pending, [](const Change& change) { return change.name.empty(); });
  apply("", nullptr);
}

void ClientStatements::forget(const std::string& name) {
  if (guts_) apply(name, nullptr);
}

void ClientStatements::clear() {
  if (!guts_) return;
  for (const auto& [name, statement] : guts_->names) --statement->clients;
  guts_->names.clear();
  guts_->bytes = 0;
  if (guts_->pending.empty()) guts_.reset();
}

}  // namespace pgweir
