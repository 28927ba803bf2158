#include "proxy/session/statement_snapshot.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "protocol/reader.h"
#include "protocol/sql_lexer.h"

namespace pgweir {

namespace {

// Enough for what is shown of a text.
constexpr std::size_t text_mailed = 400;
// No more is looked at for parameters, so that the worker is not kept from its work.
constexpr std::size_t text_read = 16 * 1024;
// Of the protocol: their number is 16 bits.
constexpr int most_parameters = 65535;

// A client may leave it to the server to find the parameters: then their highest number tells.
int parameter_count(const PreparedStatement& statement) {
  int count = 0;
  SqlLexer lexer(statement.query().substr(0, text_read));
  for (SqlToken token = lexer.next(); token.kind != SqlToken::Kind::end; token = lexer.next()) {
    if (token.kind != SqlToken::Kind::other || token.text.size() < 2 || token.text[0] != '$') continue;
    int number = 0;
    const auto [end, error] =
        std::from_chars(token.text.data() + 1, token.text.data() + token.text.size(), number);
    if (error == std::errc() && number <= most_parameters) count = std::max(count, number);
  }
  Reader types(statement.parse_rest().substr(statement.query().size() + 1));
  return std::max(count, static_cast<int>(types.u16()));
}

StatementSnapshot snapshot_of(const PreparedStatement& statement) {
  return {.id = statement.hash(),
          .text = std::string(statement.query().substr(0, text_mailed)),
          .length = statement.query().size(),
          .parameters = parameter_count(statement),
          .clients = statement.uses.clients,
          .servers = statement.uses.servers,
          .executions = statement.uses.executions,
          .parses_avoided = statement.uses.parses_avoided,
          .evictions = statement.uses.evictions,
          .bytes = statement.bytes()};
}

}  // namespace

void add_statements(const StatementCatalog& catalog, WorkerSnapshot& snapshot) {
  std::vector<const PreparedStatement*> all;
  all.reserve(catalog.size());
  StatementTotals& totals = snapshot.statement_totals;
  catalog.for_each([&](const PreparedStatement& statement) {
    all.push_back(&statement);
    totals.clients += statement.uses.clients;
    totals.servers += statement.uses.servers;
    totals.executions += statement.uses.executions;
    totals.parses_avoided += statement.uses.parses_avoided;
    totals.evictions += statement.uses.evictions;
  });
  totals.statements = catalog.size();
  totals.bytes = catalog.bytes();
  const auto more = [](const PreparedStatement* a, const PreparedStatement* b) {
    return a->uses.executions > b->uses.executions;
  };
  const auto listed = static_cast<std::ptrdiff_t>(std::min(all.size(), most_statements_listed));
  std::partial_sort(all.begin(), all.begin() + listed, all.end(), more);
  for (auto it = all.begin(); it != all.begin() + listed; ++it)
    snapshot.statements.push_back(snapshot_of(**it));
}

}  // namespace pgweir
