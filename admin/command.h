#pragma once
// One row of the console's command table: all that is known about one command.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "admin/column.h"
#include "admin/console_error.h"
#include "admin/statement.h"
#include "admin/world.h"
#include "protocol/writer.h"

namespace pgweir {

// What a user may do, and what a command asks for: each includes those before it.
enum class ConsolePrivilege : std::uint8_t { none, stats, admin };

// What the caller has to do after a query.
enum class ConsoleAction : std::uint8_t {
  none,
  reload,  // and then to answer with reload_reply()
  shutdown,
  shutdown_wait_for_clients,
  shutdown_wait_for_servers,
  // What follows is answered when every worker has done it.
  pause,
  resume,
  suspend,
  disable,
  enable,
  reconnect,
  kill,
  kill_client,
  wait_close,
  set,    // a setting
  close,  // this console connection
};

// What an action is about.
struct ConsoleOrder {
  std::string database{};  // empty: all
  std::uint64_t client = 0;
  std::shared_ptr<const Settings> settings{};  // those that count from now on
};

// What a command reads from the workers: the pools and their counts, and one thing more.
enum class SnapshotNeeds : std::uint8_t {
  none,
  pools,
  connections,
  measures,
  statements,
  pins,
  applications,
  queries,
  profiles,  // the measures, with traces and hosts
};

struct CommandCall {
  const World& world;
  std::span<const Token> arguments;  // what stands behind the words of the command
  Writer& out;                       // for rows
  std::string tag;                   // of CommandComplete, which the dispatcher writes
  ConsoleOrder order{};              // what the command's action needs to know
};

// An error must come before anything is written.
using CommandOutcome = tl::expected<void, ConsoleError>;

struct Command {
  Bytes words;  // "SHOW POOLS"
  Bytes alias{};
  Bytes arguments{};                                     // as the reference prints them; empty: takes none
  bool (*fits)(std::span<const Token>) = nullptr;        // of two with the same words: whether it is this one
  ConsolePrivilege privilege = ConsolePrivilege::admin;  // a forgotten one is denied
  SnapshotNeeds needs = SnapshotNeeds::none;
  ConsoleAction action = ConsoleAction::none;  // a command with an action must be alone in its query
  bool for_drivers = false;                    // not for people: SHOW HELP leaves it out
  Bytes tag{};
  CommandOutcome (*run)(CommandCall&) = nullptr;   // null: nothing but the tag
  std::vector<ColumnInfo> (*columns)() = nullptr;  // null: no rows, or rows that depend on the argument
  Bytes doc{};
};

}  // namespace pgweir
