#include "tests/sim/toy_session.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "protocol/bytes.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

namespace pgweir::sim {

namespace {

using namespace std::chrono_literals;

Bytes trim(Bytes text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == Bytes::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// A quoted or bare word at the front of `text`, which is shortened by it.
std::string take_value(Bytes& text) {
  text = trim(text);
  std::string value;
  const bool escapes = text.size() > 1 && (text[0] == 'E' || text[0] == 'e') && text[1] == '\'';
  if (escapes) text.remove_prefix(1);
  if (text.empty() || (text[0] != '\'' && text[0] != '"')) {
    const auto end = std::min(text.size(), text.find_first_of(" =,();"));
    value = text.substr(0, end);
    text.remove_prefix(end);
    return value;
  }
  const char quote = text[0];
  text.remove_prefix(1);
  while (!text.empty()) {
    const char c = text[0];
    text.remove_prefix(1);
    if (c == '\\' && escapes && !text.empty()) {
      value += text[0];
      text.remove_prefix(1);
    } else if (c == quote) {
      if (text.empty() || text[0] != quote) break;
      value += quote;
      text.remove_prefix(1);
    } else {
      value += c;
    }
  }
  return value;
}

// The same for the name of a parameter, which may have parts: a.b, "a"."b".
std::string take_name(Bytes& text) {
  std::string name = take_value(text);
  while (text.starts_with(".")) {
    text.remove_prefix(1);
    name += "." + take_value(text);
  }
  return name;
}

// The statements between semicolons; those in quotes do not count.
std::deque<std::string> split_statements(Bytes text) {
  std::deque<std::string> result;
  std::string part;
  bool quoted = false, escapes = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && escapes && c == '\\' && i + 1 < text.size()) {
      part += c;
      part += text[++i];
      continue;
    }
    if (c == '\'') {
      if (!quoted) escapes = i > 0 && (text[i - 1] == 'E' || text[i - 1] == 'e');
      quoted = !quoted;
    }
    if (c == ';' && !quoted) {
      result.push_back(std::exchange(part, {}));
    } else {
      part += c;
    }
  }
  result.push_back(part);
  std::erase_if(result, [](const std::string& one) { return trim(one).empty(); });
  return result;
}

std::string row_description(const std::vector<Bytes>& names) {
  Writer out;
  out.u16(static_cast<std::uint16_t>(names.size()));
  for (const Bytes name : names) out.cstring(name).u32(0).u16(0).u32(25).u16(0xffff).u32(0xffffffff).u16(0);
  return out.take();
}

std::string data_row(const std::vector<std::string>& values) {
  Writer out;
  out.u16(static_cast<std::uint16_t>(values.size()));
  for (const std::string& value : values) out.u32(static_cast<std::uint32_t>(value.size())).bytes(value);
  return out.take();
}

std::string copy_response() { return Writer().u8(0).u16(1).u16(0).take(); }

const std::vector<Bytes> ask_names{"client",   "serial",           "row",       "pid",        "transaction",
                                   "TimeZone", "application_name", "DateStyle", "unreported", "text",
                                   "filler"};

bool may_leave_state(Bytes text) {
  for (const Bytes word : {"SET", "pg_advisory", "set_config", "TABLE", "DEALLOCATE", "DISCARD", "LISTEN"})
    if (text.find(word) != Bytes::npos) return true;
  return false;
}

// There are no savepoints: it makes a transaction fail.
bool is_rollback_to(Bytes text) { return text.find("ROLLBACK TO") != Bytes::npos; }

constexpr Bytes in_failed_block =
    "current transaction is aborted, commands ignored until end of transaction block";

// How much of a statement's text is in its rows.
constexpr std::size_t text_shown = 60;

Owner read_mark(Bytes text) {
  Owner owner;
  if (!text.starts_with("/*c")) return owner;
  const std::string mark(text.substr(3, text.find("*/") - 3));
  owner.client = std::atoi(mark.c_str());
  const auto serial = mark.find(" s");
  if (serial != std::string::npos) owner.serial = std::atoi(mark.c_str() + serial + 2);
  return owner;
}

}  // namespace

std::string owner_mark(Owner owner) {
  return "/*c" + std::to_string(owner.client) + " s" + std::to_string(owner.serial) + "*/ ";
}

std::string error_body(Bytes severity, Bytes code, Bytes message, Bytes routine) {
  Writer out;
  out.u8('S').cstring(severity).u8('V').cstring(severity).u8('C').cstring(code).u8('M').cstring(message);
  if (!routine.empty()) out.u8('R').cstring(routine);
  out.u8(0);
  return out.take();
}

std::string error_field(Bytes body, char field) {
  Reader in(body);
  while (in.ok()) {
    const auto name = static_cast<char>(in.u8());
    if (name == 0) break;
    const Bytes text = in.cstring();
    if (name == field) return std::string(text);
  }
  return {};
}

ToySession::ToySession(const ToySettings& settings, std::string pid)
    : pid_(std::move(pid)), state_(settings) {}

void ToySession::report_all() {
  for (const auto& [name, value] : state_.settings()) {
    if (!is_reported(name)) continue;
    emit('S', Writer().cstring(name).cstring(value).take());
    reported_[name] = value;
  }
}

Owner ToySession::running() const {
  if (sleeping()) return running_.statement.owner;
  return copy_ ? copy_->owner : Owner{};
}

// ---- steps ----

bool ToySession::step() {
  if (sleeping() || terminated_) return false;
  if (!copy_ && query_) {
    if (query_->statements.empty()) {
      finish_query();
    } else {
      const std::string text = std::move(query_->statements.front());
      query_->statements.pop_front();
      start({.statement = parse(text)});
    }
    return true;
  }
  if (input_.empty()) return false;
  const Message message = std::move(input_.front());
  input_.pop_front();
  if (copy_) {
    handle_copy(message);
  } else {
    handle(message);
  }
  return true;
}

void ToySession::handle(const Message& message) {
  if (message.type == 'X') {
    terminated_ = true;
    return;
  }
  note_what_it_leaves(message);
  if (skipping_ && message.type != 'S') return;
  extended_ = message.type != 'Q' && message.type != 'F';
  if (message.type != 'H' && message.type != 'S') late_begin_ = false;
  switch (message.type) {
    case 'Q':
      return begin_query(Reader(message.body).cstring());
    case 'P':
      return on_parse(message.body);
    case 'B':
      return on_bind(message.body);
    case 'D':
      return on_describe(message.body);
    case 'E':
      return on_execute(message.body);
    case 'C':
      return on_close(message.body);
    case 'F':
      return on_function_call();
    case 'H':
      flush_ = true;
      return;
    case 'S':
      skipping_ = false;
      if (block_ == Block::none) end_transaction(true);
      return ready();
    case 'd':
    case 'c':
    case 'f':
      return;
    default:
      emit('E',
           error_body("FATAL", "08P01", "invalid frontend message type " + std::to_string(message.type)));
      flush_ = terminated_ = true;
  }
}

void ToySession::note_what_it_leaves(const Message& message) {
  Bytes text;
  if (message.type == 'Q' || message.type == 'P') {
    text = message.body;
  } else if (message.type == 'B') {
    Reader in(message.body);
    in.cstring();
    const auto found = statements_.find(std::string(in.cstring()));
    if (found != statements_.end()) text = found->second.text;
  }
  // The proxy may not know the statement that is closed.
  const bool closes = message.type == 'C' && message.body.starts_with('S');
  touched_ = touched_ || closes || may_leave_state(text);
}

void ToySession::handle_copy(const Message& message) {
  switch (message.type) {
    case 'H':
    case 'S':
      return;
    case 'd': {
      if (copy_canceled_) return interrupt("57014", "canceling statement due to user request");
      ++copy_->rows;
      const Statement row = parse(message.body);
      if (row.owner.client != copy_->owner.client) {
        complaint_ = "copy data of client " + std::to_string(row.owner.client) + " in the COPY of client " +
                     std::to_string(copy_->owner.client);
      }
      if (row.word == "bad") raise("22P02", "bad row in COPY of " + owner_mark(copy_->owner));
      return;
    }
    case 'c': {
      if (copy_canceled_) return interrupt("57014", "canceling statement due to user request");
      const std::string tag = "COPY " + std::to_string(copy_->rows);
      copy_.reset();
      return complete(tag);
    }
    case 'f':
      return raise("57014", "COPY from stdin failed: " + std::string(Reader(message.body).cstring()));
    case 'X':
      terminated_ = true;
      return;
    default:
      return raise("08P01", "unexpected message type in COPY of " + owner_mark(copy_->owner));
  }
}

void ToySession::begin_query(Bytes text) {
  statements_.erase("");
  query_ = Query{split_statements(text), false};
  query_->multiple = query_->statements.size() > 1;
  if (query_->statements.empty()) emit('I');
}

void ToySession::finish_query() {
  query_.reset();
  if (block_ == Block::none) end_transaction(true);
  ready();
}

void ToySession::on_function_call() {
  if (block_ == Block::failed) {
    raise("25P02", "current transaction is aborted");
    return ready();
  }
  need_transaction();
  emit('V', Writer().u32(4).bytes("done").take());
  if (block_ == Block::none) end_transaction(true);
  ready();
}

// ---- the extended protocol ----

void ToySession::on_parse(Bytes body) {
  Reader in(body);
  const std::string name(in.cstring());
  const Statement statement = parse(in.cstring());
  need_transaction();
  if (name.empty()) statements_.erase(name);
  // PostgreSQL finds the syntax error first; the proxy cannot.
  if (!name.empty() && statements_.contains(name)) {
    if (block_ == Block::failed) return raise("25P02", in_failed_block);
    return raise("42P05", "prepared statement \"" + name + "\" already exists", "StorePreparedStatement");
  }
  if (statement.word == "broken") return raise("42601", "syntax error at \"" + statement.text + "\"");
  if (!statement.word.empty() && refused_in_failed_block(statement)) return;
  if (!statement.wants_owner() && !statement.word.empty()) note_owner(statement.owner, &statement);
  statements_[name] = statement;
  emit('1');
}

void ToySession::on_bind(Bytes body) {
  Reader in(body);
  const std::string portal(in.cstring());
  const std::string name(in.cstring());
  for (int formats = in.u16(); formats > 0; --formats) in.u16();
  std::vector<std::string> arguments;
  for (int count = in.u16(); count > 0 && in.ok(); --count) {
    const std::int32_t size = in.i32();
    arguments.emplace_back(size > 0 ? in.bytes(static_cast<std::size_t>(size)) : Bytes());
  }
  need_transaction();
  const auto found = statements_.find(name);
  if (found == statements_.end()) return raise_missing(name, "exec_bind_message");
  if (refused_in_failed_block(found->second)) return;
  Statement statement = found->second;
  if (arguments.size() != statement.parameters()) {
    return raise("08P01", "bind message supplies " + std::to_string(arguments.size()) +
                              " parameters, but prepared statement \"" + name + "\" requires " +
                              std::to_string(statement.parameters()));
  }
  if (statement.wants_owner() && !arguments.empty()) statement.owner = read_mark(arguments[0]);
  note_owner(statement.owner, &statement);
  portals_[portal] = Portal{.statement = std::move(statement), .arguments = std::move(arguments)};
  emit('2');
}

void ToySession::on_describe(Bytes body) {
  Reader in(body);
  const bool prepared = in.u8() == 'S';
  const std::string name(in.cstring());
  need_transaction();
  const Statement* statement = nullptr;
  if (prepared) {
    const auto found = statements_.find(name);
    if (found == statements_.end()) return raise_missing(name, "exec_describe_statement_message");
    statement = &found->second;
  } else {
    const auto found = portals_.find(name);
    if (found == portals_.end()) return raise("34000", "portal " + name + " does not exist");
    statement = &found->second.statement;
  }
  const bool rows = statement->word == "ask" || statement->word == "select";
  // PostgreSQL describes one without rows; the proxy may have to prepare it here first, and cannot.
  if ((rows || prepared) && refused_in_failed_block(*statement)) return;
  if (prepared) emit('t', Writer().u16(0).take());
  if (rows) {
    describe_rows(*statement);
  } else {
    emit('n');
  }
}

void ToySession::on_execute(Bytes body) {
  Reader in(body);
  const std::string name(in.cstring());
  const std::uint32_t limit = in.u32();
  need_transaction();
  const auto found = portals_.find(name);
  if (found == portals_.end()) return raise("34000", "portal " + name + " does not exist");
  if (refused_in_failed_block(found->second.statement)) return;
  start({.statement = found->second.statement, .extended = true, .portal = name, .limit = limit});
}

void ToySession::on_close(Bytes body) {
  Reader in(body);
  const bool prepared = in.u8() == 'S';
  const std::string name(in.cstring());
  need_transaction();
  if (prepared) {
    statements_.erase(name);
  } else {
    portals_.erase(name);
  }
  emit('3');
}

// ---- statements ----

ToySession::Statement ToySession::parse(Bytes text) {
  Statement statement;
  text = trim(text);
  if (text.starts_with("/*c")) {
    statement.owner = read_mark(text);
    text = trim(text.substr(text.find("*/") + 2));
  }
  statement.text = text;
  statement.word = lower_ascii(text.substr(0, text.find_first_of(" ;\n")));
  if (statement.word != "ask" && statement.word != "copy_out") return statement;
  std::istringstream words(statement.text);
  std::string word;
  while (words >> word) {
    int value = 0;
    if (word == "rows") words >> statement.rows;
    if (word == "size") words >> statement.size;
    if (word == "sleep" && words >> value) statement.sleep = std::chrono::milliseconds(value);
    if (word == "error") statement.error = true;
    if (word == "notice") statement.notice = true;
  }
  return statement;
}

bool ToySession::refused_in_failed_block(const Statement& statement) {
  const std::string& word = statement.word;
  if (block_ != Block::failed || word == "commit" || word == "end" || word == "rollback" || word == "abort")
    return false;
  raise("25P02", in_failed_block);
  return true;
}

void ToySession::start(Running running) {
  extended_ = running.extended;
  if (!running.extended && refused_in_failed_block(running.statement)) return;
  need_transaction();
  note_owner(running.statement.owner, &running.statement);
  Portal* const portal = running.extended ? &portals_[running.portal] : nullptr;
  if (running.statement.sleep > 0ms && (portal == nullptr || !portal->slept)) {
    if (portal != nullptr) portal->slept = true;
    sleep_ = running.statement.sleep;
    running_ = std::move(running);
    return;
  }
  run(running);
}

void ToySession::wake() {
  sleep_ = Duration::zero();
  run(std::exchange(running_, {}));
}

void ToySession::interrupt(Bytes code, Bytes message) {
  if (sleeping()) extended_ = running_.extended;
  sleep_ = Duration::zero();
  running_ = {};
  raise(code, message);
}

void ToySession::run(const Running& running) {
  const Statement& statement = running.statement;
  const std::string& word = statement.word;
  if (word == "ask") return run_ask(running);
  if (word == "select") return run_select(running);
  if (word == "set") return run_set(statement);
  if (word == "copy_out") return run_copy_out(statement);
  if (word == "copy_in") {
    copy_ = Copy{.owner = statement.owner, .extended = running.extended};
    copy_canceled_ = false;
    emit('G', copy_response());
    flush_ = true;
    return;
  }
  if (word == "reset") return run_reset(statement);
  if (word == "create" || word == "drop") return run_table(statement);
  if (word == "deallocate") return run_deallocate(statement);
  if (word == "discard") return run_discard(statement);
  if (word.empty()) return emit('I');
  if (run_notification_word(statement) || run_transaction_word(statement)) return;
  raise("42601", "syntax error at \"" + statement.text + "\"");
}

void ToySession::run_ask(const Running& running) {
  const Statement& statement = running.statement;
  Portal* const portal = running.extended ? &portals_[running.portal] : nullptr;
  if (statement.notice) notice("00000", "notice for " + owner_mark(statement.owner));
  if (portal == nullptr) describe_rows(statement);
  const int first = portal == nullptr ? 0 : portal->sent;
  int last = statement.error ? statement.rows / 2 : statement.rows;
  const bool limited = running.limit > 0 && last - first >= static_cast<int>(running.limit);
  if (limited) last = first + static_cast<int>(running.limit);
  const ToySettings& settings = state_.settings();
  for (int row = first; row < last; ++row) {
    emit(
        'D',
        data_row({std::to_string(statement.owner.client), std::to_string(statement.owner.serial),
                  std::to_string(row), pid_, std::to_string(transaction_), settings.at("TimeZone"),
                  settings.at("application_name"), settings.at("DateStyle"), state_.unreported(),
                  statement.text.substr(0, text_shown),
                  std::string(static_cast<std::size_t>(statement.size), static_cast<char>('a' + row % 26))}));
  }
  if (portal != nullptr) portal->sent = last;
  if (limited) return emit('s');
  if (statement.error) return raise("P0001", "error for " + owner_mark(statement.owner));
  complete("ASK " + std::to_string(last - first));
}

void ToySession::run_copy_out(const Statement& statement) {
  emit('H', copy_response());
  for (int row = 0; row < statement.rows; ++row) {
    emit('d', owner_mark(statement.owner) + "row " + std::to_string(row) +
                  std::string(static_cast<std::size_t>(statement.size), '.') + "\n");
  }
  if (statement.error) return raise("P0001", "error for " + owner_mark(statement.owner));
  emit('c');
  complete("COPY " + std::to_string(statement.rows));
}

void ToySession::run_set(const Statement& statement) {
  Bytes rest = trim(Bytes(statement.text).substr(3));
  const bool local = lower_ascii(rest.substr(0, 6)) == "local ";
  if (local) rest.remove_prefix(6);
  if (lower_ascii(rest.substr(0, 8)) == "session ") rest.remove_prefix(8);
  const std::string name = take_name(rest);
  rest = trim(rest);
  if (rest.starts_with("=")) {
    rest.remove_prefix(1);
  } else if (lower_ascii(rest.substr(0, 3)) == "to ") {
    rest.remove_prefix(3);
  }
  const std::string value = take_value(rest);
  if (set_value(name, value, local)) complete("SET");
}

void ToySession::run_reset(const Statement& statement) {
  Bytes rest = trim(Bytes(statement.text).substr(5));
  const std::string name = take_name(rest);
  if (lower_ascii(name) == "all") {
    state_.reset_all();
  } else if (const std::string known = setting_name(name); !known.empty()) {
    state_.reset(known);
  } else {
    return raise("42704", "unrecognized configuration parameter \"" + name + "\"");
  }
  complete("RESET");
}

void ToySession::run_select(const Running& running) {
  const Bytes text = running.statement.text;
  if (text.starts_with("SELECT '")) {
    const auto by_sql = std::count_if(statements_.begin(), statements_.end(), [](const auto& entry) {
      return !entry.first.empty() && !entry.first.starts_with("pgweir_");
    });
    const auto rows = state_.inspect(text, static_cast<int>(by_sql));
    emit('T', row_description({"kind", "name", "value"}));
    for (const auto& row : rows) emit('D', data_row(row));
    return complete("SELECT " + std::to_string(rows.size()));
  }
  const auto argument = [&](Bytes function) -> std::optional<Bytes> {
    const auto call = text.find(function);
    if (call == Bytes::npos) return std::nullopt;
    return text.substr(call + function.size());
  };
  std::string value = "1";
  if (auto rest = argument("set_config(")) {
    std::string name;
    bool local = false;
    if (running.extended && portals_[running.portal].arguments.size() == 2) {
      name = portals_[running.portal].arguments[0];
      value = portals_[running.portal].arguments[1];
    } else {
      name = take_value(*rest);
      rest->remove_prefix(std::min(rest->size(), rest->find(',') + 1));
      value = take_value(*rest);
      local = rest->find("true") != Bytes::npos;
    }
    if (!set_value(name, value, local)) return;
  } else if (const auto lock = argument("pg_advisory_lock(")) {
    state_.lock(std::atoi(std::string(*lock).c_str()), running.statement.owner);
    value = "";
  } else if (const auto unlock = argument("pg_advisory_unlock(")) {
    value = state_.unlock(std::atoi(std::string(*unlock).c_str())) ? "t" : "f";
  } else if (argument("pg_advisory_unlock_all(")) {
    state_.unlock_all();
  }
  if (!running.extended) describe_rows(running.statement);
  emit('D', data_row({value}));
  complete("SELECT 1");
}

// CREATE TEMP TABLE name, DROP TABLE name.
void ToySession::run_table(const Statement& statement) {
  const bool create = statement.word == "create";
  const std::string name = statement.text.substr(statement.text.rfind(' ') + 1);
  if (create && !state_.create_table(name, statement.owner))
    return raise("42P07", "relation \"" + name + "\" already exists");
  if (!create && !state_.drop_table(name)) return raise("42P01", "table \"" + name + "\" does not exist");
  complete(create ? "CREATE TABLE" : "DROP TABLE");
}

void ToySession::run_deallocate(const Statement& statement) {
  Bytes rest = trim(Bytes(statement.text).substr(10));
  const std::string name = take_value(rest);
  if (lower_ascii(name) == "all") {
    statements_.clear();  // PostgreSQL keeps the unnamed one; the proxy does not
    return complete("DEALLOCATE ALL");
  }
  if (statements_.erase(name) == 0) return raise_missing(name, {});
  complete("DEALLOCATE");
}

void ToySession::run_discard(const Statement& statement) {
  if (block_ != Block::none || (query_ && query_->multiple))
    return raise("25001", statement.text + " cannot run inside a transaction block");
  state_.discard_all();
  statements_.clear();
  portals_.clear();
  complete("DISCARD ALL");
}

bool ToySession::run_notification_word(const Statement& statement) {
  const std::string& word = statement.word;
  if (word != "listen" && word != "unlisten" && word != "notify") return false;
  Bytes rest = Bytes(statement.text).substr(word.size());
  const std::string channel = take_value(rest);
  if (word == "listen") {
    state_.listen(channel, statement.owner);
  } else if (word == "notify") {
    rest.remove_prefix(std::min(rest.size(), rest.find(',') + 1));
    open_notifies_.push_back({channel, take_value(rest)});
  } else if (channel == "*") {
    state_.unlisten_all();
  } else {
    state_.unlisten(channel);
  }
  complete(word == "listen" ? "LISTEN" : word == "notify" ? "NOTIFY" : "UNLISTEN");
  return true;
}

bool ToySession::run_transaction_word(const Statement& statement) {
  const std::string& word = statement.word;
  if (word == "begin" || word == "start") {
    if (block_ == Block::open) notice("25001", "there is already a transaction in progress");
    late_begin_ = proxied_ && block_ == Block::none && !extended_ && query_ && !query_->multiple;
    block_ = Block::open;
    complete("BEGIN");
    return true;
  }
  const bool commit = word == "commit" || word == "end";
  if (!commit && word != "rollback" && word != "abort") return false;
  if (is_rollback_to(statement.text)) {
    raise(block_ == Block::none ? "25P01" : "3B001", "savepoint does not exist");
    return true;
  }
  if (block_ == Block::none) notice("25P01", "there is no transaction in progress");
  const bool good = commit && block_ != Block::failed;
  end_transaction(good);
  complete(good ? "COMMIT" : "ROLLBACK");
  return true;
}

void ToySession::describe_rows(const Statement& statement) {
  emit('T', statement.word == "ask" ? row_description(ask_names) : row_description({"value"}));
}

bool ToySession::set_value(const std::string& name, const std::string& value, bool local) {
  const std::string known = setting_name(name);
  if (known.empty()) {
    raise("42704", "unrecognized configuration parameter \"" + name + "\"");
    return false;
  }
  state_.set(known, value, local);
  return true;
}

void ToySession::raise_missing(const std::string& name, Bytes asked_by) {
  if (name.empty()) return raise("26000", "unnamed prepared statement does not exist", asked_by);
  raise("26000", "prepared statement \"" + name + "\" does not exist", "FetchPreparedStatement");
}

int ToySession::prepared_statements() const {
  return static_cast<int>(statements_.size() - statements_.count(""));
}

// ---- transactions ----

void ToySession::need_transaction() {
  if (open_) return;
  open_ = true;
  ++transaction_;
  transaction_owner_ = {};
  transaction_unmarked_ = false;
  state_.begin();
}

void ToySession::note_owner(Owner owner, const Statement* statement) {
  if (!owner.known()) {
    // A client's BEGIN that the proxy has answered itself, and what it says in place of the client.
    if ((statement->word == "begin" && !transaction_owner_.known()) || statement->word == "deallocate" ||
        is_rollback_to(statement->text))
      return;
    // The proxy may roll back after a client that left; anything else has no place in a client's transaction.
    if (transaction_owner_.known() && statement->word != "rollback" && statement->word != "abort") {
      complaint_ = "a statement without an owner in the transaction of client " +
                   std::to_string(transaction_owner_.client) + ": " + statement->text;
    }
    transaction_unmarked_ = true;
    return;
  }
  if (transaction_unmarked_)
    complaint_ =
        "a statement of client " + std::to_string(owner.client) + " in a transaction that was not its own";
  if (transaction_owner_.known() && transaction_owner_.client != owner.client) {
    complaint_ = "a statement of client " + std::to_string(owner.client) + " in the transaction of client " +
                 std::to_string(transaction_owner_.client);
  }
  if (const std::string left = state_.foreign(owner); !left.empty())
    complaint_ = "a statement of client " + std::to_string(owner.client) + " in a session " + left;
  transaction_owner_ = owner;
}

void ToySession::end_transaction(bool commit) {
  if (open_ && !commit) state_.roll_back();
  if (open_) state_.end();
  if (commit) {
    for (Notify& one : open_notifies_) notifies_.push_back(std::move(one));
  }
  open_notifies_.clear();
  channels_.clear();
  for (const auto& [name, owner] : state_.channels()) channels_.insert(name);
  open_ = late_begin_ = refused_early_ = false;
  block_ = Block::none;
  transaction_owner_ = {};
  portals_.clear();
}

void ToySession::raise(Bytes code, Bytes message, Bytes routine) {
  emit('E', error_body("ERROR", code, message, routine));
  flush_ = true;
  unclear_ = unclear_ || copy_.has_value();
  copy_.reset();
  copy_canceled_ = false;
  if (block_ == Block::none) {
    end_transaction(false);
  } else {
    if (block_ == Block::open) state_.roll_back();
    block_ = Block::failed;
    portals_.clear();
  }
  if (query_) {
    query_->statements.clear();
  } else if (extended_) {
    skipping_ = true;
  }
}

void ToySession::notice(Bytes code, Bytes message) {
  emit('N', error_body("NOTICE", code, message));
  flush_ = true;
}

void ToySession::complete(Bytes tag) { emit('C', Writer().cstring(tag).take()); }

void ToySession::ready() {
  for (const auto& [name, value] : state_.settings()) {
    if (!is_reported(name) || reported_[name] == value) continue;
    reported_[name] = value;
    emit('S', Writer().cstring(name).cstring(value).take());
  }
  emit('Z', std::string(1, status()));
  flush_ = true;
}

// ---- for the model ----

bool ToySession::at_transaction_start() const {
  return (!open_ || late_begin_) && !skipping_ && !query_ && !copy_ && !input_.empty();
}

void ToySession::refuse_next(Bytes code) {
  const Message message = std::move(input_.front());
  input_.pop_front();
  extended_ = message.type != 'Q' && message.type != 'F' && message.type != 'S';
  refused_early_ = refused_early_ || late_begin_;
  if (message.type == 'Q') statements_.erase("");
  raise(code, "refused");
  if (!extended_) ready();
}

void ToySession::fail_block(bool at_rest) {
  if (block_ == Block::open) state_.roll_back();
  block_ = Block::failed;
  if (!at_rest) return;
  portals_.clear();
  // The client was told by the proxy when it happened.
  for (auto& [name, value] : reported_) value = state_.settings().at(name);
}

bool ToySession::next_is_silent() const {
  if (sleeping() || input_.empty() || (query_ && !copy_)) return false;
  const Message& message = input_.front();
  if (copy_) {
    return message.type == 'H' || message.type == 'S' ||
           (message.type == 'd' && parse(message.body).word != "bad");
  }
  if (message.type == 'X' || message.type == 'd' || message.type == 'c' || message.type == 'f' ||
      message.type == 'H')
    return true;
  return skipping_ && message.type != 'S';
}

}  // namespace pgweir::sim
