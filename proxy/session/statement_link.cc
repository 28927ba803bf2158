#include "proxy/session/statement_link.h"

#include <algorithm>
#include <utility>

#include "protocol/message.h"
#include "protocol/reader.h"
#include "protocol/sql_commands.h"
#include "proxy/session/client_session.h"
#include "proxy/session/error_text.h"
#include "proxy/session/plant.h"
#include "proxy/session/server_session.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

namespace {

// A name that no statement has: clients' names of this beginning are never sent.
constexpr Bytes prefix = "pgweir_";
constexpr Bytes no_statement = "pgweir_none";

// Of the contexts of one client alone; the others are hashes.
constexpr ParseContext own_bit = ParseContext{1} << 63;

// PostgreSQL's error for who goes on with a statement whose result has changed its shape.
ErrorText stale_plan() {
  return {"0A000", "cached plan must not change result type", {}, {}, "RevalidateCachedQuery"};
}

bool drops_all(const SqlEffects& effects) {
  return effects.has(SqlEffect::deallocate_all) || effects.has(SqlEffect::discard_all);
}

// The body as far as it has come.
Bytes body_of(const Piece& piece) { return piece.raw.substr(header_length); }

}  // namespace

// Drivers look at the routine as well: postgres.js prepares again.
ErrorText missing_statement(Bytes name, char type) {
  if (name.empty()) {
    return {"26000",
            "unnamed prepared statement does not exist",
            {},
            {},
            type == 'B' ? "exec_bind_message" : "exec_describe_statement_message"};
  }
  std::string message = "prepared statement \"" + std::string(name) + "\" does not exist";
  return {"26000", std::move(message), {}, {}, "FetchPreparedStatement"};
}

StatementLink::StatementLink(WorkerEngine& engine, ServerSession& server)
    : engine_(engine),
      server_(server),
      statements_(static_cast<std::size_t>(engine.settings().pool.max_prepared_statements)) {}

void StatementLink::joined() {
  unnamed_here_ = planted(Bug::foreign_unnamed);
  clears_ = unnamed_only_here_ = false;
  bound_ = {};
  unlistens_ = nullptr;
  own_context_ = 0;
}

void StatementLink::watch(const SqlEffects& effects) {
  using E = SqlEffect;
  if (effects.has(E::set_for_parser) || effects.has(E::opaque) || effects.has(E::discard_all))
    watch_everything();
}

void StatementLink::watch_everything() { own_context_ = own_bit | engine_.next_statement_id(); }

// As the client wants it, which is how the server is when the client's message arrives there.
ParseContext StatementLink::context() {
  if (own_context_ != 0) return own_context_;
  const ClientSession& client = *server_.client();
  if (client.parameters() == context_parameters_ && client.settings() == context_settings_) return context_;
  context_parameters_ = client.parameters();
  context_settings_ = client.settings();
  std::string text;
  for (const Parameters* const all : {context_parameters_.get(), context_settings_.get()}) {
    if (all == nullptr) continue;
    for (const auto& [name, value] : all->values()) {
      if (matters_to_parser(name)) ((text += name) += '\0') += value + '\0';
    }
  }
  return context_ = engine_.hash(text) & ~own_bit;
}

bool StatementLink::must_wait(const ClientSession& client, Bytes bytes) {
  const char type = bytes[0];
  if (type == 'E' && shape_awaited() && bound_.doubted && !server_.ledger().skipping()) {
    const bool needs = bound_.told.parameters != 0 || !bound_.described;
    return needs && runs_doubted(bytes.substr(header_length, Reader(bytes.substr(1, 4)).u32() - 4));
  }
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
bool StatementLink::unsettled(const ClientSession& client, Bytes name, bool runs) {
  const auto newest = client.statements().newest_pending(name);
  if (newest && *newest <= last_end_) return true;
  if (name.empty()) return unnamed_sent_ >= settled_ && unnamed_sent_ < last_end_;
  SharedStatement statement = runs ? client.statements().find(name) : nullptr;
  if (statement) statement = as_parsed_here(std::move(statement));
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
  ClientStatements& names = client.statements();
  const SharedStatement taken = head->statement.empty() ? nullptr : names.find(head->statement);
  // When a batch is run once more, its Parse may have been answered already.
  const bool again = taken && server_.repeats() && taken->parse_rest() == head->rest;
  SharedStatement statement = again ? taken : engine_.statements().intern(head->rest, context());
  if (auto refusal = server_.watch(statement->effects(), statement->query()))
    return provoke(std::move(*refusal));
  if (taken && !again) {
    std::string message = "prepared statement \"" + std::string(head->statement) + "\" already exists";
    return provoke({"42P05", std::move(message), {}, {}, "StorePreparedStatement"});
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
    unnamed_shape_ = {};
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
  unnamed_shape_ = {};
  unnamed_sent_ = sequence;
  if (client.statements().find("")) client.statements().close(sequence, "");
  changes_.push_back({.sequence = sequence, .kind = Kind::of_client, .statement = nullptr});
}

void StatementLink::bind(ClientSession& client, const Piece& piece) {
  const auto head = read_bind_head(body_of(piece));
  clears_ = bound_.doubted = false;
  bound_.statement = nullptr;
  unlistens_ = nullptr;
  if (!head || server_.ledger().skipping()) {
    server_.forward(piece);
    return;
  }
  auto [statement, told] = client.statements().look_up(head->statement);
  if (!statement) {
    if (is_taken(head->statement) && !(head->statement.empty() && unnamed_here_))
      return provoke(missing_statement(head->statement, 'B'));
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
  std::uint64_t id = 0;
  if (head->statement.empty()) {
    if (!unnamed_here_ && server_.ledger().uncertain()) return provoke(missing_statement("", 'B'));
    if (!unnamed_here_) prepare_unnamed(*statement);
  } else {
    id = ensure(statement);
    // Whether the client or this server is behind the times shows when it is prepared anew.
    if (id != 0 && told.any() && !server_.ledger().uncertain() && is_stale(*statement, id, told, false)) {
      forget(*statement);
      id = ensure(statement);
    }
    if (id == 0) {
      server_.forward(piece);
      return;
    }
  }
  bool doubted = false;
  // What cannot be told any more is what PostgreSQL makes of it.
  if (told.any() && !server_.ledger().uncertain()) {
    const StatementShape* const here = shape_here(*statement, id);
    doubted = here == nullptr || !here->covers(told);
    if (doubted) ask_shape(statement, id);
  }
  const std::uint64_t sequence =
      head->statement.empty() ? server_.forward(piece) : send_bind(*head, statement_name(id), piece);
  bound_.portal = head->portal;
  bound_.name = head->statement;
  bound_.statement = statement;
  bound_.id = id;
  bound_.told = told;
  bound_.doubted = doubted && sequence != 0;
  bound_.described = false;
  // Formats for columns that are not there any more are refused in other words.
  if (bound_.doubted) {
    changes_.push_back({.sequence = sequence,
                        .kind = Kind::bind,
                        .statement = statement,
                        .id = id,
                        .error = stale_plan(),
                        .shape = told});
  }
}

// The head anew, the rest as it is.
std::uint64_t StatementLink::send_bind(const BindHead& head, Bytes name, const Piece& piece) {
  const std::uint64_t sequence = server_.note('B', Reply::forward);
  const std::size_t old_head = header_length + head.portal.size() + 1 + head.statement.size() + 1;
  Writer out;
  out.begin('B').cstring(head.portal).cstring(name).end();
  std::string bytes = out.take();
  const auto length = static_cast<std::uint32_t>(4 + piece.length - head.statement.size() + name.size());
  for (int i = 0; i < 4; ++i)
    bytes[static_cast<std::size_t>(1 + i)] = static_cast<char>(length >> (24 - 8 * i));
  server_.send(bytes, piece.raw.substr(old_head));
  return sequence;
}

void StatementLink::describe(ClientSession& client, const Piece& piece) {
  const auto target = read_describe(body_of(piece));
  if (!target || server_.ledger().skipping()) {
    server_.forward(piece);
    return;
  }
  if (target->kind == 'P') {
    const std::uint64_t sequence = server_.forward(piece);
    if (bound_.statement == nullptr || target->name != bound_.portal) return;
    bound_.described = true;
    const StatementShape* const here = shape_here(*bound_.statement, bound_.id);
    if (here != nullptr && here->row != 0 && here->row == bound_.told.row) return;
    return await_description(sequence, bound_.name, bound_.statement, bound_.id);
  }
  auto [statement, told] = client.statements().look_up(target->name);
  if (!statement) {
    if (is_taken(target->name) && !(target->name.empty() && unnamed_here_))
      return provoke(missing_statement(target->name, 'D'));
    server_.forward(piece);
    return;
  }
  if (target->name.empty()) {
    if (!unnamed_here_ && server_.ledger().uncertain()) return provoke(missing_statement("", 'D'));
    if (!unnamed_here_) prepare_unnamed(*statement);
    return await_description(server_.forward(piece), target->name, statement, 0);
  }
  const std::uint64_t id = ensure(statement);
  if (id == 0) {
    server_.forward(piece);
    return;
  }
  await_description(server_.note('D', Reply::forward), target->name, statement, id);
  Writer out;
  write_describe(out, {'S', statement_name(id)});
  server_.send(out.view(), {});
}

// ---- shapes ----

StatementShape* StatementLink::shape_here(const PreparedStatement& statement, std::uint64_t id) {
  if (id != 0) return statements_.shape(statement, id);
  return unnamed_here_ ? &unnamed_shape_ : nullptr;
}

bool StatementLink::is_stale(const PreparedStatement& statement, std::uint64_t id, const StatementShape& told,
                             bool described) {
  const StatementShape* const here = shape_here(statement, id);
  if (here == nullptr) return false;
  return told.parameters_differ(*here) || (!described && told.row_differs(*here));
}

// The client relies on what another server has told it, or this one of an older plan. PostgreSQL would refuse
// to run the statement when that is not so any more.
void StatementLink::ask_shape(const SharedStatement& statement, std::uint64_t id) {
  const std::uint64_t sequence = server_.note('D', Reply::swallow_unless_error);
  if (sequence == 0) return;
  Writer out;
  write_describe(out, {'S', id == 0 ? std::string() : statement_name(id)});
  server_.send(out.view(), {});
  changes_.push_back({.sequence = sequence, .kind = Kind::describe, .statement = statement, .id = id});
  shape_asked_ = sequence;
  flushed_ = false;
}

void StatementLink::await_description(std::uint64_t sequence, Bytes name, const SharedStatement& statement,
                                      std::uint64_t id) {
  if (sequence == 0) return;
  changes_.push_back({.sequence = sequence,
                      .kind = Kind::describe,
                      .statement = statement,
                      .id = id,
                      .done = true,
                      .name = std::string(name)});
}

bool StatementLink::runs_doubted(Bytes execute_body) const {
  if (!bound_.doubted) return false;
  const auto execute = read_execute(execute_body);
  return execute && execute->portal == bound_.portal;
}

void StatementLink::flush() {
  if (std::exchange(flushed_, true)) return;
  Writer out;
  write_flush(out);
  server_.send(out.view(), {});
}

void StatementLink::described(std::uint64_t sequence, char type, Bytes body) {
  for (Change& change : changes_) {
    if (change.sequence > sequence) return;
    if (change.sequence == sequence && change.kind == Kind::describe)
      add_description(change.shape, type, body);
  }
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
  const bool certain = !server_.ledger().skipping() && !server_.ledger().uncertain();
  if (bound_.doubted && certain && runs_doubted(body_of(piece)) &&
      is_stale(*bound_.statement, bound_.id, bound_.told, bound_.described)) {
    engine_.statements().retire(*bound_.statement);
    return provoke(stale_plan());
  }
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

SharedStatement StatementLink::as_parsed_here(SharedStatement statement) {
  if (statement->context() == context() || statements_.find(*statement)) return statement;
  return engine_.statements().intern(statement->parse_rest(), context());
}

std::uint64_t StatementLink::ensure(SharedStatement& statement) {
  statement = as_parsed_here(std::move(statement));
  used_.push_back(statement);
  if (const auto id = statements_.use(*statement)) return *id;
  if (server_.ledger().uncertain() || planted(Bug::forget_statement)) return 0;
  prepare(statement, Reply::swallow_unless_error);
  return *statements_.find(*statement);
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
  unnamed_shape_ = {};
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

const ErrorText* StatementLink::instead(std::uint64_t sequence) {
  for (const Change& change : changes_) {
    if (change.sequence == sequence && change.kind == Kind::provoke) return &change.error;
    if (change.sequence == sequence && change.kind == Kind::bind &&
        is_stale(*change.statement, change.id, change.shape, false)) {
      engine_.statements().retire(*change.statement);
      return &change.error;
    }
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
      case Kind::describe:
        if (!made) break;
        if (StatementShape* const here = shape_here(*change.statement, change.id);
            here != nullptr && (change.id != 0 || change.sequence > unnamed_sent_))
          here->add(change.shape);
        if (client != nullptr && change.done)
          client->statements().tell(change.name, *change.statement, change.shape);
        break;
      case Kind::bind:
      case Kind::provoke:
        break;
    }
  }
}

void StatementLink::adopt(const PackedStatement& packed) {
  statements_.insert(engine_.statements().intern(packed.parse_rest, packed.context), packed.id);
}

std::vector<PackedStatement> StatementLink::pack() const {
  std::vector<PackedStatement> packed;
  statements_.for_each([&](const PreparedStatement& statement, std::uint64_t id) {
    packed.push_back({std::string(statement.parse_rest()), statement.context(), id});
  });
  return packed;
}

void StatementLink::unlinked() {
  used_.clear();
  bound_ = {};
  unnamed_here_ = unnamed_only_here_ = false;
  for (Change& change : changes_) {
    if (change.kind == Kind::describe) change.done = false;
  }
  std::erase_if(changes_, [this](const Change& change) {
    if (change.kind == Kind::by_tag && change.id != 0) leftover_.push_back(change.id);
    return change.kind == Kind::of_client || change.kind == Kind::by_tag;
  });
}

}  // namespace pgweir
