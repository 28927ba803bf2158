#include "proxy/session/statement_link.h"

#include <algorithm>
#include <utility>

#include "protocol/frontend.h"
#include "protocol/sql_commands.h"
#include "proxy/session/client_session.h"
#include "proxy/session/plant.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

constexpr Bytes prefix = "pgweir_";
// A name that no statement has: clients' names of this beginning are never sent.
constexpr Bytes no_statement = "pgweir_none";

std::string server_name(std::uint64_t id) { return std::string(prefix) + std::to_string(id); }

ErrorText missing(Bytes name) {
  return {"26000",
          name.empty() ? "unnamed prepared statement does not exist"
                       : "prepared statement \"" + std::string(name) + "\" does not exist",
          {},
          {}};
}

// The body as far as it has come.
Bytes body_of(const Piece& piece) { return piece.raw.substr(5); }

}  // namespace

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
  StatementPtr statement = engine_.statements().intern(head->rest);
  if (auto refusal = server_.watch(statement->effects(), statement->query()))
    return provoke(std::move(*refusal));
  ClientStatements& names = client.statements();
  if (!head->statement.empty() && names.find(head->statement)) {
    return provoke(
        {"42P05", "prepared statement \"" + std::string(head->statement) + "\" already exists", {}, {}});
  }
  if (!head->statement.empty() &&
      (names.count() >= static_cast<std::size_t>(limits.max_client_prepared_statements) ||
       names.bytes() + statement->bytes() > static_cast<std::size_t>(limits.max_client_prepared_memory))) {
    return provoke(
        refusal_text(Refusal::too_many_statements, "too many prepared statements",
                     std::to_string(names.count()) + " statements of " + std::to_string(names.bytes()) +
                         " bytes are prepared.",
                     "Let the application close statements, or raise max_client_prepared_statements or "
                     "max_client_prepared_memory."));
  }
  std::uint64_t sequence = 0;
  if (head->statement.empty()) {
    sequence = server_.forward(piece);
    ++server_.totals().server_parse_count;
    unnamed_here_ = true;
  } else if (statements_.find(*statement) != 0 && !server_.transaction_failed()) {
    ++statement->parses_avoided;
    sequence = server_.note('P', Reply::supply);
  } else {
    sequence = prepare(statement, Reply::forward);
  }
  names.define(sequence, head->statement, std::move(statement));
  changes_.push_back({.sequence = sequence, .kind = Kind::of_client, .statement = nullptr});
  server_.supply();
}

// What is too large to be kept, or not to be kept, stays on this server, and so does its client.
void StatementLink::parse_untracked(ClientSession& client, const Piece& piece) {
  if (body_of(piece).starts_with('\0')) {
    client.statements().drop_unnamed();
    unnamed_here_ = true;
  } else {
    server_.watch(StateKind::prepared);
  }
  ++server_.totals().server_parse_count;
  server_.watch_everything();
  server_.forward(piece);
}

void StatementLink::bind(ClientSession& client, const Piece& piece) {
  const auto head = read_bind_head(body_of(piece));
  if (!head || server_.ledger().skipping()) {
    server_.forward(piece);
    return;
  }
  const StatementPtr statement = client.statements().find(head->statement);
  if (!statement) {
    if (is_taken(head->statement) && !(head->statement.empty() && unnamed_here_))
      return provoke(missing(head->statement));
    server_.forward(piece);
    return;
  }
  if (auto refusal = server_.watch(statement->effects(), statement->query()))
    return provoke(std::move(*refusal));
  ++statement->uses;
  if (head->statement.empty()) {
    if (!unnamed_here_) prepare_unnamed(*statement);
    server_.forward(piece);
    return;
  }
  const std::string name = ensure(statement);
  if (name.empty()) {
    server_.forward(piece);
    return;
  }
  server_.note('B', Reply::forward);
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
  if (!target || target->kind != 'S' || server_.ledger().skipping()) {
    server_.forward(piece);
    return;
  }
  const StatementPtr statement = client.statements().find(target->name);
  if (!statement) {
    if (is_taken(target->name) && !(target->name.empty() && unnamed_here_))
      return provoke(missing(target->name));
    server_.forward(piece);
    return;
  }
  if (target->name.empty()) {
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
    unnamed_here_ = unnamed_here_ && !target->name.empty();
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

bool StatementLink::query(ClientSession& client, const Piece& piece, const SqlEffects& effects) {
  // PostgreSQL drops the unnamed statement when it gets a Query.
  unnamed_here_ = false;
  client.statements().drop_unnamed();
  if (server_.ledger().skipping() || server_.ledger().uncertain()) return false;
  // Statements that may be gone are prepared anew, under new names.
  if (effects.has(SqlEffect::deallocate_all) || effects.has(SqlEffect::discard_all)) {
    for (const std::uint64_t id : statements_.clear()) leftover_.push_back(id);
  }
  if (!effects.has(SqlEffect::deallocate_one) || !piece.last) return false;
  const auto sql = read_query(body_of(piece));
  const auto name = sql ? deallocate_name(*sql) : std::nullopt;
  const StatementPtr statement = name ? client.statements().find(*name) : nullptr;
  if (!statement) return false;
  const std::string text = ensure(statement);
  const std::uint64_t id = statements_.find(*statement);
  const std::uint64_t sequence = server_.note('Q', Reply::forward);
  changes_.push_back(
      {.sequence = sequence, .kind = Kind::deallocate, .statement = statement, .id = id, .name = *name});
  Writer out;
  write_query(out, "DEALLOCATE \"" + text + "\"");
  server_.send(out.view(), {});
  return true;
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

std::string StatementLink::ensure(const StatementPtr& statement) {
  const std::uint64_t id = statements_.find(*statement);
  if (id != 0) return server_name(id);
  if (server_.ledger().uncertain() || planted(Bug::forget_statement)) return {};
  prepare(statement, Reply::swallow_unless_error);
  return server_name(statements_.find(*statement));
}

std::uint64_t StatementLink::prepare(const StatementPtr& statement, Reply reply) {
  make_room();
  const std::uint64_t id = engine_.next_statement_id();
  const std::uint64_t sequence = server_.note('P', reply);
  ++server_.totals().server_parse_count;
  statements_.insert(statement, id);
  changes_.push_back({.sequence = sequence, .kind = Kind::prepare, .statement = statement, .id = id});
  Writer out;
  out.begin('P').cstring(server_name(id)).bytes(statement->parse_rest()).end();
  server_.send(out.view(), {});
  return sequence;
}

void StatementLink::prepare_unnamed(const PreparedStatement& statement) {
  unnamed_here_ = true;
  if (server_.ledger().uncertain()) return;
  server_.note('P', Reply::swallow_unless_error);
  ++server_.totals().server_parse_count;
  Writer out;
  out.begin('P').cstring("").bytes(statement.parse_rest()).end();
  server_.send(out.view(), {});
}

void StatementLink::make_room() {
  const auto most = static_cast<std::size_t>(engine_.settings().pool.max_prepared_statements);
  while (statements_.size() >= most && statements_.size() > 0) {
    const StatementPtr victim = statements_.oldest().statement;
    leftover_.push_back(statements_.oldest().id);
    statements_.erase(*victim);
    engine_.count_evicted_statement();
  }
  for (const std::uint64_t id : leftover_) {
    const std::uint64_t sequence = server_.note('C', Reply::swallow);
    changes_.push_back({.sequence = sequence, .kind = Kind::drop, .statement = nullptr, .id = id});
    Writer out;
    write_close(out, {'S', server_name(id)});
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

void StatementLink::command_completed(ClientSession* client, Bytes tag, std::uint64_t sequence) {
  if (tag == "DISCARD ALL" || tag == "DEALLOCATE ALL") {
    // What was sent behind it is prepared after it.
    if (client != nullptr) client->statements().clear();
    statements_.keep([&](std::uint64_t id) {
      return std::any_of(changes_.begin(), changes_.end(), [id](const Change& change) {
        return change.kind == Kind::prepare && change.id == id;
      });
    });
    leftover_.clear();
    return;
  }
  if (tag != "DEALLOCATE" || changes_.empty()) return;
  const Change& change = changes_.front();
  if (change.kind != Kind::deallocate || change.sequence != sequence) return;
  if (statements_.find(*change.statement) == change.id) statements_.erase(*change.statement);
  if (client != nullptr) client->statements().forget(change.name);
}

void StatementLink::settle(ClientSession* client, std::uint64_t front, std::uint64_t completed) {
  while (!changes_.empty() && changes_.front().sequence < front) {
    const Change change = std::move(changes_.front());
    changes_.pop_front();
    const bool made = change.sequence == completed || planted(Bug::trust_failed_parse);
    switch (change.kind) {
      case Kind::prepare:
        if (!made && statements_.find(*change.statement) == change.id) statements_.erase(*change.statement);
        break;
      case Kind::drop:
        if (!made) leftover_.push_back(change.id);
        break;
      case Kind::of_client:
        if (client != nullptr) client->statements().settle(change.sequence, made);
        break;
      case Kind::provoke:
      case Kind::deallocate:
        break;
    }
  }
}

std::vector<std::pair<std::string, std::uint64_t>> StatementLink::pack() const {
  std::vector<std::pair<std::string, std::uint64_t>> packed;
  for (auto it = statements_.entries().rbegin(); it != statements_.entries().rend(); ++it)
    packed.emplace_back(it->statement->parse_rest(), it->id);
  return packed;
}

void StatementLink::unlinked() {
  unnamed_here_ = false;
  std::erase_if(changes_, [](const Change& change) { return change.kind == Kind::of_client; });
}

}  // namespace pgweir
