#pragma once
// The command table for people. admin/docs/console.md is this text; a test compares them. Pure; any thread.

#include <string>

namespace pgweir {

// Markdown: the commands, then the columns of each.
std::string console_reference_markdown();

}  // namespace pgweir
