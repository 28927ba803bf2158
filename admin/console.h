#pragma once
// The console: a query in, the bytes of the answer and something to do out. Pure; the control thread calls
// it.
//
//   plan_console(query)    what to fetch from the workers first
//   answer_console(...)    the whole answer, ReadyForQuery included
//
// Whether a user may use a command is decided here, from the command table, before its handler is called;
// what the table does not grant is denied.

#include <string>

#include "admin/command.h"
#include "admin/world.h"
#include "protocol/bytes.h"

namespace pgweir {

// What console.admin_users and console.stats_users grant this user.
ConsolePrivilege console_rights(const ConsoleSettings& console, Bytes user);

struct ConsolePlan {
  bool needs_snapshots = false;
  SnapshotParts parts{};
};
ConsolePlan plan_console(Bytes query);

struct ConsoleResult {
  // Empty for ConsoleAction::reload and resize, whose answers are reload_reply() and resize_reply().
  std::string bytes;
  ConsoleAction action = ConsoleAction::none;
  ConsoleOrder order{};
};
// A query may hold several statements; the first error ends it, as in PostgreSQL. A query that cannot be
// cut into statements, or that asks for an action next to other statements, is refused as a whole. A user
// without any right gets FATAL and ConsoleAction::close.
ConsoleResult answer_console(Bytes query, ConsolePrivilege rights, const World& world);

// The whole answer when an action has failed.
std::string action_failed(const ConsoleError& error);

// The whole answer to RELOAD. The first line of the report is the message, the others are its detail.
std::string reload_reply(bool ok, Bytes report);

// The whole answer to APPLY and RESET RECOMMENDATION.
std::string resize_reply(const SizeChange& change, Bytes note);
std::string resize_reply(const ConsoleError& error);

}  // namespace pgweir
