#include "proxy/session/statement_link.h"

#include <algorithm>
#include <utility>

#include "protocol/frontend.h"
#include "protocol/reader.h"
#include "protocol/sql_commands.h"
#include "proxy/session/client_session.h"
#include "proxy/session/plant.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

// A name that no statement has: clients' names of this beginning are never sent.
constexpr Bytes prefix = "pgweir_";
constexpr Bytes no_statement = "pgweir_none";

// PostgreSQL's error for who goes on with a statement whose result has changed its shape.
ErrorText stale_plan() {
  return {"0A000", "cached plan must not change result type", {}, {}, "RevalidateCachedQuery"};
}

bool drops_all(const SqlEffects& effects) {
  return effects.has(SqlEffect::deallocate_all) || effects.has(SqlEffect::discard_all);
}

// The body as far as it has come.
Bytes body_of(const Piece& piece) { return piece.raw.substr(5); }

}  // namespace

ErrorText missing_statement(Bytes name) {
  if (name.empty()) return {"26000", "unnamed prepared statement does not exist", {}, {}};
  return {"26000", "prepared statement \"" + std::string(name) + "\" does not exist", {}, {}};
}

StatementLink::StatementLink(WorkerEngine& engine, ServerSession& server)
    : engine_(engine),
      server_(server),
      statements_(static_cast<std::size_t>(engine.settings().pool.max_prepared_statements)) {}

void StatementLink::joined() {
  unnamed_here_ = planted(Bug::foreign_unnamed);
  clears_ = unnamed_only_here_ = false;
  unlistens_ = nullptr;
}

bool StatementLink::must_wait(const ClientSession& client, Bytes bytes) const {
  const char type = bytes[0];
  if (!end_awaited() || server_.ledger().uncertain() || Bytes("PBDCQ").find(type) == Bytes::npos)
    return false;
  const Bytes body = bytes.substr(5, Reader(bytes.substr(1, 4)).u32() - 4);
  if (type == 'P') {
    const auto head = read_parse_head(body);
    if (!head) return false;
    if (!head->statement.empty()) return unsettled(client, head->statement, false);
    const auto name = deallocate_name(head->rest.substr(0, head->rest.find('\0')));
    return name && unsettled(client, *name, true);
  }
  if (type == 'B') {
    const auto head = read_bind_head(body);
    return head && unsettled(client, head->statement, true);
  }
  if (type == 'D' || type == 'C') {
    const auto target = type == 'D' ? read_describe(body) : read_close(body);
    return target && target->kind == 'S' && unsettled(client, target->name, type == 'D');
  }
  const auto sql = read_query(body);
  const auto name = sql ? deallocate_name(*sql) : std::nullopt;
  return name && unsettled(client, *name, true);
}

// Whether a Sync or Query is on its way behind the latest change to what the name means; `runs`: also to what
// the server has of it.
bool StatementLink::unsettled(const ClientSession& client, Bytes name, bool runs) const {
  const auto newest = client.statements().newest_pending(name);
  if (newest && *newest <= last_end_) return true;
  if (name.empty()) return unnamed_sent_ >= settled_ && unnamed_sent_ < last_end_;
  const SharedStatement statement = runs ? client.statements().find(name) : nullptr;
  const auto id = statement ? statements_.find(*statement) : std::nullopt;
  const auto sent = id ? preparing_.find(*id) : preparing_.end();
  return sent != preparing_.end() && sent->second < last_end_;
}

// ---- from the client ----

void StatementLink::parse(ClientSession& client, const Piece& piece) {
  if (server_.ledger().skipping()) {
    server_.forward(piece);
    return;
  }
  const PoolSettings& limits = engine_.settings().pool;
  const auto head = piece.last ? read_parse_head(body_of(piece)) : std::nullopt;
  ++server_.totals().client_parse_count;
  if (!head || server_.ledger().uncertain() ||
      (limits.max_prepared_statements == 0 && !head->statement.empty())) {
    return parse_untracked(client, piece);
  }
  SharedStatement statement = engine_.statements().intern(head->rest);
  if (auto refusal = server_.watch(statement->effects(), statement->query()))
    return provoke(std::move(*refusal));
  ClientStatements& names = client.statements();
  const SharedStatement taken = head->statement.empty() ? nullptr : names.find(head->statement);
  // When a batch is run once more, its Parse may have been answered already.
  if (taken && !(server_.repeats() && taken == statement)) {
    return provoke(
        {"42P05", "prepared statement \"" + std::string(head->statement) + "\" already exists", {}, {}});
  }
  if (!head->statement.empty() &&
      (names.size() >= static_cast<std::size_t>(limits.max_client_prepared_statements) ||
       names.bytes() + statement->bytes() > static_cast<std::size_t>(limits.max_client_prepared_memory))) {
    return provoke(
        refusal_text(Refusal::too_many_statements, "too many prepared statements",
                     std::to_string(names.size()) + " statements of " + std::to_string(names.bytes()) +
                         " bytes are prepared.",
                     "Let the application close statements, or raise max_client_prepared_statements or "
                     "max_client_prepared_memory."));
  }
  std::uint64_t sequence = 0;
  if (head->statement.empty()) {
    sequence = parse_unnamed(client, piece, *statement);
    ++server_.totals().server_parse_count;
    unnamed_here_ = true;
    unnamed_only_here_ = false;
    unnamed_sent_ = sequence;
  } else if (statements_.use(*statement) && !server_.transaction_failed() && !end_awaited()) {
    // Otherwise the server may refuse it, in a transaction that has failed.
    ++statement->uses.parses_avoided;
    sequence = server_.note('P', Reply::supply);
  } else {
    sequence = prepare(statement, Reply::forward);
  }
  names.define(sequence, head->statement, std::move(statement));
  changes_.push_back({.sequence = sequence, .kind = Kind::of_client, .statement = nullptr});
  server_.supply();
}

std::uint64_t StatementLink::parse_unnamed(ClientSession& client, const Piece& piece,
                                           const PreparedStatement& statement) {
  const auto name =
      statement.effects().has(SqlEffect::deallocate_one) ? deallocate_name(statement.query()) : std::nullopt;
  const SharedStatement known = name ? client.statements().find(*name) : nullptr;
  deallocates_ = known ? *name : "";
  if (!known) return server_.forward(piece);
  const std::string sql = "DEALLOCATE \"" + statement_name(take_for_deallocate(known)) + "\"";
  const std::uint64_t sequence = server_.note('P', Reply::forward);
  Writer out;
  write_parse(out, "", sql);
  server_.send(out.view(), {});
  return sequence;
}

// What is too large to be kept, or not to be kept, stays on this server, and so does its client.
void StatementLink::parse_untracked(ClientSession& client, const Piece& piece) {
  const bool unnamed = body_of(piece).starts_with('\0');
  if (!unnamed) {
    server_.watch(StateKind::prepared);
  }
  ++server_.totals().server_parse_count;
  server_.watch_everything();
  const std::uint64_t sequence = server_.forward(piece);
  unnamed_here_ = unnamed_here_ || unnamed;
  unnamed_only_here_ = unnamed_only_here_ || unnamed;
  if (!unnamed || sequence == 0) return;
  unnamed_sent_ = sequence;
  if (client.statements().find("")) client.statements().close(sequence, "");
  changes_.push_back({.sequence = sequence, .kind = Kind::of_client, .statement = nullptr});
}

void StatementLink::bind(ClientSession& client, const Piece& piece) {
  const auto head = read_bind_head(body_of(piece));
  clears_ = outdated_ = false;
  unlistens_ = nullptr;
  if (!head || server_.ledger().skipping()) {
    server_.forward(piece);
    return;
  }
  const SharedStatement statement = client.statements().find(head->statement);
  if (!statement) {
    if (is_taken(head->statement) && !(head->statement.empty() && unnamed_here_))
      return provoke(missing_statement(head->statement));
    server_.forward(piece);
    return;
  }
  if (auto refusal = server_.watch(statement->effects(), statement->query()))
    return provoke(std::move(*refusal));
  if (statement->effects().has(SqlEffect::set) && piece.last) server_.watch_values(body_of(piece));
  ++statement->uses.executions;
  server_.runs(statement->statement_class(), statement->query());
  clears_ = drops_all(statement->effects());
  if (statement->effects().has(SqlEffect::unlisten) || statement->effects().has(SqlEffect::discard_all))
    unlistens_ = statement;
  if (head->statement.empty()) {
    if (!unnamed_here_ && server_.ledger().uncertain()) return provoke(missing_statement(""));
    if (!unnamed_here_) prepare_unnamed(*statement);
    server_.forward(piece);
    return;
  }
  const std::string name = ensure(statement);
  if (name.empty()) {
    server_.forward(piece);
    return;
  }
  const std::uint64_t sequence = server_.note('B', Reply::forward);
  outdated_ = statement->outdated;
  // Formats for columns that are not there any more are refused in other words.
  if (outdated_) {
    changes_.push_back(
        {.sequence = sequence, .kind = Kind::provoke, .statement = nullptr, .error = stale_plan()});
  }
  // The head anew, the rest as it is.
  const std::size_t old_head = 5 + head->portal.size() + 1 + head->statement.size() + 1;
  Writer out;
  out.begin('B').cstring(head->portal).cstring(name).end();
  std::string bytes = out.take();
  const auto length = static_cast<std::uint32_t>(4 + piece.length - head->statement.size() + name.size());
  for (int i = 0; i < 4; ++i)
    bytes[static_cast<std::size_t>(1 + i)] = static_cast<char>(length >> (24 - 8 * i));
  server_.send(bytes, piece.raw.substr(old_head));
}

void StatementLink::describe(ClientSession& client, const Piece& piece) {
  const auto target = read_describe(body_of(piece));
  outdated_ = outdated_ && !(target && target->kind == 'P');
  if (!target || target->kind != 'S' || server_.ledger().skipping()) {
    server_.forward(piece);
    return;
  }
  const SharedStatement statement = client.statements().find(target->name);
  if (!statement) {
    if (is_taken(target->name) && !(target->name.empty() && unnamed_here_))
      return provoke(missing_statement(target->name));
    server_.forward(piece);
    return;
  }
  if (target->name.empty()) {
    if (!unnamed_here_ && server_.ledger().uncertain()) return provoke(missing_statement(""));
    if (!unnamed_here_) prepare_unnamed(*statement);
    server_.forward(piece);
    return;
  }
  const std::string name = ensure(statement);
  if (name.empty()) {
    server_.forward(piece);
    return;
  }
  server_.note('D', Reply::forward);
  Writer out;
  write_describe(out, {'S', name});
  server_.send(out.view(), {});
}

void StatementLink::close(ClientSession& client, const Piece& piece) {
  const auto target = read_close(body_of(piece));
  if (!target || target->kind != 'S' || server_.ledger().skipping() || server_.ledger().uncertain()) {
    server_.forward(piece);
    return;
  }
  ClientStatements& names = client.statements();
  const bool known = names.find(target->name) != nullptr;
  std::uint64_t sequence = 0;
  if (target->name.empty() || !(known || is_taken(target->name))) {
    // Nothing of ours: the unnamed one, or one that only this server knows.
    if (!target->name.empty()) server_.watch(StateKind::prepared);
    if (target->name.empty()) unnamed_here_ = unnamed_only_here_ = false;
    sequence = server_.forward(piece);
  } else {
    sequence = server_.note('C', Reply::supply);
  }
  if (known) {
    names.close(sequence, target->name);
    changes_.push_back({.sequence = sequence, .kind = Kind::of_client, .statement = nullptr});
  }
  server_.supply();
}

void StatementLink::execute(ClientSession& client, const Piece& piece) {
  // It has not asked what the rows look like now.
  if (outdated_ && !server_.ledger().skipping()) return provoke(stale_plan());
  const std::uint64_t sequence = server_.forward(piece);
  if (sequence != 0 && unlistens_) server_.unlistens(std::exchange(unlistens_, nullptr)->query());
  if (sequence == 0 || (!clears_ && deallocates_.empty())) return;
  if (clears_) {
    forget_all();
    client.statements().clear_all(sequence);
  } else {
    client.statements().close(sequence, std::exchange(deallocates_, {}));
  }
  changes_.push_back({.sequence = sequence, .kind = Kind::by_tag, .statement = nullptr});
}

void StatementLink::query(ClientSession& client, const Piece& piece, const SqlEffects& effects) {
  ClientStatements& names = client.statements();
  const bool tracked = !server_.ledger().skipping() && !server_.ledger().uncertain();
  unnamed_here_ = unnamed_only_here_ = clears_ = false;
  unlistens_ = nullptr;
  deallocates_.clear();
  if (tracked && effects.has(SqlEffect::deallocate_one) && piece.last) {
    const auto sql = read_query(body_of(piece));
    const auto name = sql ? deallocate_name(*sql) : std::nullopt;
    const SharedStatement statement = name ? names.find(*name) : nullptr;
    if (statement) return deallocate(client, *name, statement);
  }
  // Statements that may be gone are prepared anew, under new names.
  if (tracked && drops_all(effects)) forget_all();
  const std::uint64_t sequence = server_.forward(piece);
  if (sequence == 0) return;
  drop_unnamed(names, sequence);
  if (drops_all(effects) && !names.empty()) {
    names.clear_all(sequence);
    changes_.push_back({.sequence = sequence, .kind = Kind::by_tag, .statement = nullptr});
  }
}

// What a client calls by its name other clients have as well, under a name of pgweir's. An empty statement is
// prepared in its place if the server lacks it: that can be done whatever has become of tables and
// transaction.
std::uint64_t StatementLink::take_for_deallocate(const SharedStatement& statement) {
  const auto known = statements_.find(*statement);
  if (known) {
    statements_.erase(*statement);
    return *known;
  }
  const std::uint64_t id = engine_.next_statement_id();
  server_.note('P', Reply::swallow);
  Writer out;
  out.begin('P').cstring(statement_name(id)).cstring("").u16(0).end();
  server_.send(out.view(), {});
  return id;
}

// PostgreSQL drops the unnamed statement when it gets a Query, whatever becomes of that.
void StatementLink::drop_unnamed(ClientStatements& names, std::uint64_t sequence) {
  if (names.empty()) return;
  names.close(sequence, "");
  changes_.push_back({.sequence = sequence, .kind = Kind::of_client, .statement = nullptr});
}

void StatementLink::deallocate(ClientSession& client, const std::string& name,
                               const SharedStatement& statement) {
  const std::uint64_t id = take_for_deallocate(statement);
  const std::uint64_t sequence = server_.note('Q', Reply::forward);
  drop_unnamed(client.statements(), sequence);
  client.statements().close(sequence, name);
  changes_.push_back({.sequence = sequence, .kind = Kind::by_tag, .statement = nullptr, .id = id});
  Writer out;
  write_query(out, "DEALLOCATE \"" + statement_name(id) + "\"");
  server_.send(out.view(), {});
}

void StatementLink::provoke(ErrorText error) {
  Writer out;
  write_bind(out, BindHead{"", no_statement, Bytes("\0\0\0\0\0\0", 6)});
  const std::uint64_t sequence = server_.note('B', Reply::forward);
  changes_.push_back(
      {.sequence = sequence, .kind = Kind::provoke, .statement = nullptr, .error = std::move(error)});
  server_.send(out.view(), {});
}

bool StatementLink::is_taken(Bytes name) { return name.empty() || name.starts_with(prefix); }

std::string StatementLink::ensure(const SharedStatement& statement) {
  used_.push_back(statement);
  if (const auto id = statements_.use(*statement)) return statement_name(*id);
  if (server_.ledger().uncertain() || planted(Bug::forget_statement)) return {};
  prepare(statement, Reply::swallow_unless_error);
  return statement_name(*statements_.find(*statement));
}

std::uint64_t StatementLink::prepare(const SharedStatement& statement, Reply reply) {
  forget(*statement);
  make_room();
  const std::uint64_t id = engine_.next_statement_id();
  const std::uint64_t sequence = server_.note('P', reply);
  ++server_.totals().server_parse_count;
  statements_.insert(statement, id);
  preparing_[id] = sequence;
  changes_.push_back({.sequence = sequence, .kind = Kind::prepare, .statement = statement, .id = id});
  Writer out;
  out.begin('P').cstring(statement_name(id)).bytes(statement->parse_rest()).end();
  server_.send(out.view(), {});
  return sequence;
}

void StatementLink::prepare_unnamed(const PreparedStatement& statement) {
  unnamed_here_ = true;
  unnamed_sent_ = server_.note('P', Reply::swallow_unless_error);
  changes_.push_back({.sequence = unnamed_sent_, .kind = Kind::of_client, .statement = nullptr});
  ++server_.totals().server_parse_count;
  Writer out;
  out.begin('P').cstring("").bytes(statement.parse_rest()).end();
  server_.send(out.view(), {});
}

// To be closed when there is an occasion.
void StatementLink::forget(const PreparedStatement& statement) {
  const auto id = statements_.find(statement);
  if (!id) return;
  leftover_.push_back(*id);
  statements_.erase(statement);
}

void StatementLink::forget_all() {
  while (const auto entry = statements_.oldest()) forget(*entry->statement);
}

void StatementLink::make_room() {
  statements_.set_most(static_cast<std::size_t>(engine_.settings().pool.max_prepared_statements));
  while (statements_.full() && statements_.size() > 0) {
    const auto victim = statements_.oldest();
    ++victim->statement->uses.evictions;
    forget(*victim->statement);
  }
  for (const std::uint64_t id : leftover_) {
    const std::uint64_t sequence = server_.note('C', Reply::swallow);
    changes_.push_back({.sequence = sequence, .kind = Kind::drop, .statement = nullptr, .id = id});
    Writer out;
    write_close(out, {'S', statement_name(id)});
    server_.send(out.view(), {});
  }
  leftover_.clear();
}

// ---- from the server ----

const ErrorText* StatementLink::instead(std::uint64_t sequence) const {
  for (const Change& change : changes_) {
    if (change.sequence == sequence && change.kind == Kind::provoke) return &change.error;
    if (change.sequence >= sequence) break;
  }
  return nullptr;
}

bool StatementLink::forget_used(bool outdated) {
  bool any = false;
  for (const SharedStatement& statement : std::exchange(used_, {})) {
    any = statements_.find(*statement) || any;
    forget(*statement);
    if (outdated) engine_.statements().retire(*statement);
  }
  return any;
}

void StatementLink::command_completed(Bytes tag, std::uint64_t sequence) {
  const bool all = tag == "DISCARD ALL" || tag == "DEALLOCATE ALL";
  if (!all && tag != "DEALLOCATE") return;
  for (Change& change : changes_) {
    if (change.kind == Kind::by_tag && change.sequence == sequence) change.done = true;
  }
  if (!all) return;
  // What is on its way comes after it.
  const auto on_its_way = [this](std::uint64_t id) {
    return std::any_of(changes_.begin(), changes_.end(), [id](const Change& change) {
      return change.kind == Kind::prepare && change.id == id;
    });
  };
  std::vector<ServerStatements::Entry> kept;
  while (const auto entry = statements_.oldest()) {
    if (on_its_way(entry->id)) kept.push_back(*entry);
    statements_.erase(*entry->statement);
  }
  for (auto& entry : kept) statements_.insert(std::move(entry.statement), entry.id);
  leftover_.clear();
}

void StatementLink::settle(ClientSession* client, const Settled& settled) {
  settled_ = settled.front;
  while (!changes_.empty() && changes_.front().sequence < settled.front) {
    const Change change = std::move(changes_.front());
    changes_.pop_front();
    const bool made = change.sequence == settled.completed || planted(Bug::trust_failed_parse);
    if (change.sequence == unnamed_sent_ && !made) unnamed_here_ = unnamed_only_here_ = false;
    switch (change.kind) {
      case Kind::prepare:
        preparing_.erase(change.id);
        if (!made && statements_.find(*change.statement) == change.id) statements_.erase(*change.statement);
        break;
      case Kind::drop:
        if (!made) leftover_.push_back(change.id);
        break;
      case Kind::of_client:
      case Kind::by_tag:
        if (change.id != 0 && !change.done) leftover_.push_back(change.id);
        if (client == nullptr) break;
        if (made && (change.done || change.kind == Kind::of_client)) {
          client->statements().confirm(change.sequence);
        } else if (change.sequence == settled.failed) {
          client->statements().fail(change.sequence);
        } else {
          client->statements().skip(change.sequence);
        }
        break;
      case Kind::provoke:
        break;
    }
  }
}

void StatementLink::adopt(SharedStatement statement, std::uint64_t id) {
  statements_.insert(std::move(statement), id);
}

std::vector<std::pair<std::string, std::uint64_t>> StatementLink::pack() const {
  std::vector<std::pair<std::string, std::uint64_t>> packed;
  statements_.for_each([&](const PreparedStatement& statement, std::uint64_t id) {
    packed.emplace_back(statement.parse_rest(), id);
  });
  return packed;
}

void StatementLink::unlinked() {
  used_.clear();
  unnamed_here_ = unnamed_only_here_ = false;
  std::erase_if(changes_, [this](const Change& change) {
    if (change.kind == Kind::by_tag && change.id != 0) leftover_.push_back(change.id);
    return change.kind == Kind::of_client || change.kind == Kind::by_tag;
  });
}

}  // namespace pgweir
