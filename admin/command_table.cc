#include "admin/command_table.h"

#include <algorithm>
#include <vector>

#include "admin/nearest.h"
#include "admin/show.h"

namespace pgweir {
namespace {

constexpr auto stats = ConsolePrivilege::stats;
constexpr auto admin = ConsolePrivilege::admin;

constexpr Command commands[] = {
    {.words = "SHOW HELP",
     .alias = "HELP",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_help,
     .columns = help_columns,
     .doc = "The commands of the console."},
    {.words = "SHOW VERSION",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_version,
     .columns = version_columns,
     .doc = "The version of PgBouncer whose console this is, then pgweir's own."},
    {.words = "SHOW POOLS",
     .privilege = stats,
     .needs = SnapshotNeeds::pools,
     .tag = "SHOW",
     .run = show_pools,
     .columns = pools_columns,
     .doc = "Clients and servers of each pool by their state, and the longest wait."},
    {.words = "SHOW DATABASES",
     .privilege = stats,
     .needs = SnapshotNeeds::pools,
     .tag = "SHOW",
     .run = show_databases,
     .columns = databases_columns,
     .doc = "The databases that are configured or in use, where they lead, and their limits."},
    {.words = "SHOW USERS",
     .privilege = stats,
     .needs = SnapshotNeeds::pools,
     .tag = "SHOW",
     .run = show_users,
     .columns = users_columns,
     .doc = "The users that are configured or connected, and their limits."},
    {.words = "SHOW CLIENTS",
     .privilege = stats,
     .needs = SnapshotNeeds::connections,
     .tag = "SHOW",
     .run = show_clients,
     .columns = connections_columns,
     .doc = "Every connection from an application."},
    {.words = "SHOW SERVERS",
     .privilege = stats,
     .needs = SnapshotNeeds::connections,
     .tag = "SHOW",
     .run = show_servers,
     .columns = connections_columns,
     .doc = "Every connection to PostgreSQL."},
    {.words = "SHOW STATS",
     .privilege = stats,
     .needs = SnapshotNeeds::measures,
     .tag = "SHOW",
     .run = show_stats,
     .columns = stats_columns,
     .doc =
         "Counters of each database since the start, and their averages over the last one to two minutes."},
    {.words = "SHOW STATS_TOTALS",
     .privilege = stats,
     .needs = SnapshotNeeds::measures,
     .tag = "SHOW",
     .run = show_stats_totals,
     .columns = stats_totals_columns,
     .doc = "The counters of SHOW STATS alone."},
    {.words = "SHOW STATS_AVERAGES",
     .privilege = stats,
     .needs = SnapshotNeeds::measures,
     .tag = "SHOW",
     .run = show_stats_averages,
     .columns = stats_averages_columns,
     .doc = "The averages of SHOW STATS alone."},
    {.words = "SHOW LISTS",
     .privilege = stats,
     .needs = SnapshotNeeds::pools,
     .tag = "SHOW",
     .run = show_lists,
     .columns = lists_columns,
     .doc = "How many there are of everything."},
    {.words = "SHOW CONFIG",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_config,
     .columns = config_columns,
     .doc = "The settings in effect, with PgBouncer's names where it has them."},
    {.words = "SHOW STATE",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_state,
     .columns = state_columns,
     .doc = "Whether clients are served."},
    {.words = "SHOW TOTALS",
     .privilege = stats,
     .needs = SnapshotNeeds::measures,
     .tag = "SHOW",
     .run = show_totals,
     .columns = totals_columns,
     .doc = "The counters and averages of SHOW STATS over all databases, one in a row."},
    {.words = "SHOW SOCKETS",
     .privilege = stats,
     .needs = SnapshotNeeds::connections,
     .tag = "SHOW",
     .run = show_sockets,
     .columns = sockets_columns,
     .doc = "Clients, then servers, as SHOW CLIENTS and SHOW SERVERS list them."},
    {.words = "SHOW ACTIVE_SOCKETS",
     .privilege = stats,
     .needs = SnapshotNeeds::connections,
     .tag = "SHOW",
     .run = show_active_sockets,
     .columns = sockets_columns,
     .doc = "Those of SHOW SOCKETS that are not idle."},
    {.words = "SHOW PEERS",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_peers,
     .columns = peers_columns,
     .doc = "Empty: workers are no peers of each other."},
    {.words = "SHOW PEER_POOLS",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_peer_pools,
     .columns = peer_pools_columns,
     .doc = "Empty: there are no peers."},
    {.words = "SHOW MEM",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_mem,
     .columns = mem_columns,
     .doc = "Empty: pgweir has no caches of PgBouncer's kind."},
    {.words = "SHOW DNS_HOSTS",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_dns_hosts,
     .columns = dns_hosts_columns,
     .doc = "Empty: names are looked up when a connection is opened."},
    {.words = "SHOW DNS_ZONES",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_dns_zones,
     .columns = dns_zones_columns,
     .doc = "Empty: zones are not watched."},
    {.words = "SHOW FDS",
     .privilege = admin,
     .tag = "SHOW",
     .run = show_fds,
     .columns = fds_columns,
     .doc = "Empty: descriptors and secrets are not given away."},
    {.words = "SHOW ERRORS",
     .privilege = stats,
     .needs = SnapshotNeeds::pools,
     .tag = "SHOW",
     .run = show_errors,
     .columns = errors_columns,
     .doc = "Why clients were refused something and why servers were closed, with counts."},
    {.words = "SHOW ALERTS",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_alerts,
     .columns = alerts_columns,
     .doc =
         "What is wrong now or soon, why, and what to do: alerts that are on, the worst first, then the last "
         "100 that have ended. Judged every second. Best read with \\x in psql."},
    {.words = "SHOW FORECAST",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_forecast,
     .columns = forecast_columns,
     .doc = "When the demand of each pool will reach its size if it goes on growing as in the days that "
            "pgweir has seen since its start."},
    {.words = "SHOW CONCURRENCY",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::measures,
     .tag = "SHOW",
     .run = show_concurrency,
     .columns = concurrency_columns,
     .doc =
         "How long how many servers were in use at once, and how many clients waited. Where there are many "
         "levels, several share a row. With several workers that share a pool these are estimates."},
    {.words = "SHOW HISTOGRAMS",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::measures,
     .tag = "SHOW",
     .run = show_histograms,
     .columns = histograms_columns,
     .doc = "How long clients waited, and how long queries and transactions took and servers were held. Rows "
            "without a value are left out. SHOW LATENCY says the same in percentiles."},
    {.words = "SHOW LATENCY",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::measures,
     .tag = "SHOW",
     .run = show_latency,
     .columns = latency_columns,
     .doc = "The histograms as percentiles, which are at most 6.25 % (or 1 us) too high."},
    {.words = "SHOW RECOMMENDATIONS",
     .alias = "SHOW ADVICE",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::profiles,
     .tag = "SHOW",
     .run = show_recommendations,
     .columns = recommendations_columns,
     .doc = "Which size each pool should have, why, and how sure that is. Best read with \\x in psql."},
    {.words = "SHOW RECOMMENDATION",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::profiles,
     .tag = "SHOW",
     .run = show_recommendation,
     .columns = recommendation_columns,
     .doc =
         "The advice for one pool at length: what to do, what was measured and when, why, what is not known, "
         "and what other sizes would do. A figure or a sentence a row."},
    {.words = "SHOW BUDGET",
     .privilege = stats,
     .needs = SnapshotNeeds::profiles,
     .tag = "SHOW",
     .run = show_budget,
     .columns = budget_columns,
     .doc =
         "How many connections each server takes, who else uses them, what pgweir's pools may open together, "
         "and how they would best be split."},
    {.words = "SHOW LEVELS",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::profiles,
     .tag = "SHOW",
     .run = show_levels,
     .columns = levels_columns,
     .doc =
         "For the last hour, its busiest minute and the present one: how long so many servers were in use at "
         "once, how many would have been had nobody waited, and how much was done at each number."},
    {.words = "SHOW WHATIF",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::profiles,
     .tag = "SHOW",
     .run = show_what_if,
     .columns = what_if_columns,
     .doc =
         "What the recorded traffic would have met with other sizes of the pool; empty while too little is "
         "recorded."},
    {.words = "SHOW ADVICE_HISTORY",
     .privilege = stats,
     .tag = "SHOW",
     .run = show_advice_history,
     .columns = advice_history_columns,
     .doc =
         "Which sizes were changed by advice, why, and what followed: 16 minutes after a change the minutes "
         "behind it are compared with those before it. Newest first. Best read with \\x in psql."},
    {.words = "SHOW AUTOPILOT",
     .privilege = stats,
     .needs = SnapshotNeeds::profiles,
     .tag = "SHOW",
     .run = show_autopilot,
     .columns = autopilot_columns,
     .doc = "What the autopilot is about to do with each pool that has one, or why it holds."},
    {.words = "SHOW QUERIES",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::queries,
     .tag = "SHOW",
     .run = show_queries,
     .columns = queries_columns,
     .doc = "What each kind of query costs: those that took the most time first, at most 100 of a pool, and "
            "the rest together. Queries that differ only in their values are of one kind."},
    {.words = "SHOW HOLDERS",
     .privilege = stats,
     .needs = SnapshotNeeds::connections,
     .tag = "SHOW",
     .run = show_holders,
     .columns = holders_columns,
     .doc = "Who holds a server now, and what for: first those that are idle in a transaction, the longest "
            "first, then those whose query runs."},
    {.words = "SHOW PREPARED_STATEMENTS",
     .privilege = admin,
     .needs = SnapshotNeeds::statements,
     .tag = "SHOW",
     .run = show_prepared_statements,
     .columns = prepared_statements_columns,
     .doc = "The prepared statements of the extended protocol that clients or servers have, those with the "
            "most executions first. At most 1000; the last row, without an id, is the sum over "
            "all. For administrators, since texts may hold secrets. Session mode prepares none of them."},
    {.words = "SHOW PINS",
     .privilege = stats,
     .needs = SnapshotNeeds::pins,
     .tag = "SHOW",
     .run = show_pins,
     .columns = pins_columns,
     .doc = "Clients that keep their server beyond their transaction, and why; the oldest first. In session "
            "mode all do, and are not listed."},
    {.words = "SHOW PIN_COSTS",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::pools,
     .tag = "SHOW",
     .run = show_pin_costs,
     .columns = pin_costs_columns,
     .doc = "How often and how long servers of each pool have been kept for a client by what it left in its "
            "session, since the start, by kind."},
    {.words = "SHOW READINESS",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::applications,
     .tag = "SHOW",
     .run = show_readiness,
     .columns = readiness_columns,
     .doc =
         "For pools in session mode: whether each application could use transaction mode, and what it does "
         "that would matter. For each application first all of it, then what it uses. Read from the text "
         "of its statements: what functions do inside of the server is not seen."},
    {.words = "SHOW SAVINGS",
     .arguments = "[pool]",
     .privilege = stats,
     .needs = SnapshotNeeds::pools,
     .tag = "SHOW",
     .run = show_savings,
     .columns = savings_columns,
     .doc = "What pgweir has answered in place of the servers of each pool, since the start."},
    {.words = "APPLY RECOMMENDATION",
     .alias = "APPLY ADVICE",
     .arguments = "pool [FORCE]",
     .privilege = admin,
     .needs = SnapshotNeeds::profiles,
     .action = ConsoleAction::resize,
     .tag = "APPLY RECOMMENDATION",
     .run = apply_recommendation,
     .doc =
         "Gives the pool the size that SHOW RECOMMENDATIONS advises, at once, also over a restart if there "
         "is a state_file. Refused while there is no advice, and without FORCE when its confidence is low. "
         "A RELOAD that finds another pool_size in the file ends it."},
    {.words = "RESET RECOMMENDATION",
     .alias = "RESET ADVICE",
     .arguments = "pool",
     .privilege = admin,
     .action = ConsoleAction::resize,
     .tag = "RESET RECOMMENDATION",
     .run = reset_recommendation,
     .doc = "Gives the pool the size of the file again."},
    {.words = "RELOAD",
     .privilege = admin,
     .action = ConsoleAction::reload,
     .tag = "RELOAD",
     .doc = "Reads the configuration again. What changed, and what needs a restart, comes as a notice; if "
            "anything is wrong, the old settings stay."},
    {.words = "SHUTDOWN",
     .privilege = admin,
     .action = ConsoleAction::shutdown,
     .tag = "SHUTDOWN",
     .doc = "Ends the process at once."},
    {.words = "SHUTDOWN WAIT_FOR_CLIENTS",
     .privilege = admin,
     .action = ConsoleAction::shutdown_wait_for_clients,
     .tag = "SHUTDOWN",
     .doc = "Takes no new clients, serves those that are there, and ends when the last has left, or when "
            "shutdown_timeout is over."},
    {.words = "SHUTDOWN WAIT_FOR_SERVERS",
     .privilege = admin,
     .action = ConsoleAction::shutdown_wait_for_servers,
     .tag = "SHUTDOWN",
     .doc = "Takes no new clients, closes those that wait for a server at once and every other when its "
            "transaction is over, and ends when all are gone, or when shutdown_timeout is over."},
    {.words = "PAUSE",
     .arguments = "[database]",
     .privilege = admin,
     .action = ConsoleAction::pause,
     .tag = "PAUSE",
     .run = pause,
     .doc = "Lets clients wait, closes every server when its client's transaction (in session mode: its "
            "client) is over, and answers when none is left. A cancel of the command, as by Ctrl-C, takes it "
            "back."},
    {.words = "RESUME",
     .arguments = "[database]",
     .privilege = admin,
     .action = ConsoleAction::resume,
     .tag = "RESUME",
     .run = resume,
     .doc = "Ends PAUSE, KILL or SUSPEND. Without a database those that were said without one."},
    {.words = "SUSPEND",
     .privilege = admin,
     .action = ConsoleAction::suspend,
     .tag = "SUSPEND",
     .run = suspend,
     .doc = "Stops reading from clients and servers, and answers when all that was read has been passed on. "
            "Connections that take nothing for 10 s are closed. RESUME goes on."},
    {.words = "DISABLE",
     .arguments = "database",
     .privilege = admin,
     .action = ConsoleAction::disable,
     .tag = "DISABLE",
     .run = disable,
     .doc = "Refuses new clients of the database. Those that are there stay."},
    {.words = "ENABLE",
     .arguments = "database",
     .privilege = admin,
     .action = ConsoleAction::enable,
     .tag = "ENABLE",
     .run = enable,
     .doc = "Ends DISABLE."},
    {.words = "RECONNECT",
     .arguments = "[database]",
     .privilege = admin,
     .action = ConsoleAction::reconnect,
     .tag = "RECONNECT",
     .run = reconnect,
     .doc = "Replaces every server: the idle ones at once, each other when it is free. WAIT_CLOSE waits for "
            "that."},
    {.words = "WAIT_CLOSE",
     .arguments = "[database]",
     .privilege = admin,
     .action = ConsoleAction::wait_close,
     .tag = "WAIT_CLOSE",
     .run = wait_close,
     .doc = "Answers when all servers that are to be closed, after RECONNECT or RELOAD, are gone."},
    {.words = "KILL",
     .arguments = "[database]",
     .privilege = admin,
     .action = ConsoleAction::kill,
     .tag = "KILL",
     .run = kill,
     .doc = "Closes all clients and servers at once; new clients wait until RESUME."},
    {.words = "KILL_CLIENT",
     .arguments = "id",
     .privilege = admin,
     .action = ConsoleAction::kill_client,
     .tag = "KILL_CLIENT",
     .run = kill_client,
     .doc = "Closes one client at once: id in SHOW CLIENTS."},
    {.words = "SET",
     .arguments = "setting = value",
     .fits = names_setting,
     .privilege = admin,
     .action = ConsoleAction::set,
     .tag = "SET",
     .run = set_setting,
     .doc =
         "Changes a setting until the next RELOAD: its name in SHOW CONFIG, its value as there or as in the "
         "configuration. Only what RELOAD can change."},

    {.words = "SHOW",
     .arguments = "parameter",
     .privilege = stats,
     .for_drivers = true,
     .tag = "SHOW",
     .run = show_parameter,
     .doc = "The value of a parameter of the session, as far as drivers ask for it."},
    {.words = "SELECT",
     .arguments = "value",
     .privilege = stats,
     .for_drivers = true,
     .tag = "SELECT 1",
     .run = select_value,
     .doc =
         "One row for a whole number, version() or pg_advisory_unlock_all(). The console does not run SQL."},
    {.words = "SET",
     .arguments = "parameter = value",
     .privilege = stats,
     .for_drivers = true,
     .tag = "SET",
     .run = set_parameter,
     .doc = "Accepted and ignored, unless it names a setting of pgweir, or nearly one."},
    {.words = "RESET",
     .arguments = "parameter",
     .privilege = stats,
     .for_drivers = true,
     .tag = "RESET",
     .doc = "Accepted and ignored."},
    {.words = "BEGIN",
     .alias = "BEGIN TRANSACTION",
     .arguments = "[mode]",
     .privilege = stats,
     .for_drivers = true,
     .tag = "BEGIN",
     .doc = "Accepted and ignored: the console has no transactions."},
    {.words = "START TRANSACTION",
     .arguments = "[mode]",
     .privilege = stats,
     .for_drivers = true,
     .tag = "START TRANSACTION",
     .doc = "Accepted and ignored."},
    {.words = "COMMIT",
     .alias = "END",
     .arguments = "[WORK | TRANSACTION]",
     .privilege = stats,
     .for_drivers = true,
     .tag = "COMMIT",
     .doc = "Accepted and ignored."},
    {.words = "ROLLBACK",
     .alias = "ABORT",
     .arguments = "[WORK | TRANSACTION]",
     .privilege = stats,
     .for_drivers = true,
     .tag = "ROLLBACK",
     .doc = "Accepted and ignored."},
    {.words = "DISCARD",
     .arguments = "ALL | PLANS | SEQUENCES | TEMP",
     .privilege = stats,
     .for_drivers = true,
     .tag = "DISCARD ALL",
     .run = discard,
     .doc = "Accepted and ignored."},
    {.words = "DEALLOCATE",
     .arguments = "name | ALL",
     .privilege = stats,
     .for_drivers = true,
     .tag = "DEALLOCATE",
     .run = deallocate,
     .doc = "Accepted and ignored."},
    {.words = "CLOSE",
     .arguments = "name | ALL",
     .privilege = stats,
     .for_drivers = true,
     .tag = "CLOSE CURSOR",
     .run = close_cursor,
     .doc = "Accepted and ignored."},
    {.words = "UNLISTEN",
     .arguments = "name | *",
     .privilege = stats,
     .for_drivers = true,
     .tag = "UNLISTEN",
     .doc = "Accepted and ignored."},
};

// How many tokens the words take at the beginning of the statement; 0 when it begins with something else.
std::size_t matching_words(const Statement& statement, Bytes words) {
  std::size_t count = 0;
  while (!words.empty()) {
    const Bytes word = words.substr(0, words.find(' '));
    if (count == statement.size() || !statement[count].is(word)) return 0;
    ++count;
    words.remove_prefix(std::min(word.size() + 1, words.size()));
  }
  return count;
}

bool is_word(const Token& token) {
  return token.kind == Token::Kind::word || token.kind == Token::Kind::quoted;
}

// The commands that begin with SHOW, without it, or all others.
std::vector<Bytes> words_for_people(bool shows) {
  constexpr Bytes show = "SHOW ";
  std::vector<Bytes> all;
  for (const Command& command : commands) {
    for (const Bytes words : {command.words, command.alias}) {
      if (command.for_drivers || words.empty() || words.starts_with(show) != shows) continue;
      all.push_back(shows ? words.substr(show.size()) : words);
    }
  }
  return all;
}

}  // namespace

std::span<const Command> command_table() { return commands; }

FoundCommand find_command(const Statement& statement) {
  FoundCommand best;
  for (const Command& command : commands) {
    for (const Bytes words : {command.words, command.alias}) {
      const std::size_t count = matching_words(statement, words);
      if (count <= best.words) continue;
      if (command.fits == nullptr || command.fits(std::span(statement).subspan(count)))
        best = {&command, count};
    }
  }
  // As in PgBouncer, SELECT POOLS is SHOW POOLS; SELECT version() is for drivers.
  if (best.words == 1 && statement[0].is("SELECT") && statement.size() > 1 && is_word(statement[1]) &&
      !(statement.size() > 2 && statement[2].is_symbol('('))) {
    Statement show = statement;
    show[0].text = "SHOW";
    if (const FoundCommand shown = find_command(show); shown.words > 1) return shown;
  }
  return best;
}

ConsoleError unknown_command(const Statement& statement) {
  const Token& first = statement[0];
  const bool two = statement.size() > 1 && is_word(statement[1]);
  const std::string said = two ? first.text + " " + statement[1].text : first.text;
  // Without its SHOW a word is short enough that only what is near fits.
  const std::string word = two && first.is("SHOW") ? statement[1].text : said;
  const std::vector<Bytes> shows = words_for_people(true), others = words_for_people(false);
  std::string hint = "SHOW HELP lists the commands; SQL is for the other databases.";
  if (const auto show = nearest(word, shows)) {
    hint = "Perhaps you meant SHOW " + std::string(*show) + ". SHOW HELP lists the commands.";
  } else if (const auto other = nearest(said, others)) {
    hint = "Perhaps you meant " + std::string(*other) + ". SHOW HELP lists the commands.";
  }
  return {sqlstate::syntax_error, "the console has no command \"" + printable(said, 60) + "\"", {}, hint};
}

std::string command_text(const Command& command) {
  std::string text(command.words);
  if (!command.arguments.empty()) text += " " + std::string(command.arguments);
  return text;
}

Bytes privilege_word(ConsolePrivilege privilege) {
  switch (privilege) {
    case ConsolePrivilege::none:
      return "none";
    case ConsolePrivilege::stats:
      return "stats";
    case ConsolePrivilege::admin:
      return "admin";
  }
  return {};
}

}  // namespace pgweir
