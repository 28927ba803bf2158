#include "protocol/client_statements.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>

namespace pgweir {

struct ClientStatements::Guts {
  using Held = HeldStatement<&StatementUses::clients>;

  struct Change;

  struct Named {
    Held statement;
    StatementShape told;
  };

  // The changes on their way that are about one thing.
  struct Touched {
    std::uint64_t oldest = 0;
    std::size_t count = 0;
    Change* newest = nullptr;
  };
  using Names = std::map<std::string, Touched, std::less<>>;

  struct Change {
    enum class Kind : std::uint8_t { define, close, clear_all };

    std::uint64_t number;
    Kind kind;
    Names::iterator name{};       // not of clear_all
    Held statement{};             // of define
    std::uint64_t following = 0;  // the number of the next change about the same
  };

  enum class Outcome : std::uint8_t { confirmed, failed, skipped };

  static std::size_t cost(Bytes name, const PreparedStatement& statement) {
    constexpr std::size_t nodes = 128;  // of maps and queues, about
    return nodes + name.size() + statement.bytes();
  }

  void push(Change change, Bytes name) {
    if (change.kind != Change::Kind::clear_all) {
      const auto known = pending_names.find(name);
      change.name = known != pending_names.end() ? known : pending_names.emplace(name, Touched{}).first;
    }
    if (change.statement) bytes += cost(name, *change.statement.get());
    if (change.statement) ++defines;
    changes.push_back(std::move(change));  // no address of another one changes
    Change& last = changes.back();
    Touched& touched = touched_by(last);
    if (touched.count++ == 0) {
      touched.oldest = last.number;
    } else {
      touched.newest->following = last.number;
    }
    touched.newest = &last;
  }

  bool settle(std::uint64_t number, Outcome outcome) {
    if (changes.empty() || changes.front().number != number) return false;
    Change change = std::move(changes.front());
    if (change.statement) {
      bytes -= cost(change.name->first, *change.statement.get());
      --defines;
    }
    apply(change, outcome);
    Touched& touched = touched_by(change);
    touched.oldest = change.following;
    if (--touched.count == 0 && change.kind != Change::Kind::clear_all) pending_names.erase(change.name);
    changes.pop_front();
    return true;
  }

  void apply(Change& change, Outcome outcome) {
    switch (change.kind) {
      case Change::Kind::define:
        if (outcome == Outcome::confirmed) {
          remove(change.name->first);
          bytes += cost(change.name->first, *change.statement.get());
          names.emplace(change.name->first, Named{std::move(change.statement), {}});
        } else if (outcome == Outcome::failed && change.name->first.empty()) {
          remove("");
        }
        return;
      case Change::Kind::close:
        if (outcome == Outcome::confirmed) remove(change.name->first);
        return;
      case Change::Kind::clear_all:
        if (outcome != Outcome::confirmed) return;
        for (const auto& [name, named] : names) bytes -= cost(name, *named.statement.get());
        names.clear();
        return;
    }
  }

  void remove(Bytes name) {
    const auto place = names.find(name);
    if (place == names.end()) return;
    bytes -= cost(name, *place->second.statement.get());
    names.erase(place);
  }

  Touched& touched_by(const Change& change) {
    return change.kind == Change::Kind::clear_all ? clears : change.name->second;
  }

  std::map<std::string, Named, std::less<>> names;  // as the server has confirmed them
  std::deque<Change> changes;                       // on their way
  Names pending_names;                              // what they are about
  Touched clears{};
  std::size_t defines = 0;  // among the changes
  std::size_t bytes = 0;
};

ClientStatements::ClientStatements() = default;
ClientStatements::ClientStatements(ClientStatements&&) noexcept = default;
ClientStatements& ClientStatements::operator=(ClientStatements&&) noexcept = default;
ClientStatements::~ClientStatements() = default;

ClientStatements::Guts& ClientStatements::guts() {
  if (guts_ == nullptr) guts_ = std::make_unique<Guts>();
  return *guts_;
}

void ClientStatements::release_if_empty() {
  if (guts_ != nullptr && guts_->names.empty() && guts_->changes.empty()) guts_ = nullptr;
}

ClientStatements::Found ClientStatements::look_up(Bytes name) const {
  if (guts_ == nullptr) return {};
  const bool cleared = guts_->clears.count > 0;
  const auto pending = guts_->pending_names.find(name);
  if (pending != guts_->pending_names.end()) {
    const Guts::Change& newest = *pending->second.newest;
    if (!cleared || newest.number > guts_->clears.newest->number) return {newest.statement.get(), {}};
  }
  if (cleared) return {};
  const auto confirmed = guts_->names.find(name);
  if (confirmed == guts_->names.end()) return {};
  return {confirmed->second.statement.get(), confirmed->second.told};
}

void ClientStatements::tell(Bytes name, const PreparedStatement& statement, const StatementShape& shape) {
  if (guts_ == nullptr) return;
  const auto confirmed = guts_->names.find(name);
  if (confirmed == guts_->names.end() || confirmed->second.statement.get().get() != &statement) return;
  confirmed->second.told.add(shape);
}

std::optional<std::uint64_t> ClientStatements::oldest_pending(Bytes name) const {
  if (guts_ == nullptr) return std::nullopt;
  std::optional<std::uint64_t> oldest;
  if (guts_->clears.count > 0) oldest = guts_->clears.oldest;
  const auto pending = guts_->pending_names.find(name);
  if (pending == guts_->pending_names.end()) return oldest;
  return std::min(oldest.value_or(pending->second.oldest), pending->second.oldest);
}

std::optional<std::uint64_t> ClientStatements::newest_pending(Bytes name) const {
  if (guts_ == nullptr) return std::nullopt;
  std::optional<std::uint64_t> newest;
  if (guts_->clears.count > 0) newest = guts_->clears.newest->number;
  const auto pending = guts_->pending_names.find(name);
  if (pending == guts_->pending_names.end()) return newest;
  const std::uint64_t number = pending->second.newest->number;
  return std::max(newest.value_or(number), number);
}

void ClientStatements::define(std::uint64_t number, Bytes name, SharedStatement statement) {
  guts().push(
      {.number = number, .kind = Guts::Change::Kind::define, .statement = Guts::Held(std::move(statement))},
      name);
}

void ClientStatements::close(std::uint64_t number, Bytes name) {
  guts().push({.number = number, .kind = Guts::Change::Kind::close}, name);
}

void ClientStatements::clear_all(std::uint64_t number) {
  guts().push({.number = number, .kind = Guts::Change::Kind::clear_all}, "");
}

bool ClientStatements::confirm(std::uint64_t number) {
  const bool settled = guts_ != nullptr && guts_->settle(number, Guts::Outcome::confirmed);
  release_if_empty();
  return settled;
}

bool ClientStatements::fail(std::uint64_t number) {
  const bool settled = guts_ != nullptr && guts_->settle(number, Guts::Outcome::failed);
  release_if_empty();
  return settled;
}

bool ClientStatements::skip(std::uint64_t number) {
  const bool settled = guts_ != nullptr && guts_->settle(number, Guts::Outcome::skipped);
  release_if_empty();
  return settled;
}

void ClientStatements::skip_all() {
  while (guts_ != nullptr && !guts_->changes.empty()) skip(guts_->changes.front().number);
}

std::size_t ClientStatements::size() const {
  return guts_ == nullptr ? 0 : guts_->names.size() + guts_->defines;
}

std::size_t ClientStatements::bytes() const { return guts_ == nullptr ? 0 : guts_->bytes; }

}  // namespace pgweir
