#include "admin/console.h"

#include <algorithm>
#include <utility>

#include "admin/command_table.h"
#include "admin/row_filter.h"

namespace pgweir {
namespace {

// From errcodes.txt: config_file_error, which PgBouncer sends for a failed RELOAD as well.
constexpr Bytes config_file_error = "F0000";

void write_error(Writer& out, const ConsoleError& error, Bytes severity = "ERROR") {
  write_error_response(out, {.severity = severity,
                             .sqlstate = error.sqlstate,
                             .message = error.message,
                             .detail = error.detail,
                             .hint = error.hint});
}

bool may(ConsolePrivilege rights, const Command& command) {
  return rights != ConsolePrivilege::none && command.privilege != ConsolePrivilege::none &&
         rights >= command.privilege;
}

ConsoleError denied(const Command& command) {
  return {sqlstate::insufficient_privilege,
          "only users in console.admin_users may use " + std::string(command.words)};
}

SnapshotParts parts_of(SnapshotNeeds needs) {
  switch (needs) {
    case SnapshotNeeds::none:
    case SnapshotNeeds::pools:
      return {};
    case SnapshotNeeds::connections:
      return {.connections = true};
    case SnapshotNeeds::measures:
      return {.measures = true};
    case SnapshotNeeds::profiles:
      return {.measures = true, .queries = true, .traces = true};
    case SnapshotNeeds::statements:
      return {.statements = true};
    case SnapshotNeeds::pins:
      return {.pins = true};
    case SnapshotNeeds::applications:
      return {.applications = true};
    case SnapshotNeeds::queries:
      return {.queries = true};
  }
  return {};
}

// With the row of the table found, what is still to be checked before the handler.
std::optional<ConsoleError> check(const Command& command, std::size_t arguments, ConsolePrivilege rights) {
  if (!may(rights, command)) return denied(command);
  if (arguments > 0 && command.arguments.empty()) {
    return ConsoleError{sqlstate::syntax_error, std::string(command.words) + " takes no argument"};
  }
  return {};
}

tl::expected<ConsoleOrder, ConsoleError> run(const Statement& statement, ConsolePrivilege rights,
                                             const World& world, Writer& out) {
  const auto [command, words] = find_command(statement);
  if (command == nullptr) return tl::unexpected(unknown_command(statement));
  auto arguments = std::span(statement).subspan(words);
  std::span<const Token> wishes;
  if (command->columns != nullptr) {
    const std::size_t own = tokens_before_filter(arguments);
    wishes = arguments.subspan(own);
    arguments = arguments.first(own);
  }
  if (auto error = check(*command, arguments.size(), rights)) return tl::unexpected(std::move(*error));
  const auto filter = RowFilter::parse(wishes);
  if (!filter) return tl::unexpected(filter.error());
  Writer rows;
  CommandCall call{world, arguments, wishes.empty() ? out : rows, std::string(command->tag), {}};
  if (command->run != nullptr) {
    if (auto outcome = command->run(call); !outcome) return tl::unexpected(std::move(outcome.error()));
  }
  if (!wishes.empty()) {
    const auto kept = filter->apply(rows.view());
    if (!kept) return tl::unexpected(kept.error());
    out.bytes(*kept);
  }
  write_command_complete(out, call.tag);
  return std::move(call.order);
}

// The command with an action among the statements, if any.
const Command* find_action(const std::vector<Statement>& statements) {
  for (const Statement& statement : statements) {
    const Command* const command = find_command(statement).command;
    if (command != nullptr && command->action != ConsoleAction::none) return command;
  }
  return nullptr;
}

ConsoleResult finish(Writer& out, ConsoleAction action = ConsoleAction::none) {
  write_ready_for_query(out, TransactionStatus::idle);
  return {out.take(), action, {}};
}

ConsoleResult finish(Writer& out, const ConsoleError& error) {
  write_error(out, error);
  return finish(out);
}

// A query with an action in it, which may hold nothing else: the caller acts on one thing at a time.
ConsoleResult answer_action(const Command& command, const std::vector<Statement>& statements,
                            ConsolePrivilege rights, const World& world, Writer& out) {
  if (!may(rights, command)) return finish(out, denied(command));
  if (statements.size() > 1) {
    return finish(out, {sqlstate::active_sql_transaction,
                        std::string(command.words) + " must be the only statement of its query"});
  }
  auto order = run(statements[0], rights, world, out);
  if (!order) return finish(out, order.error());
  if (command.action == ConsoleAction::reload) return {{}, command.action};
  if (command.action == ConsoleAction::resize) return {{}, command.action, std::move(*order)};
  ConsoleResult result = finish(out, command.action);
  result.order = std::move(*order);
  return result;
}

}  // namespace

ConsolePrivilege console_rights(const ConsoleSettings& console, Bytes user) {
  const auto listed = [&](const std::vector<std::string>& users) {
    return std::find(users.begin(), users.end(), user) != users.end();
  };
  if (listed(console.admin_users)) return ConsolePrivilege::admin;
  return listed(console.stats_users) ? ConsolePrivilege::stats : ConsolePrivilege::none;
}

ConsolePlan plan_console(Bytes query) {
  ConsolePlan plan;
  const auto statements = split_statements(query);
  if (!statements) return plan;
  for (const Statement& statement : *statements) {
    const Command* const command = find_command(statement).command;
    if (command == nullptr) continue;
    plan.needs_snapshots |= command->needs != SnapshotNeeds::none;
    plan.parts.add(parts_of(command->needs));
  }
  return plan;
}

ConsoleResult answer_console(Bytes query, ConsolePrivilege rights, const World& world) {
  Writer out;
  if (rights == ConsolePrivilege::none) {
    write_error(out, {sqlstate::insufficient_privilege, "this user may not use the console"}, "FATAL");
    return {out.take(), ConsoleAction::close, {}};
  }
  const auto statements = split_statements(query);
  if (!statements) return finish(out, statements.error());
  if (statements->empty()) {
    write_empty_query_response(out);
    return finish(out);
  }
  if (const Command* const command = find_action(*statements))
    return answer_action(*command, *statements, rights, world, out);
  for (const Statement& statement : *statements) {
    if (const auto outcome = run(statement, rights, world, out); !outcome)
      return finish(out, outcome.error());
  }
  return finish(out);
}

std::string action_failed(const ConsoleError& error) {
  Writer out;
  return finish(out, error).bytes;
}

std::string reload_reply(bool ok, Bytes report) {
  Writer out;
  const Bytes first = report.substr(0, report.find('\n'));
  const Bytes rest = report.substr(std::min(first.size() + 1, report.size()));
  if (ok) {
    write_notice_response(
        out, {.message = first.empty() ? "the configuration was read again" : first, .detail = rest});
    write_command_complete(out, "RELOAD");
  } else {
    write_error_response(out, {.sqlstate = config_file_error,
                               .message = first.empty() ? "the configuration is refused" : first,
                               .detail = rest});
  }
  write_ready_for_query(out, TransactionStatus::idle);
  return out.take();
}

std::string resize_reply(const SizeChange& change, Bytes note) {
  Writer out;
  const std::string pool = "pool \"" + printable(name_of(change.route), 120) + "\"";
  const std::string message =
      change.from == change.to
          ? pool + " keeps its size of " + std::to_string(change.to)
          : pool + ": size " + std::to_string(change.from) + " -> " + std::to_string(change.to);
  write_notice_response(out, {.message = message + ": " + change.why, .detail = note});
  const bool set = change.kind == AdviceEntry::Kind::set;
  write_command_complete(out, set ? "APPLY RECOMMENDATION" : "RESET RECOMMENDATION");
  write_ready_for_query(out, TransactionStatus::idle);
  return out.take();
}

std::string resize_reply(const ConsoleError& error) {
  Writer out;
  return finish(out, error).bytes;
}

}  // namespace pgweir
