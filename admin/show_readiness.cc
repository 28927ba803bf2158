// SHOW READINESS: what would become of a session pool's applications in transaction mode.

#include <map>

#include "admin/pool_view.h"
#include "admin/setting.h"
#include "admin/show.h"
#include "admin/words.h"

namespace pgweir {
namespace {

struct ReadinessRow {
  std::string database, user, application_name, pool_mode, what, verdict;
  UseCount count;
};

using type_oid::int8;
using type_oid::text;

constexpr std::array readiness_table{
    column<ReadinessRow>(
        "database", text, [](const ReadinessRow& it) { return it.database; }, "Of the pool."),
    column<ReadinessRow>(
        "user", text, [](const ReadinessRow& it) { return it.user; }, "Of the pool."),
    column<ReadinessRow>(
        "application_name", text, [](const ReadinessRow& it) { return it.application_name; },
        "As the clients say; (other): all beyond the first 100 names of a pool and worker."),
    column<ReadinessRow>(
        "pool_mode", text, [](const ReadinessRow& it) { return it.pool_mode; },
        "Of the pool now. The counts are from session mode and stay."),
    column<ReadinessRow>(
        "what", text, [](const ReadinessRow& it) { return it.what; },
        "everything: all that the application does. Else one thing that it uses: a kind of session state, as "
        "in the names of the settings session_state_...; named_statement: statements that the driver "
        "prepares; unread: DO, CALL, or a text that is too long or cannot be read for certain."),
    column<ReadinessRow>(
        "sessions", int8, [](const ReadinessRow& it) { return it.count.sessions; },
        "How many sessions used it since the start. One that changes its application_name counts for both."),
    column<ReadinessRow>(
        "transactions", int8, [](const ReadinessRow& it) { return it.count.transactions; },
        "How many transactions; of statements that are prepared, when they are. What a client sends without "
        "waiting for the answer in between counts once."),
    column<ReadinessRow>(
        "verdict", text, [](const ReadinessRow& it) { return it.verdict; },
        "What transaction mode would make of it, with the present settings."),
};

// What transaction mode does with something.
enum class Outcome : std::uint8_t { tracked, pinned, refused, left, unknown };

struct Finding {
  std::string what;  // as the row names it
  std::string many;  // in words
  UseCount count;
  Outcome outcome = Outcome::tracked;
};

Outcome outcome_of(const StateKindRow& kind, StatePolicy policy) {
  switch (policy) {
    case StatePolicy::track:
      return kind.follows ? Outcome::tracked : Outcome::pinned;
    case StatePolicy::pin:
      return Outcome::pinned;
    case StatePolicy::refuse:
      return Outcome::refused;
    case StatePolicy::allow:
      return Outcome::left;
  }
  return Outcome::pinned;
}

std::string verdict_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::tracked:
      return "fine: it goes with the client from server to server";
    case Outcome::pinned:
      return "works: the client keeps its server as long as it is there";
    case Outcome::refused:
      return "breaks: the settings refuse it";
    case Outcome::left:
      return "breaks: the settings let it stay for other clients";
    case Outcome::unknown:
      return "cannot be told";
  }
  return {};
}

// What an application uses, in the order of the rows.
std::vector<Finding> findings_of(const ApplicationUse& use, const Settings& settings,
                                 const DatabaseSettings* database, const UserSettings* user) {
  std::vector<Finding> findings;
  for (const StateKindRow& it : state_kinds) {
    findings.push_back({std::string(it.label), std::string(it.many),
                        use.state[static_cast<std::size_t>(it.kind)],
                        outcome_of(it, settings.policy_of(it.kind, database, user))});
  }
  findings.push_back({"named_statement", "prepared statements of the driver", use.named_statement,
                      settings.pool.max_prepared_statements > 0 ? Outcome::tracked : Outcome::pinned});
  findings.push_back({"unread", "DO, CALL, or text that is not read", use.unread, Outcome::unknown});
  std::erase_if(findings, [](const Finding& it) { return it.count.sessions == 0; });
  return findings;
}

// "advisory locks: 3 sessions, LISTEN: 1 session".
std::string list_of(const std::vector<Finding>& findings, Outcome outcome) {
  std::string list;
  for (const Finding& it : findings) {
    if (it.outcome != outcome) continue;
    list +=
        (list.empty() ? "" : ", ") + it.many + ": " + count_text(it.count.sessions, "session", "sessions");
  }
  return list;
}

std::string overall_verdict(const std::vector<Finding>& findings) {
  const std::string refused = list_of(findings, Outcome::refused), left = list_of(findings, Outcome::left),
                    pinned = list_of(findings, Outcome::pinned),
                    unknown = list_of(findings, Outcome::unknown);
  std::string verdict = refused.empty() && left.empty() ? "ready" : "not ready";
  if (!refused.empty()) verdict += ", refused (" + refused + ")";
  if (!left.empty()) verdict += ", left for other clients (" + left + ")";
  if (!pinned.empty()) verdict += ", with pins (" + pinned + ")";
  if (!unknown.empty()) verdict += ", as far as can be told (" + unknown + ")";
  return verdict;
}

void add_rows(std::vector<ReadinessRow>& rows, ReadinessRow row, const ApplicationUse& use,
              const Settings& settings) {
  const DatabaseSettings* const database = settings.find_database(row.database);
  const UserSettings* const user = settings.find_user(row.user);
  row.pool_mode = word_of(settings.mode_of(database, user));
  const std::vector<Finding> findings = findings_of(use, settings, database, user);
  row.what = "everything";
  row.count = use.all;
  row.verdict = overall_verdict(findings);
  rows.push_back(row);
  for (const Finding& it : findings) {
    row.what = it.what;
    row.count = it.count;
    row.verdict = verdict_of(it.outcome);
    rows.push_back(row);
  }
}

}  // namespace

CommandOutcome show_readiness(CommandCall& call) {
  const auto pools = pools_named(call.arguments, call.world, MeasureDepth::none);
  if (!pools) return tl::unexpected(pools.error());
  std::vector<ReadinessRow> rows;
  for (const PoolSnapshot& pool : *pools) {
    std::map<std::pair<bool, std::string>, ApplicationUse> applications;
    for (const ApplicationSnapshot& it : pool.applications) applications[{it.others, it.name}].add(it.use);
    for (const auto& [name, use] : applications) {
      ReadinessRow row;
      row.database = pool.database;
      row.user = pool.user;
      row.application_name = name.first ? "(other)" : line_text(name.second, ApplicationUses::longest_name);
      add_rows(rows, std::move(row), use, call.world.settings);
    }
  }
  write_rows(call.out, readiness_table, rows);
  return {};
}
std::vector<ColumnInfo> readiness_columns() { return describe<readiness_table>(); }

}  // namespace pgweir
