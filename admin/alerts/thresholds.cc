#include "admin/alerts/thresholds.h"

#include "admin/pool_view.h"
#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {
namespace {

constexpr double holds_below = 5;               // percentage points below a threshold an alert goes on
constexpr std::size_t most_failure_text = 200;  // characters of what a server said

std::string count(int n, const char* one, const char* many) {
  return count_text(static_cast<std::uint64_t>(n), one, many);
}

}  // namespace

std::optional<AlertFinding> judge_pool_utilisation(const std::string& pool, double share, int size,
                                                   int percent) {
  const double used = share * 100;
  if (percent == 0 || used < percent - holds_below) return {};
  return AlertFinding{.key = {AlertKind::pool_utilisation, pool},
                      .severity = AlertSeverity::notice,
                      .holds = used <= percent,
                      .value = used,
                      .limit = static_cast<double>(percent),
                      .unit = "%",
                      .reason = percent_text(share) + " of " + count(size, "server", "servers") +
                                " were in use over the last minute (alerts.pool_utilisation is " +
                                std::to_string(percent) + " %).",
                      .action = "Nothing needs to be done while nobody waits; SHOW WHATIF " + pool +
                                " says how much more traffic the pool stands."};
}

std::optional<AlertFinding> judge_client_utilisation(int clients, int most, int percent) {
  const double used = most > 0 ? 100.0 * clients / most : 0;
  if (percent == 0 || used < percent - holds_below) return {};
  return AlertFinding{
      .key = {AlertKind::client_utilisation, {}},
      .severity = used > percent && clients >= most ? AlertSeverity::critical : AlertSeverity::warning,
      .holds = used <= percent,
      .value = used,
      .limit = static_cast<double>(percent),
      .unit = "%",
      .reason = count(clients, "client is", "clients are") + " connected of " + std::to_string(most) +
                " that max_client_conn allows; others will be refused.",
      .action = "Raise max_client_conn, or see in SHOW CLIENTS which application opens so many."};
}

std::optional<AlertFinding> judge_server(const PoolSnapshot& pool, const std::string& name, bool asked,
                                         Instant now) {
  if (pool.pulse.failing_since == never || !asked) return {};
  const int open = pool.counts.sv_active + pool.counts.sv_idle + pool.counts.sv_used + pool.counts.sv_tested;
  const Duration failing = now - pool.pulse.failing_since;
  AlertFinding finding{.key = {AlertKind::server_unreachable, name},
                       .severity = open == 0 ? AlertSeverity::critical : AlertSeverity::warning,
                       .value = in_seconds(failing),
                       .limit = 0,
                       .unit = "s"};
  finding.reason = "No connection to the server could be opened for " + duration_text(failing) + "; " +
                   (open == 0 ? std::string("none is open")
                              : count(open, "older one is", "older ones are") + " still open") +
                   ", " + count(pool.counts.cl_waiting, "client waits", "clients wait") +
                   ". The last attempt: " + line_text(pool.pulse.failure, most_failure_text);
  finding.action =
      "See whether PostgreSQL runs, is reachable from here, lets this user in, and has connections left "
      "(max_connections); SHOW DATABASES says where the pool leads.";
  return finding;
}

std::optional<AlertFinding> judge_refusals(std::uint64_t refused) {
  if (refused == 0) return {};
  return AlertFinding{
      .key = {AlertKind::server_unreachable, {}},
      .severity = AlertSeverity::critical,
      .value = static_cast<double>(refused),
      .limit = 0,
      .unit = "refusals",
      .reason = count_text(refused, "client was", "clients were") +
                " refused in the last minute because no connection to the server could be opened.",
      .action =
          "The log says which server; see whether PostgreSQL runs there and is reachable from here, and "
          "what SHOW DATABASES says of the host and port."};
}

std::optional<AlertFinding> judge_queue(const std::string& pool, std::uint64_t refused, int waiting,
                                        int max_queue) {
  if (refused == 0 || max_queue == 0) return {};
  return AlertFinding{.key = {AlertKind::queue_full, pool},
                      .severity = AlertSeverity::critical,
                      .value = static_cast<double>(refused),
                      .limit = 0,
                      .unit = "requests",
                      .reason = count_text(refused, "request", "requests") +
                                " failed in the last minute because the queue was full: " +
                                count(waiting, "client waits", "clients wait") + ", max_queue is " +
                                std::to_string(max_queue) + ".",
                      .action = "SHOW HOLDERS says who holds the servers of " + pool +
                                "; a larger pool (SHOW RECOMMENDATIONS " + pool +
                                ") empties the queue, a larger max_queue makes clients wait."};
}

std::optional<AlertFinding> judge_budget(const std::string& host, int pool_sizes, int allowed) {
  if (pool_sizes <= allowed) return {};
  return AlertFinding{.key = {AlertKind::connection_budget, host},
                      .severity = AlertSeverity::warning,
                      .value = static_cast<double>(pool_sizes),
                      .limit = static_cast<double>(allowed),
                      .unit = "connections",
                      .reason = "The pools of this server may open " + std::to_string(pool_sizes) +
                                " connections together, it has " + std::to_string(std::max(allowed, 0)) +
                                " for them; when all are in use, connections will be refused.",
                      .action =
                          "Lower pool sizes (SHOW RECOMMENDATIONS), set max_db_connections, or raise "
                          "max_connections of the server."};
}

}  // namespace pgweir
