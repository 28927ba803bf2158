// SHOW QUERIES: the classes of queries of each pool, and what they cost.

#include <cstdio>

#include "admin/pool_view.h"
#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

struct QueryRow {
  std::string database, user;
  QueryClass query;
  double share = 0;
};

using type_oid::int8;
using type_oid::numeric;
using type_oid::text;

std::int64_t mean(Duration sum, std::uint64_t count) {
  return count == 0 ? 0 : micros(sum) / static_cast<std::int64_t>(count);
}

double share(Duration part, Duration all) {
  return all > Duration::zero() ? static_cast<double>(part.count()) / static_cast<double>(all.count()) : 0;
}

Cell class_cell(std::uint64_t id) {
  if (id == 0) return {};
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(id));
  return std::string(digits);
}

constexpr std::array queries_table{
    column<QueryRow>(
        "database", text, [](const QueryRow& it) { return it.database; }, "Of the pool."),
    column<QueryRow>(
        "user", text, [](const QueryRow& it) { return it.user; }, "Of the pool."),
    column<QueryRow>(
        "class", text, [](const QueryRow& it) { return class_cell(it.query.id); },
        "The same for queries that differ only in their values, in every pool; NULL for the last row of a "
        "pool, which is all that are not listed, ran no statement or could not be read."),
    column<QueryRow>(
        "calls", int8, [](const QueryRow& it) { return it.query.use.calls; }, "How often it was run."),
    column<QueryRow>(
        "percent", numeric, [](const QueryRow& it) { return number_text(it.share * 100, 1); },
        "Of the time that PostgreSQL spent on queries of this pool."),
    column<QueryRow>(
        "time_ms", int8, [](const QueryRow& it) { return micros(it.query.use.time) / 1000; },
        "That PostgreSQL took for all of them, without waiting for a server."),
    column<QueryRow>(
        "mean_us", int8, [](const QueryRow& it) { return mean(it.query.use.time, it.query.use.calls); },
        "For one of them."),
    column<QueryRow>(
        "max_us", int8, [](const QueryRow& it) { return micros(it.query.use.longest); },
        "For the longest of them."),
    column<QueryRow>(
        "waited", int8, [](const QueryRow& it) { return it.query.use.waited; },
        "How many of them had to wait for a server, as the first query of a transaction."),
    column<QueryRow>(
        "mean_wait_us", int8, [](const QueryRow& it) { return mean(it.query.use.wait, it.query.use.waited); },
        "How long those waited on average."),
    column<QueryRow>(
        "query", text, [](const QueryRow& it) { return it.query.text; },
        "The first one seen, with $ for every value. Several statements that were sent together are one "
        "query."),
};

}  // namespace

CommandOutcome show_queries(CommandCall& call) {
  const auto pools = pools_named(call.arguments, call.world, MeasureDepth::none);
  if (!pools) return tl::unexpected(pools.error());
  std::vector<QueryRow> rows;
  for (const PoolSnapshot& pool : *pools) {
    Duration all{};
    for (const QueryClass& query : pool.queries) all += query.use.time;
    for (const QueryClass& query : pool.queries) {
      rows.push_back({pool.database, pool.user, query, share(query.use.time, all)});
      QueryClass& shown = rows.back().query;
      shown.text = query.id == 0 ? "(all others)" : line_text(query.text, QueryClasses::longest_text);
    }
  }
  write_rows(call.out, queries_table, rows);
  return {};
}
std::vector<ColumnInfo> queries_columns() { return describe<queries_table>(); }

}  // namespace pgweir
