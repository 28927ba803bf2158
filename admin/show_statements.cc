// SHOW PREPARED_STATEMENTS: the statements of all workers, those of the same text put together.

#include <algorithm>
#include <cstdio>
#include <unordered_map>
#include <utility>

#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

constexpr std::size_t longest_text_shown = 100;  // of a text

struct StatementRow {
  Cell id;
  std::string query;
  std::optional<int> parameters;
  StatementTotals sums;
};

using type_oid::int4;
using type_oid::int8;
using type_oid::text;

constexpr std::array statements_table{
    column<StatementRow>(
        "id", text, [](const StatementRow& it) { return it.id; },
        "Of text and parameter types, as long as the process runs; NULL in the last row."),
    column<StatementRow>(
        "query", text, [](const StatementRow& it) { return it.query; },
        "The first 100 characters, on one line. Literals stand there as the client wrote them. In the last "
        "row "
        "how many statements there are, each worker's counted for itself."),
    column<StatementRow>(
        "parameters", int4, [](const StatementRow& it) { return it.parameters; },
        "How many; of a text above 16 kB as far as its first part shows them."),
    column<StatementRow>(
        "clients", int8, [](const StatementRow& it) { return it.sums.clients; },
        "Names that clients have for it now."),
    column<StatementRow>(
        "servers", int8, [](const StatementRow& it) { return it.sums.servers; },
        "Servers that have it prepared now."),
    column<StatementRow>(
        "executions", int8, [](const StatementRow& it) { return it.sums.executions; },
        "How often it was bound, since it is known."),
    column<StatementRow>(
        "parses_avoided", int8, [](const StatementRow& it) { return it.sums.parses_avoided; },
        "How often a client prepared it where the server had it already."),
    column<StatementRow>(
        "evictions", int8, [](const StatementRow& it) { return it.sums.evictions; },
        "How often a server had to close it for another (max_prepared_statements)."),
    column<StatementRow>(
        "bytes", int8, [](const StatementRow& it) { return it.sums.bytes; }, "Memory of pgweir, about."),
};

template <class Counts>
void add(StatementTotals& sums, const Counts& other) {
  sums.clients += other.clients;
  sums.servers += other.servers;
  sums.executions += other.executions;
  sums.parses_avoided += other.parses_avoided;
  sums.evictions += other.evictions;
  sums.bytes += other.bytes;
}

std::string id_text(std::uint64_t id) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(id));
  return digits;
}

StatementRow row_of(const StatementSnapshot& statement) {
  return {.id = id_text(statement.id),
          .query = line_text(statement.text, longest_text_shown, statement.length > statement.text.size()),
          .parameters = statement.parameters,
          .sums = {}};
}

}  // namespace

CommandOutcome show_prepared_statements(CommandCall& call) {
  std::vector<StatementRow> rows;
  std::unordered_map<std::uint64_t, std::size_t> places;
  StatementRow all;
  for (const WorkerSnapshot& worker : call.world.workers) {
    for (const StatementSnapshot& statement : worker.statements) {
      const auto [place, added] = places.try_emplace(statement.id, rows.size());
      if (added) rows.push_back(row_of(statement));
      add(rows[place->second].sums, statement);
    }
    add(all.sums, worker.statement_totals);
    all.sums.statements += worker.statement_totals.statements;
  }
  std::sort(rows.begin(), rows.end(), [](const StatementRow& a, const StatementRow& b) {
    return std::pair(b.sums.executions, a.id) < std::pair(a.sums.executions, b.id);
  });
  if (rows.size() > most_statements_listed) rows.resize(most_statements_listed);
  all.query = "all " + count_text(all.sums.statements, "statement", "statements");
  rows.push_back(std::move(all));
  write_rows(call.out, statements_table, rows);
  return {};
}
std::vector<ColumnInfo> prepared_statements_columns() { return describe<statements_table>(); }

}  // namespace pgweir
