#include "admin/console_reference.h"

#include "admin/command_table.h"
#include "admin/console_parameters.h"
#include "admin/markdown.h"

namespace pgweir {
namespace {

constexpr Bytes introduction =
    R"(# Console

The console is the database `pgweir`, or `pgbouncer` for tools that look for that name, on the same address and port
as all others:

    psql -p 6432 -U dba pgweir -c 'SHOW POOLS'

Users in `console.admin_users` may use all commands, those in `console.stats_users` the ones that need `stats`. Both
query protocols are spoken, with text and binary results, so drivers work with their default settings; there are no
parameters. Commands may be written in any case, with comments, several in one query separated by `;`; the first error
ends the query. The process's own user enters without a password over the Unix socket as `pgweir` or
`pgbouncer`. What changes something must be the only statement of its query.

Commands that PgBouncer has answer with exactly the columns of PgBouncer 1.24 and 1.25, so its monitoring tools
work; what PgBouncer has not is in commands of its own. Times are in UTC. A pool is named by its database, or by
`database/user`. Behind every SHOW with columns may stand `WHERE`, `ORDER BY` and `LIMIT`:

    SHOW QUERIES shop WHERE calls >= 100 AND query LIKE '%orders%' ORDER BY mean_us DESC LIMIT 10

with the operators `=`, `<>`, `<`, `<=`, `>`, `>=`, `LIKE`, `IS NULL`, joined by `AND`. This page is made from the same tables as the answers.

)";

Bytes type_name(std::uint32_t oid) {
  switch (oid) {
    case type_oid::int4:
      return "int4";
    case type_oid::int8:
      return "int8";
    case type_oid::numeric:
      return "numeric";
    case type_oid::bytea:
      return "bytea";
    default:
      return "text";
  }
}

std::string command_list(bool for_drivers) {
  std::string out = "| command | needs | what it does |\n|---|---|---|\n";
  for (const Command& command : command_table()) {
    if (command.for_drivers != for_drivers) continue;
    out += "| " + markdown_code(command_text(command)) + " | " +
           std::string(privilege_word(command.privilege)) + " | " + markdown_cell(command.doc);
    if (!command.alias.empty()) out += " Also: " + markdown_code(command.alias) + ".";
    out += " |\n";
  }
  return out;
}

std::string columns_of(const Command& command) {
  std::string out = "\n## " + std::string(command.words) + "\n\n" + markdown_cell(command.doc) +
                    "\n\n| column | type | meaning |\n|---|---|---|\n";
  for (const ColumnInfo& it : command.columns())
    out += "| " + markdown_code(it.name) + " | " + std::string(type_name(it.oid)) + " | " +
           markdown_cell(it.doc) + " |\n";
  return out;
}

std::string parameter_list() {
  std::string out = "| parameter | value |\n|---|---|\n";
  for (const ConsoleParameter& it : console_parameters)
    out += "| " + markdown_code(it.name) + " | " + markdown_code(it.value) + " |\n";
  return out;
}

}  // namespace

std::string console_reference_markdown() {
  std::string out(introduction);
  out += "## Commands\n\n" + command_list(false);
  for (const Command& command : command_table()) {
    if (command.columns != nullptr) out += columns_of(command);
  }
  out += "\n## For drivers\n\nWhat drivers send without being asked is answered so that they go on:\n\n" +
         command_list(true) + "\nThe parameters that SHOW knows:\n\n" + parameter_list();
  return out;
}

}  // namespace pgweir
