#include "admin/console_reference.h"

#include <doctest/doctest.h>

#include "admin/command_table.h"
#include "tests/support/generated.h"

using namespace pgweir;

TEST_CASE("the committed console reference is that of the command table") {
  const std::string text = console_reference_markdown();
  CHECK(committed("admin/docs/console.md", text) == text);
}

TEST_CASE("the console reference names every command and every column") {
  const std::string text = console_reference_markdown();
  for (const Command& command : command_table()) {
    CAPTURE(command.words);
    CHECK(text.find("`" + std::string(command.words)) != std::string::npos);
    if (command.columns == nullptr) continue;
    CHECK(text.find("\n## " + std::string(command.words) + "\n") != std::string::npos);
    for (const ColumnInfo& column : command.columns()) {
      CHECK(text.find("\n| `" + std::string(column.name) + "` | ") != std::string::npos);
      CHECK_FALSE(column.doc.empty());
    }
  }
}
