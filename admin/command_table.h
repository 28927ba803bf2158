#pragma once
// THE console commands, once: the dispatcher, SHOW HELP, the reference and the tests walk these rows.
// Immutable; any thread.

#include <cstddef>
#include <span>
#include <string>

#include "admin/command.h"
#include "admin/statement.h"

namespace pgweir {

std::span<const Command> command_table();

// The command with the most words that begin the statement; null if there is none.
struct FoundCommand {
  const Command* command = nullptr;
  std::size_t words = 0;  // tokens that name it
};
FoundCommand find_command(const Statement& statement);

// The error for a statement that no command fits, with the nearest one as a hint.
ConsoleError unknown_command(const Statement& statement);

// "SHOW CONCURRENCY [pool]".
std::string command_text(const Command& command);
// What a user needs for it, in a word.
Bytes privilege_word(ConsolePrivilege privilege);

}  // namespace pgweir
