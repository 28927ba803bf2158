#pragma once
// What pgweir warns of, as values: a kind and a subject name an alert, the rest says how bad, how much and
// why.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "pool/time.h"
#include "protocol/bytes.h"

namespace pgweir {

enum class AlertKind : std::uint8_t {
  wait_promise,
  exhaustion,
  growth,
  slower,
  pool_utilisation,
  client_utilisation,
  server_unreachable,
  queue_full,
  connection_budget,
};

struct AlertKindRow {
  AlertKind kind;
  Bytes label;
  Bytes doc;
};

inline constexpr std::array alert_kinds{
    AlertKindRow{AlertKind::wait_promise, "wait_promise",
                 "More transactions waited for a server than the promise of the pool allows."},
    AlertKindRow{AlertKind::exhaustion, "exhaustion",
                 "The pool is full, its queue gets older, and requests will time out soon."},
    AlertKindRow{AlertKind::growth, "growth",
                 "Demand grows and will reach the size of the pool within weeks."},
    AlertKindRow{AlertKind::slower, "slower", "A kind of query takes longer than usual at an equal load."},
    AlertKindRow{AlertKind::pool_utilisation, "pool_utilisation",
                 "More servers of the pool are in use than alerts.pool_utilisation allows."},
    AlertKindRow{AlertKind::client_utilisation, "client_utilisation",
                 "More clients are connected than alerts.client_utilisation allows."},
    AlertKindRow{AlertKind::server_unreachable, "server_unreachable",
                 "No connection to the server of the pool can be opened."},
    AlertKindRow{AlertKind::queue_full, "queue_full",
                 "Requests fail because max_queue clients wait already."},
    AlertKindRow{AlertKind::connection_budget, "connection_budget",
                 "All pools of a server together may open more connections than it allows."},
};
constexpr const AlertKindRow& row(AlertKind kind) { return alert_kinds[static_cast<std::size_t>(kind)]; }
static_assert([] {
  for (std::size_t i = 0; i < alert_kinds.size(); ++i) {
    if (alert_kinds[i].kind != static_cast<AlertKind>(i)) return false;
  }
  return true;
}());

// notice: within days; warning: today; critical: now.
enum class AlertSeverity : std::uint8_t { notice, warning, critical };
inline constexpr std::array<Bytes, 3> alert_severities{"notice", "warning", "critical"};
constexpr Bytes word_of(AlertSeverity severity) {
  return alert_severities[static_cast<std::size_t>(severity)];
}

struct AlertKey {
  AlertKind kind{};
  std::string subject;   // "database/user", a host, or empty for the process
  std::string detail{};  // the fingerprint of a kind of query, else empty
  friend auto operator<=>(const AlertKey&, const AlertKey&) = default;
};

// What is true at one moment. `holds`: not bad enough to begin an alert, but too bad to end one.
struct AlertFinding {
  AlertKey key;
  AlertSeverity severity{};
  bool holds = false;
  double value = 0, limit = 0;  // in `unit`
  Bytes unit{};
  std::string reason{};  // what, since when, how much, in words
  std::string action{};  // what to do, where to look
};

struct Alert {
  std::uint64_t id = 0;  // counts from 1 in one process
  AlertFinding finding;  // the latest; of an ended alert the last one
  AlertSeverity worst{};
  Instant since{};               // when it began
  Instant changed{};             // when its severity changed last
  std::optional<Instant> ended;  // nothing: active
};

enum class AlertChange : std::uint8_t { began, changed, ended };
inline constexpr std::array<Bytes, 3> alert_changes{"began", "changed", "ended"};
constexpr Bytes word_of(AlertChange change) { return alert_changes[static_cast<std::size_t>(change)]; }

struct AlertTransition {
  AlertChange change{};
  Alert alert;
};

}  // namespace pgweir
